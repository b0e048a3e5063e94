"""The first tier: answers in this process's memory, a room for each namespace.

In: answers and questions. Out: entries. Invariants: reading takes no lock, so that a hit costs less than a microsecond;
what changes the rooms holds the lock, for a bounded number of entries at a time. Thread: any; counters are exact where
one thread asks, which is the event loop's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, final
from weakref import WeakValueDictionary

from gapless.cache.contract import NAMESPACES, Namespace, NamespaceStats
from gapless.cache.entry import Entry, Mark, weigh
from gapless.cache.s3fifo import MOST_HITS, S3Fifo

STEP: Final = 512
"""Entries that are pushed out before others may have the lock."""


@final
class Counts:
    """What became of questions; see ``NamespaceStats``."""

    __slots__ = (
        "failures",
        "flight_hits",
        "memory_hits",
        "misses",
        "negative_hits",
        "redis_hits",
        "refused",
        "stale_hits",
    )

    def __init__(self) -> None:
        self.memory_hits = 0
        self.redis_hits = 0
        self.flight_hits = 0
        self.misses = 0
        self.stale_hits = 0
        self.negative_hits = 0
        self.failures = 0
        self.refused = 0


@final
class Room:
    """A namespace."""

    __slots__ = ("core", "counts", "entries", "marks")

    def __init__(self, budget_bytes: int) -> None:
        self.core = S3Fifo(budget_bytes)
        self.entries: Final = self.core.entries
        self.counts = Counts()
        self.marks: Final[WeakValueDictionary[str, Mark]] = WeakValueDictionary()
        """Versions that something is kept or computed of."""


@final
class Memory:
    """See the module's head.

    Args:
        budget_bytes: for all namespaces.
        shares: of each.
        clock: seconds that never go back.
    """

    def __init__(
        self, budget_bytes: int, shares: Mapping[Namespace, float], clock: Callable[[], float]
    ) -> None:
        self._shares: Final = dict(shares)
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self.rooms: Final = {
            name: Room(int(self._shares[name] * budget_bytes)) for name in NAMESPACES
        }

    def peek(self, namespace: Namespace, key: bytes) -> bytes | None:
        """A good answer; counted if there is one."""
        room = self.rooms[namespace]
        entry = room.entries.get(key)
        if entry is None:
            return None
        # The value before its lifetime: an entry that another thread ends is over before its value is gone.
        value = entry.value
        if entry.fresh_until <= self._clock() or not entry.mark.alive:
            return None
        if entry.hits < MOST_HITS:
            entry.hits += 1
        counts = room.counts
        counts.memory_hits += 1
        if entry.negative:
            counts.negative_hits += 1
        return value

    def stale(self, namespace: Namespace, key: bytes) -> tuple[Entry, bytes] | None:
        """An answer that is past its lifetime, and may be given nevertheless; not counted."""
        entry = self.rooms[namespace].entries.get(key)
        if entry is None:
            return None
        value = entry.value
        if entry.stale_until <= self._clock() or not entry.mark.alive:
            return None
        return entry, value

    def mark(self, namespace: Namespace, version: str) -> Mark:
        """What entries of a version are marked with; taken before they are computed."""
        marks = self.rooms[namespace].marks
        with self._lock:
            mark = marks.get(version)
            if mark is None:
                mark = marks[version] = Mark(version)
            return mark

    def put(
        self,
        namespace: Namespace,
        key: bytes,
        value: bytes,
        mark: Mark,
        *,
        fresh_s: float,
        stale_s: float = 0.0,
        negative: bool = False,
        pinned: bool = False,
    ) -> None:
        """Keep an answer, if it is not too large and its version was not invalidated meanwhile."""
        room, now = self.rooms[namespace], self._clock()
        entry = Entry(
            key=key,
            value=value,
            mark=mark,
            weight=weigh(key, value),
            fresh_until=now + fresh_s,
            stale_until=now + fresh_s + stale_s,
            negative=negative,
        )
        with self._lock:
            if not mark.alive:
                return
            if not room.core.put(entry, now, pinned=pinned) and room.core.budget_bytes:
                room.counts.refused += 1

    def invalidate(self, namespace: Namespace, version: str | None) -> None:
        """Forget a namespace or a version; nothing of it is given once this returns."""
        room = self.rooms[namespace]
        with self._lock:
            # From here on nothing of it is given, also not what is being computed.
            if version is None:
                ended = list(room.marks.values())
                room.marks.clear()
            else:
                mark = room.marks.pop(version, None)
                ended = [mark] if mark is not None else []
            for mark in ended:
                mark.alive = False
            if version is None:
                room.core.clear()
                return
            keys = list(room.entries)
        for first in range(0, len(keys), STEP):
            with self._lock:
                for key in keys[first : first + STEP]:
                    entry = room.entries.get(key)
                    if entry is not None and not entry.mark.alive:
                        room.core.drop(entry)

    def resize(self, budget_bytes: int) -> None:
        """Keep no more than fits, from now on."""
        for name, room in self.rooms.items():
            with self._lock:
                room.core.budget_bytes = int(self._shares[name] * budget_bytes)
            more = True
            while more:
                with self._lock:
                    more = room.core.shrink(self._clock(), STEP)

    def stats(self) -> dict[Namespace, NamespaceStats]:
        """Counts by namespace."""
        with self._lock:
            return {name: _stats(room) for name, room in self.rooms.items()}


def _stats(room: Room) -> NamespaceStats:
    counts, core = room.counts, room.core
    return NamespaceStats(
        memory_hits=counts.memory_hits,
        redis_hits=counts.redis_hits,
        flight_hits=counts.flight_hits,
        misses=counts.misses,
        stale_hits=counts.stale_hits,
        negative_hits=counts.negative_hits,
        failures=counts.failures,
        evictions=core.evictions,
        refused=counts.refused,
        entries=len(core.entries),
        bytes=core.bytes,
        budget_bytes=core.budget_bytes,
    )
