"""The cache: memory first, then what servers share, then whoever computes it already, then computing it.

In: keys and functions that compute. Out: answers. Invariants: those of the contract. What is kept was computed, from
its beginning, after the last invalidation of its namespace and version: marks (memory) and stamps (outside) are taken
before a computation begins and compared when it is kept. Thread: one event loop, but for ``invalidate``, ``resize``,
``stats`` and ``peek``, which any thread may call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple, final

import structlog

from gapless.cache.contract import (
    Answer,
    Compute,
    Fresh,
    Namespace,
    NamespaceStats,
    Tier,
    TierStats,
)
from gapless.cache.entry import Entry, Mark
from gapless.cache.flight import Flights
from gapless.cache.frame import Framed, pack, unpack
from gapless.cache.memory import Memory
from gapless.cache.options import CacheOptions
from gapless.cache.second import NOTHING, Found, Scope, SecondTier

log = structlog.get_logger(__name__)

RETRY_SHARE: Final = 0.125
"""Of the stale window: how long a failed attempt to compute an answer anew is not repeated."""


class Landed(NamedTuple):
    """What a flight brought."""

    value: bytes
    tier: Tier
    stale: bool


class _Question(NamedTuple):
    namespace: Namespace
    key: bytes
    compute: Compute
    mark: Mark


@final
class TieredCache:
    """See the module's head; implements ``gapless.cache.contract.Cache``.

    Args:
        options: how it works.
        second: a tier outside of this process.
        clock: seconds that never go back.
        wall_ms: Unix time, for what other machines read.
    """

    def __init__(
        self,
        options: CacheOptions,
        second: SecondTier | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._options: Final = options
        self._second: Final = second
        self._clock: Final = clock
        self._wall_ms: Final = wall_ms
        self._ttl_s = options.ttl_s
        self._memory: Final = Memory(options.budget_bytes, options.shares, clock)
        self._flights: Final[Flights[Landed]] = Flights(options.max_flights)
        # The quickest way has no step in between.
        self.peek = self._memory.peek

    @property
    def trouble(self) -> str:
        """See ``Cache.trouble``: a second tier that is away."""
        return "" if self._second is None else self._second.trouble

    @property
    def second(self) -> TierStats | None:
        """See ``Cache.second``."""
        return None if self._second is None else self._second.stats

    async def get(
        self, namespace: Namespace, key: bytes, compute: Compute, *, version: str = ""
    ) -> Answer:
        """See ``Cache.get``."""
        value = self.peek(namespace, key)
        if value is not None:
            return Answer(value, "memory")
        counts = self._memory.rooms[namespace].counts
        mark = self._memory.mark(namespace, version)
        question = _Question(namespace, key, compute, mark)
        late = self._memory.stale(namespace, key)
        if late is not None:
            counts.memory_hits += 1
            counts.stale_hits += 1
            self._refresh(question, late[0])
            return Answer(late[1], "memory", stale=True)
        name = (namespace, key, mark)
        flight = self._flights.find(name)
        joined = flight is not None
        if flight is None:
            if self._flights.full:
                return self._answer(question, await self._fetch(question))
            flight = self._flights.begin(name, lambda: self._fetch(question))
        landed = await self._flights.wait(name, flight)
        if joined:
            counts.flight_hits += 1
            return Answer(landed.value, "flight", stale=landed.stale)
        return self._answer(question, landed)

    async def put(
        self,
        namespace: Namespace,
        key: bytes,
        value: bytes,
        *,
        version: str = "",
        pinned: bool = False,
        shared: bool = True,
    ) -> None:
        """See ``Cache.put``. What is pinned stays in this process: every server pins its own."""
        mark = self._memory.mark(namespace, version)
        value = bytes(value)
        if pinned:
            self._memory.put(namespace, key, value, mark, fresh_s=float("inf"), pinned=True)
            return
        fresh = Fresh(value)
        stamp = None
        if shared and self._second is not None:
            stamp = (await self._second.get(Scope(namespace, version), None)).stamp
        self._keep(_Question(namespace, key, _never, mark), fresh, stamp)

    def invalidate(self, namespace: Namespace, *, version: str | None = None) -> None:
        """See ``Cache.invalidate``."""
        # The outer tier first: what is read there from now on has another stamp.
        if self._second is not None:
            self._second.invalidate(namespace, version)
        self._memory.invalidate(namespace, version)

    def stats(self) -> dict[Namespace, NamespaceStats]:
        """See ``Cache.stats``."""
        return self._memory.stats()

    def resize(self, budget_bytes: int, ttl_s: float) -> None:
        """See ``Cache.resize``; what is kept already keeps its lifetime, if it keeps its place. Any thread."""
        self._ttl_s = ttl_s
        self._memory.resize(budget_bytes)

    async def close(self) -> None:
        """See ``Cache.close``; it can be asked further, and computes."""
        await self._flights.close()
        if self._second is not None:
            await self._second.close()
        self.resize(0, self._ttl_s)

    def _answer(self, question: _Question, landed: Landed) -> Answer:
        if landed.stale:
            self._memory.rooms[question.namespace].counts.stale_hits += 1
            late = self._memory.stale(question.namespace, question.key)
            self._refresh(question, late[0] if late is not None else None)
        return Answer(landed.value, landed.tier, stale=landed.stale)

    def _refresh(self, question: _Question, entry: Entry | None) -> None:
        """Compute anew what is past its lifetime, unless somebody does, or it failed a moment ago."""
        name = (question.namespace, question.key, question.mark)
        if entry is not None and self._clock() < entry.refresh_at:
            return
        if self._flights.find(name) or self._flights.full:
            return

        async def compute() -> Landed:
            try:
                return await self._compute(question, await self._stamp(question))
            except Exception as error:
                pause_s = RETRY_SHARE * self._options.stale_s
                if entry is not None:
                    entry.refresh_at = self._clock() + pause_s
                log.info(
                    "a stale answer could not be computed anew",
                    namespace=question.namespace,
                    error=repr(error),
                )
                raise

        self._flights.begin(name, compute, background=True)

    async def _fetch(self, question: _Question) -> Landed:
        """From outside, or computed."""
        found = NOTHING
        if self._second is not None:
            scope = Scope(question.namespace, question.mark.version)
            found = await self._second.get(scope, question.key)
            landed = self._land(question, found)
            if landed is not None:
                return landed
        return await self._compute(question, found.stamp)

    def _land(self, question: _Question, found: Found) -> Landed | None:
        """Keep in memory what is kept outside, if that is good."""
        if found.stamp is None or found.frame is None:
            return None
        now_ms = self._wall_ms()
        framed = unpack(found.frame, found.stamp, now_ms)
        if framed is None:
            return None
        # Other machines' clocks may be ahead: nothing is kept for longer than if it had been computed here.
        usual_s = self._options.negative_ttl_s if framed.negative else self._ttl_s
        fresh_s = min((framed.fresh_until_ms - now_ms) / 1000, usual_s)
        stale_s = (framed.stale_until_ms - max(framed.fresh_until_ms, now_ms)) / 1000
        self._memory.put(
            question.namespace,
            question.key,
            framed.value,
            question.mark,
            fresh_s=max(fresh_s, 0.0),
            stale_s=min(max(stale_s, 0.0), self._options.stale_s),
            negative=framed.negative,
        )
        counts = self._memory.rooms[question.namespace].counts
        counts.redis_hits += 1
        counts.negative_hits += framed.negative
        return Landed(framed.value, "redis", stale=fresh_s <= 0)

    async def _compute(self, question: _Question, stamp: bytes | None) -> Landed:
        counts = self._memory.rooms[question.namespace].counts
        counts.misses += 1
        try:
            made = await question.compute()
        except Exception:
            counts.failures += 1
            raise
        fresh = made if isinstance(made, Fresh) else Fresh(made)
        self._keep(question, fresh, stamp)
        return Landed(fresh.value, "none", stale=False)

    async def _stamp(self, question: _Question) -> bytes | None:
        if self._second is None:
            return None
        scope = Scope(question.namespace, question.mark.version)
        return (await self._second.get(scope, None)).stamp

    def _keep(self, question: _Question, fresh: Fresh, stamp: bytes | None) -> None:
        """Keep an answer in both tiers for as long as it is good."""
        ttl_s = self._ttl_s if fresh.ttl_s is None else fresh.ttl_s
        stale_s = self._options.stale_s
        if fresh.negative:
            ttl_s, stale_s = min(ttl_s, self._options.negative_ttl_s), 0.0
        if ttl_s <= 0:
            return
        self._memory.put(
            question.namespace,
            question.key,
            fresh.value,
            question.mark,
            fresh_s=ttl_s,
            stale_s=stale_s,
            negative=fresh.negative,
        )
        if self._second is None or stamp is None or not question.mark.alive:
            return
        now_ms = self._wall_ms()
        fresh_ms = now_ms + round(1000 * ttl_s)
        stale_ms = fresh_ms + round(1000 * stale_s)
        framed = Framed(fresh.value, fresh_ms, stale_ms, fresh.negative)
        scope = Scope(question.namespace, question.mark.version)
        self._second.put(scope, question.key, pack(framed, stamp), stale_ms - now_ms)


async def _never() -> bytes:
    raise NotImplementedError
