"""Hold a cache to ``gapless.cache.contract``: one suite for every cache there is.

In: a function that opens the cache under test, empty at first. Out: nothing, or an ``AssertionError``. Invariants: each
check closes what it opens; run each on a new cache, with ``asyncio.run(check(open_cache))``. Thread: any.
"""

# ruff: noqa: D103, S101 - a check's name says what it asserts

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias, cast, final

from gapless.cache.contract import NAMESPACES, Cache, Fresh, Tier, TierStats
from gapless.cache.key import digest
from gapless.cache.second import NOTHING, Found, Scope

OpenCache: TypeAlias = Callable[[], Cache]

CacheCheck: TypeAlias = Callable[[OpenCache], Awaitable[None]]


@final
class Source:
    """Computes an answer when it is told to, and counts how often it was asked."""

    def __init__(self, value: bytes | Fresh = b"answer", error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.begun = 0
        self.ended = 0
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> bytes | Fresh:
        """The answer, once the gate is open."""
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        if self.error is not None:
            raise self.error
        return self.value


@final
class FakeSecondTier:
    """Another process's memory, in this one: frames and stamps in dictionaries."""

    def __init__(self) -> None:
        self.frames: dict[tuple[str, bytes], bytes] = {}
        self.numbers: dict[str, int] = {}
        self.up = True

    @property
    def trouble(self) -> str:
        """See ``SecondTier``."""
        return "" if self.up else "it is away"

    @property
    def stats(self) -> TierStats:
        """See ``SecondTier``."""
        return TierStats("fake", "closed" if self.up else "open", opened=0)

    async def get(self, scope: Scope, key: bytes | None) -> Found:
        """See ``SecondTier``."""
        await asyncio.sleep(0)
        if not self.up:
            return NOTHING
        whole = self.numbers.get(scope.namespace, 0)
        one = self.numbers.get(f"{scope.namespace}:{scope.version}", 0)
        stamp = whole.to_bytes(8, "little") + one.to_bytes(8, "little")
        return Found(stamp, None if key is None else self.frames.get((scope.namespace, key)))

    def put(self, scope: Scope, key: bytes, frame: bytes, ttl_ms: int) -> None:
        """See ``SecondTier``."""
        if self.up and ttl_ms > 0:
            self.frames[scope.namespace, key] = frame

    def invalidate(self, namespace: str, version: str | None) -> None:
        """See ``SecondTier``."""
        name = namespace if version is None else f"{namespace}:{version}"
        self.numbers[name] = self.numbers.get(name, 0) + 1

    async def close(self) -> None:
        """See ``SecondTier``."""
        self.up = False


@asynccontextmanager
async def _opened(open_cache: OpenCache) -> AsyncIterator[Cache]:
    cache = open_cache()
    try:
        yield cache
    finally:
        await cache.close()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("what was waited for did not come")


KEY: Final = digest(b"a question")
OTHER: Final = digest(b"another question")


async def what_is_missing_is_computed(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source()
        answer = await cache.get("query", KEY, source)
        assert (answer.value, answer.tier, answer.cached, answer.stale) == (
            b"answer",
            "none",
            False,
            False,
        )
        assert source.begun == 1
        assert cache.stats()["query"].misses == 1


async def a_second_question_gets_the_same_answer(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source()
        for _ in range(3):
            assert (await cache.get("query", KEY, source)).value == b"answer"
        stats = cache.stats()["query"]
        assert stats.misses == source.begun
        assert stats.memory_hits + stats.redis_hits + stats.misses == 3


async def keys_and_namespaces_are_apart(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        for number, namespace in enumerate(NAMESPACES):
            for key in (KEY, OTHER):
                value = b"%d" % number + key
                assert (await cache.get(namespace, key, Source(value))).value == value
        for number, namespace in enumerate(NAMESPACES):
            for key in (KEY, OTHER):
                value = b"%d" % number + key
                assert (await cache.get(namespace, key, Source(value))).value == value


async def equal_questions_are_computed_once(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source()
        source.gate.clear()
        asked = [asyncio.create_task(cache.get("inference", KEY, source)) for _ in range(20)]
        await _until(lambda: source.begun > 0)
        source.gate.set()
        answers = await asyncio.gather(*asked)
        assert source.begun == 1
        tiers: list[Tier] = sorted(answer.tier for answer in answers)
        assert tiers == ["flight"] * 19 + ["none"]
        assert {answer.value for answer in answers} == {b"answer"}
        assert cache.stats()["inference"].flight_hits == 19


async def the_first_who_asked_may_go(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source()
        source.gate.clear()
        first = asyncio.create_task(cache.get("inference", KEY, source))
        await _until(lambda: source.begun > 0)
        second = asyncio.create_task(cache.get("inference", KEY, source))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
        assert first.cancelled()
        source.gate.set()
        assert (await second).value == b"answer"
        assert source.begun == 1


async def what_nobody_waits_for_is_cancelled(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source()
        source.gate.clear()
        asked = [asyncio.create_task(cache.get("inference", KEY, source)) for _ in range(3)]
        await _until(lambda: source.begun > 0)
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        await _until(lambda: source.cancelled == 1)
        source.gate.set()
        assert (await cache.get("inference", KEY, source)).tier == "none"


async def errors_go_to_all_and_are_not_kept(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source(error=LookupError("nothing there"))
        source.gate.clear()
        asked = [asyncio.create_task(cache.get("query", KEY, source)) for _ in range(4)]
        await _until(lambda: source.begun > 0)
        source.gate.set()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [LookupError] * 4
        assert source.begun == 1
        assert cache.stats()["query"].failures == 1
        assert (await cache.get("query", KEY, Source(b"now"))).value == b"now"


async def what_is_not_to_be_kept_is_not(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source(Fresh(b"once", ttl_s=0))
        for _ in range(2):
            assert (await cache.get("query", KEY, source)).tier == "none"
        assert source.begun == 2
        assert cache.peek("query", KEY) is None


async def that_there_is_nothing_is_an_answer(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        source = Source(Fresh(b"", negative=True))
        for _ in range(2):
            assert (await cache.get("query", KEY, source)).value == b""
        stats = cache.stats()["query"]
        assert stats.negative_hits == 2 - source.begun


async def an_invalid_namespace_is_forgotten(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        await cache.get("query", KEY, Source(b"old"))
        await cache.get("embedding", KEY, Source(b"kept"))
        cache.invalidate("query")
        assert cache.peek("query", KEY) is None
        assert (await cache.get("query", KEY, Source(b"new"))).value == b"new"
        kept = Source(b"kept")
        assert (await cache.get("embedding", KEY, kept)).value == b"kept"
        assert kept.begun == cache.stats()["embedding"].misses - 1


async def an_invalid_version_is_forgotten_alone(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        await cache.get("inference", KEY, Source(b"first"), version="a/1")
        await cache.get("inference", OTHER, Source(b"second"), version="a/2")
        cache.invalidate("inference", version="a/1")
        answer = await cache.get("inference", KEY, Source(b"anew"), version="a/1")
        assert (answer.value, answer.tier) == (b"anew", "none")
        again = Source(b"second")
        assert (await cache.get("inference", OTHER, again, version="a/2")).value == b"second"


async def what_was_invalid_before_it_was_done_is_not_kept(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        old, new = Source(b"old"), Source(b"new")
        old.gate.clear()
        asked = asyncio.create_task(cache.get("inference", KEY, old, version="m"))
        await _until(lambda: old.begun > 0)
        cache.invalidate("inference", version="m")
        # Who asks now does not get what was begun before, and who asked before does.
        assert (await cache.get("inference", KEY, new, version="m")).value == b"new"
        old.gate.set()
        assert (await asked).value == b"old"
        answer = await cache.get("inference", KEY, Source(b"new"), version="m")
        assert answer.value == b"new"


async def what_was_put_is_there(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        await cache.put("embedding", KEY, b"vector", version="m")
        source = Source(b"vector")
        assert (await cache.get("embedding", KEY, source, version="m")).value == b"vector"
        cache.invalidate("embedding", version="m")
        assert (await cache.get("embedding", KEY, Source(b"x"), version="m")).value == b"x"


async def values_are_bytes_of_its_own(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        shared = bytearray(b"before")
        # Any buffer passes for bytes at run time.
        await cache.put("flux", KEY, cast("bytes", shared), pinned=True)
        shared[:] = b"after!"
        answer = await cache.get("flux", KEY, Source(b"before"))
        assert answer.value == b"before"
        assert type(answer.value) is bytes


async def a_value_that_is_too_large_is_answered(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        large = bytes(64 * 1024 * 1024)
        assert (await cache.get("inference", KEY, Source(large))).value == large
        assert cache.peek("inference", KEY) is None
        stats = cache.stats()["inference"]
        assert stats.bytes <= stats.budget_bytes


async def a_budget_is_kept(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:
        cache.resize(200_000, 60.0)
        for number in range(300):
            await cache.get("inference", digest(b"%d" % number), Source(bytes(1000)))
            stats = cache.stats()["inference"]
            assert stats.bytes <= stats.budget_bytes <= 200_000
        cache.resize(0, 60.0)
        assert all(stats.bytes == 0 for stats in cache.stats().values())


async def a_closed_cache_computes(open_cache: OpenCache) -> None:
    cache = open_cache()
    await cache.get("query", KEY, Source())
    await cache.close()
    await cache.close()
    assert (await cache.get("query", KEY, Source(b"still"))).value == b"still"


async def closing_ends_what_is_computed(open_cache: OpenCache) -> None:
    from gapless.errors import OverloadError

    cache = open_cache()
    source = Source()
    source.gate.clear()
    asked = asyncio.create_task(cache.get("query", KEY, source))
    await _until(lambda: source.begun > 0)
    await cache.close()
    outcome = (await asyncio.gather(asked, return_exceptions=True))[0]
    assert isinstance(outcome, OverloadError)
    assert source.cancelled == 1


async def threads_may_invalidate_and_count(open_cache: OpenCache) -> None:
    async with _opened(open_cache) as cache:

        def meddle() -> None:
            for number in range(50):
                cache.invalidate("inference", version=f"v{number % 3}")
                cache.stats()

        meddling = asyncio.gather(*(asyncio.to_thread(meddle) for _ in range(2)))
        for number in range(300):
            value = b"%d" % (number % 20)
            answer = await cache.get(
                "inference", digest(value), Source(value), version=f"v{number % 20 % 3}"
            )
            assert answer.value == value
        await meddling


CACHE_CHECKS: Final[tuple[CacheCheck, ...]] = (
    what_is_missing_is_computed,
    a_second_question_gets_the_same_answer,
    keys_and_namespaces_are_apart,
    equal_questions_are_computed_once,
    the_first_who_asked_may_go,
    what_nobody_waits_for_is_cancelled,
    errors_go_to_all_and_are_not_kept,
    what_is_not_to_be_kept_is_not,
    that_there_is_nothing_is_an_answer,
    an_invalid_namespace_is_forgotten,
    an_invalid_version_is_forgotten_alone,
    what_was_invalid_before_it_was_done_is_not_kept,
    what_was_put_is_there,
    values_are_bytes_of_its_own,
    a_value_that_is_too_large_is_answered,
    a_budget_is_kept,
    a_closed_cache_computes,
    closing_ends_what_is_computed,
    threads_may_invalidate_and_count,
)
"""Every check, by its name."""
