"""Which answers stay: S3-FIFO, with entries that have a weight and a lifetime.

In: entries, and the time. Out: which are kept. Invariants: what is kept weighs no more than the budget; no operation
looks at more than a bounded number of entries for each that it pushes out; a hit changes one number and nothing else.
Thread: one at a time; only ``entries`` may be read meanwhile, and ``hits`` of an entry written.

    new ──> small ──asked for since──> main ──not asked for──> gone
              '──not asked for──> ghost ──comes again──^

New entries go through a small queue. Those that nobody asks for meanwhile leave it soon, so that a scan pushes out
nothing but itself; their keys stay a while as ghosts, and an entry whose ghost is there goes to the main queue at once.
There, an entry that was asked for goes round again.

Source: Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all you need for cache eviction", SOSP 2023. Other than
there, one hit in the small queue is enough to leave it for the main one, where the paper asks for two; what is full
counts in bytes; and a search for a victim ends after ``MOST_CHANCES`` second chances, so that no call takes long.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

from gapless.cache.entry import GONE, IN_MAIN, IN_SMALL, PINNED, Entry
from gapless.cache.ghost import Ghost

MOST_HITS: Final = 3
"""Hits that count: so often an entry of the main queue goes round without being asked for again."""

SMALL_SHARE: Final = 0.1
"""Of the budget, for the small queue."""

PINNED_SHARE: Final = 0.25
"""Of the budget, for pinned entries at most."""

LARGEST_SHARE: Final = 0.125
"""Of the budget, for one entry at most."""

GHOST_SHARE: Final = 0.9
"""Of the number of entries: ghosts that count."""

MOST_CHANCES: Final = 64


@final
class S3Fifo:
    """The entries of a namespace.

    Args:
        budget_bytes: they may weigh together.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.entries: Final[dict[bytes, Entry]] = {}
        """By key; for reading."""
        self.budget_bytes = budget_bytes
        self.evictions = 0
        """Entries that made room for others."""
        self._queues = (deque[Entry](), deque[Entry]())
        self._gone = [0, 0]
        """Entries in a queue that are not kept any more."""
        self._bytes = [0, 0, 0]
        """Small, main, pinned."""
        self._ghost = Ghost()

    @property
    def bytes(self) -> int:
        """What the entries weigh."""
        return sum(self._bytes)

    def put(self, entry: Entry, now: float, *, pinned: bool = False) -> bool:
        """Keep an entry, instead of one with the same key; False if it is too large for that.

        An entry that is replaced keeps its place: a value that is computed anew is as wanted as before.
        """
        before = self.entries.get(entry.key)
        pinned = pinned or (before is not None and before.place == PINNED)
        if not self._fits(entry, before, pinned=pinned):
            if before is not None:
                self.drop(before)
            return False
        if before is not None:
            if (before.place == PINNED) == pinned:
                self._replace(before, entry)
                self._make_room(0, now)
                return True
            self.drop(before)
        if pinned:
            place = PINNED
        elif self._ghost.take(entry.key, int(GHOST_SHARE * len(self.entries)) + 1):
            place = IN_MAIN
        else:
            place = IN_SMALL
        self._make_room(entry.weight, now)
        self._enter(entry, place)
        self.entries[entry.key] = entry
        self._ghost.fit(len(self.entries))
        return True

    def drop(self, entry: Entry) -> None:
        """Forget an entry that is kept; its value is free at once."""
        del self.entries[entry.key]
        self._bytes[entry.place] -= entry.weight
        if entry.place != PINNED:
            self._gone[entry.place] += 1
            self._tidy(entry.place)
        self._end(entry)

    def clear(self) -> None:
        """Forget everything."""
        for entry in list(self.entries.values()):
            self._end(entry)
        self.entries.clear()
        for queue in self._queues:
            queue.clear()
        self._gone = [0, 0]
        self._bytes = [0, 0, 0]
        self._ghost = Ghost()

    def shrink(self, now: float, most: int) -> bool:
        """Push out up to ``most`` entries that are over the budget; True if there may be more."""
        for _ in range(most):
            if self.bytes <= self.budget_bytes:
                break
            if self.bytes > self._bytes[PINNED]:
                self._evict(now)
            else:
                # Nothing but pinned entries, and a budget smaller than they: those that came last go.
                self.drop(next(reversed(self.entries.values())))
                self.evictions += 1
        return self.bytes > self.budget_bytes

    def _fits(self, entry: Entry, before: Entry | None, *, pinned: bool) -> bool:
        if entry.weight > LARGEST_SHARE * self.budget_bytes:
            return False
        if not pinned:
            return True
        held = before.weight if before is not None and before.place == PINNED else 0
        return self._bytes[PINNED] - held + entry.weight <= PINNED_SHARE * self.budget_bytes

    def _replace(self, before: Entry, entry: Entry) -> None:
        """The same object stays in its queue, so nothing piles up there."""
        self._bytes[before.place] += entry.weight - before.weight
        # The lifetime first: whoever reads without a lock may see the old value for a new while, never the reverse.
        before.mark = entry.mark
        before.value = entry.value
        before.weight = entry.weight
        before.negative = entry.negative
        before.refresh_at = entry.refresh_at
        before.stale_until = entry.stale_until
        before.fresh_until = entry.fresh_until

    def _make_room(self, weight: int, now: float) -> None:
        while self.bytes + weight > self.budget_bytes and self.bytes > self._bytes[PINNED]:
            self._evict(now)

    def _evict(self, now: float) -> None:
        """Push out one entry that is not pinned."""
        small_full = self._bytes[IN_SMALL] > SMALL_SHARE * (self.budget_bytes - self._bytes[PINNED])
        chances = MOST_CHANCES
        while self._bytes[IN_SMALL] and (small_full or not self._bytes[IN_MAIN]):
            entry = self._next(IN_SMALL)
            chances -= 1
            if entry.hits and chances > 0 and _wanted(entry, now):
                self._bytes[IN_SMALL] -= entry.weight
                self._enter(entry, IN_MAIN)
                # Enough left the small queue: from now on it is the main one that is too long.
                small_full = self._bytes[IN_SMALL] > SMALL_SHARE * self.budget_bytes
                continue
            if _wanted(entry, now):
                self._ghost.add(entry.key)
            self._leave(entry, IN_SMALL)
            return
        while True:
            entry = self._next(IN_MAIN)
            chances -= 1
            if entry.hits and chances > 0 and _wanted(entry, now):
                entry.hits -= 1
                self._queues[IN_MAIN].append(entry)
                continue
            self._leave(entry, IN_MAIN)
            return

    def _next(self, place: int) -> Entry:
        """The oldest entry of a queue, taken out of it."""
        queue = self._queues[place]
        while (entry := queue.popleft()).place == GONE:
            self._gone[place] -= 1
        return entry

    def _enter(self, entry: Entry, place: int) -> None:
        entry.hits = 0
        entry.place = place
        self._bytes[place] += entry.weight
        if place != PINNED:
            self._queues[place].append(entry)

    def _leave(self, entry: Entry, place: int) -> None:
        """An entry was taken out of its queue and is pushed out."""
        del self.entries[entry.key]
        self._bytes[place] -= entry.weight
        self.evictions += 1
        self._end(entry)

    def _end(self, entry: Entry) -> None:
        entry.place = GONE
        entry.fresh_until = entry.stale_until = float("-inf")
        entry.value = b""

    def _tidy(self, place: int) -> None:
        """Entries that are gone never outnumber those in a queue for long."""
        queue = self._queues[place]
        if 2 * self._gone[place] > len(queue) + 64:
            kept = [entry for entry in queue if entry.place == place]
            queue.clear()
            queue.extend(kept)
            self._gone[place] = 0


def _wanted(entry: Entry, now: float) -> bool:
    """Whether anybody could still be given it."""
    return now < entry.stale_until and entry.mark.alive
