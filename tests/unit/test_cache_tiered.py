from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from gapless.cache.contract import Fresh
from gapless.cache.key import digest
from gapless.cache.open import open_cache
from gapless.cache.options import SHARES, CacheOptions
from gapless.cache.tiered import TieredCache
from gapless.errors import ConfigError
from gapless.testing.cache_contract import FakeSecondTier, Source

KEY = digest(b"a question")
OPTIONS = CacheOptions(budget_bytes=1_000_000, ttl_s=100, stale_s=40, negative_ttl_s=5)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + round(1000 * self.now_s)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_an_answer_ends_with_its_lifetime() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(msgspec.structs.replace(OPTIONS, stale_s=0.0), clock=clock)
        await cache.get("query", KEY, Source(b"old"))
        clock.now_s = 99.9
        assert cache.peek("query", KEY) == b"old"
        clock.now_s = 100.0
        assert cache.peek("query", KEY) is None
        assert (await cache.get("query", KEY, Source(b"new"))).value == b"new"

    run(test)


def test_a_lifetime_of_its_own_goes_before_the_usual_one() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        await cache.get("query", KEY, Source(Fresh(b"short", ttl_s=1)))
        clock.now_s = 2.0
        assert cache.peek("query", KEY) is None

    run(test)


def test_a_stale_answer_is_given_at_once_and_computed_anew_once() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        await cache.get("query", KEY, Source(b"old"))
        clock.now_s = 120.0
        anew = Source(b"new")
        anew.gate.clear()
        for _ in range(5):
            answer = await cache.get("query", KEY, anew)
            assert (answer.value, answer.tier, answer.stale) == (b"old", "memory", True)
            await settle()
        anew.gate.set()
        await settle()
        answer = await cache.get("query", KEY, anew)
        assert (answer.value, answer.stale) == (b"new", False)
        assert anew.begun == 1
        assert cache.stats()["query"].stale_hits == 5

    run(test)


def test_a_failure_keeps_the_stale_answer_until_its_window_ends() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        await cache.get("query", KEY, Source(b"old"))
        broken = Source(error=LookupError("away"))
        for now_s, attempts in ((101.0, 1), (105.9, 1), (106.0, 2), (139.9, 3)):
            clock.now_s = now_s
            assert (await cache.get("query", KEY, broken)).value == b"old"
            await settle()
            assert broken.begun == attempts
        clock.now_s = 140.0
        with pytest.raises(LookupError):
            await cache.get("query", KEY, broken)

    run(test)


def test_that_there_is_nothing_is_kept_for_a_short_while_and_never_stale() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        nothing = Source(Fresh(b"", negative=True))
        await cache.get("query", KEY, nothing)
        clock.now_s = 4.9
        assert (await cache.get("query", KEY, nothing)).tier == "memory"
        assert cache.stats()["query"].negative_hits == 1
        clock.now_s = 5.0
        assert (await cache.get("query", KEY, nothing)).tier == "none"

    run(test)


def test_pinned_answers_do_not_age() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        for position in (3, 6, 9):
            await cache.put("flux", digest(b"%d" % position), b"position", pinned=True)
        clock.now_s = 1e9
        assert all(cache.peek("flux", digest(b"%d" % one)) for one in (3, 6, 9))

    run(test)


def test_a_flood_in_one_namespace_costs_the_others_nothing() -> None:
    async def test() -> None:
        cache = TieredCache(OPTIONS)
        await cache.get("recognition", KEY, Source(b"kept"))
        for number in range(3000):
            await cache.put("query", digest(b"%d" % number), bytes(500))
        stats = cache.stats()
        assert stats["query"].evictions > 0
        assert stats["query"].bytes <= SHARES["query"] * OPTIONS.budget_bytes
        assert cache.peek("recognition", KEY) == b"kept"

    run(test)


def test_more_computations_than_may_be_shared_are_not_shared() -> None:
    async def test() -> None:
        cache = TieredCache(msgspec.structs.replace(OPTIONS, max_flights=1))
        first, second = Source(b"1"), Source(b"2")
        first.gate.clear()
        second.gate.clear()
        asked = [
            asyncio.create_task(cache.get("query", digest(bytes([number // 2])), source))
            for number, source in enumerate((first, first, second, second))
        ]
        await settle()
        assert (first.begun, second.begun) == (1, 2)
        first.gate.set()
        second.gate.set()
        answers = await asyncio.gather(*asked)
        assert [answer.value for answer in answers] == [b"1", b"1", b"2", b"2"]

    run(test)


def test_memory_learns_from_the_second_tier() -> None:
    async def test() -> None:
        second, clock = FakeSecondTier(), Clock()
        one, other = (
            TieredCache(OPTIONS, second, clock=clock, wall_ms=clock.wall_ms) for _ in range(2)
        )
        await one.get("query", KEY, Source(b"answer"))
        clock.now_s = 60.0
        never = Source(b"never")
        assert (await other.get("query", KEY, never)).tier == "redis"
        assert other.peek("query", KEY) == b"answer"
        # Not for longer than where it was computed.
        clock.now_s = 100.0
        assert other.peek("query", KEY) is None
        assert never.begun == 0

    run(test)


@pytest.mark.parametrize("budget_bytes", [0, 1_000_000])
def test_a_stale_answer_of_the_second_tier_is_computed_anew(budget_bytes: int) -> None:
    async def test() -> None:
        second, clock = FakeSecondTier(), Clock()
        options = msgspec.structs.replace(OPTIONS, budget_bytes=budget_bytes)
        one, other = (
            TieredCache(options, second, clock=clock, wall_ms=clock.wall_ms) for _ in range(2)
        )
        await one.get("query", KEY, Source(b"old"))
        clock.now_s = 110.0
        anew = Source(b"new")
        answer = await other.get("query", KEY, anew)
        assert (answer.value, answer.tier, answer.stale) == (b"old", "redis", True)
        await settle()
        answer = await other.get("query", KEY, anew)
        assert (answer.value, answer.stale, anew.begun) == (b"new", False, 1)

    run(test)


def test_pinned_answers_stay_in_this_process() -> None:
    async def test() -> None:
        second = FakeSecondTier()
        cache = TieredCache(OPTIONS, second)
        await cache.put("flux", KEY, b"position", pinned=True)
        assert not second.frames
        await cache.put("flux", KEY, b"position")
        assert second.frames

    run(test)


def test_the_lifetime_of_what_comes_is_changed_with_the_budget() -> None:
    async def test() -> None:
        clock = Clock()
        cache = TieredCache(OPTIONS, clock=clock)
        cache.resize(500_000, 10.0)
        await cache.get("query", KEY, Source())
        clock.now_s = 11.0
        assert cache.peek("query", KEY) is None
        assert cache.stats()["query"].budget_bytes == int(500_000 * SHARES["query"])

    run(test)


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget_bytes": -1},
        {"ttl_s": -1.0},
        {"stale_s": float("nan")},
        {"shares": {"query": 1.0}},
        {"shares": dict.fromkeys(SHARES, 0.3)},
        {"max_flights": -1},
    ],
    ids="-".join,
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        CacheOptions(**wrong)


@pytest.mark.parametrize("url", ["http://user:secret@host", "redis://host:port/x", "nonsense"])
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        open_cache(CacheOptions(redis_url=url))
    assert "secret" not in str(error.value)
    assert error.value.param == "redis_url"


def test_names_and_tls_of_a_url_are_understood() -> None:
    from gapless.cache.redis.tier import RedisTier

    options = CacheOptions(redis_url="rediss://someone:word@cache.lan:6380/2").redis
    assert options is not None
    pool = RedisTier(options).link.client.connection_pool
    assert pool.connection_class.__name__ == "SSLConnection"
    wanted = {"username": "someone", "password": "word", "host": "cache.lan", "port": 6380, "db": 2}
    assert wanted.items() <= pool.connection_kwargs.items()
