"""The batcher: which rows are run together, and when. A plain state machine.

In: rows of some kind (a model, a statement, a key), and ``now_ns`` of a monotonic clock. Out: batches. Invariants:

- Work-conserving, no added delay: ``take`` gives a batch whenever a row may run, unless the kind's policy asks rows to
  wait for company (``max_delay_ns``).
- Live before bulk; among those, earliest deadline first; among equals, first come first served.
- A batch holds rows of one kind, at most the largest bucket that its latency budget admits (see ``Ladder``).
- Rows of one ``chain`` (a stream's steps) run one after the other in the order they were offered, never two at a time.
- A row is settled exactly once: it leaves in one batch, or by ``cancel``, ``expire`` or ``forget``; one past its
  deadline is never run.
- The number of rows that wait is bounded, per kind and in all; one more is refused with when to come back. Bulk rows
  are refused once half of the room is taken, so that they never shut out live ones.

Thread: one at a time; the caller locks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import takewhile
from typing import Final, Generic, final

import msgspec

from gapless.batching.lazy_heap import LazyHeap
from gapless.batching.line import Entry, Kind, Line, Policy, Row
from gapless.errors import OverloadError

__all__ = ["Batch", "Batcher", "BatcherStats", "Entry", "Policy"]

KEPT_KINDS: Final = 1024
"""Kinds without waiting rows that are remembered, with what their steps took; the longest unused goes first."""

UNKNOWN_RETRY_MS: Final = 1000
"""When a refused caller may come back, as long as no step of the kind was measured."""

LONGEST_RETRY_MS: Final = 30_000


class Batch(msgspec.Struct, Generic[Kind, Row], frozen=True):
    """Rows that are run together."""

    kind: Kind
    entries: tuple[Entry[Kind, Row], ...]
    rows: int
    """The sum of their sizes."""
    bucket: int
    """The smallest bucket that holds them."""


class BatcherStats(msgspec.Struct, frozen=True):
    """Rows now and since the start, each request with its size; only ``batches`` counts batches."""

    waiting: int
    running: int
    accepted: int
    refused: int
    expired: int
    cancelled: int
    """By ``cancel`` or ``forget``."""
    batches: int


@final
class Batcher(Generic[Kind, Row]):
    """See the module's head.

    Args:
        policy: of a kind; asked when its first row comes, and again after ``forget`` or when it was not used for long.
        max_waiting: rows that may wait in all.
    """

    def __init__(self, policy: Callable[[Kind], Policy], *, max_waiting: int) -> None:
        self._policy = policy
        self._max_waiting = max_waiting
        self._now_ns = 0
        self._next_number = 0

        # Every line with waiting rows, and the `_idle` ones: kinds come and go by the thousand.
        self._lines: dict[Kind, Line[Kind, Row]] = {}
        self._idle: OrderedDict[Kind, None] = OrderedDict()
        # Holds the head of every line that may go (and outdated heads, which are passed over).
        self._heads = LazyHeap()  # (bulk, due, number, line)
        self._deadlines = LazyHeap()  # (deadline, number, line)
        self._ripening = LazyHeap()  # (ripe, number, line)
        # The rows of each chain in order, by number; the first is ready or runs, the others are held back.
        self._chains: dict[Hashable, dict[int, Entry[Kind, Row]]] = {}
        # Past their deadline, but not given out by `expire` yet; they still take room.
        self._lapsed: list[Entry[Kind, Row]] = []
        self._lapsed_rows = 0
        # Batches that run, by the number of their first entry.
        self._running: set[int] = set()

        self._waiting_rows = self._running_rows = 0
        self._accepted = self._refused = self._expired = self._cancelled = self._batches = 0

    def offer(
        self,
        kind: Kind,
        row: Row,
        now_ns: int,
        *,
        size: int = 1,
        live: bool = True,
        deadline_ns: int | None = None,
        chain: Hashable | None = None,
    ) -> Entry[Kind, Row]:
        """Accept a row.

        Raises:
            OverloadError: too many wait; ``retry_after_ms`` is computed from measured step times where there are any.
            ValueError: ``size`` is not between 1 and the kind's largest bucket, or more than may wait at all.
        """
        self._now_ns = now_ns
        line = self._lines.get(kind) or self._open(kind)
        policy = line.policy
        most = min(policy.buckets[-1], policy.max_waiting, self._max_waiting)
        if not 1 <= size <= most:
            raise ValueError(f"a request of {size} rows does not fit; ask for 1 to {most}")
        taken = self._waiting_rows + self._lapsed_rows
        if _is_full(line.rows, policy.max_waiting, size, live=live):
            raise self._refusal(line, size, line.rows, line.running)
        if _is_full(taken, self._max_waiting, size, live=live):
            raise self._refusal(line, size, taken, len(self._running))

        number = self._next_number
        self._next_number += 1
        entry = Entry(kind, row, size, live, now_ns, deadline_ns, chain, number, line)
        if not line.rows:
            del self._idle[kind]
        line.add(entry)
        self._waiting_rows += size
        self._accepted += size
        if deadline_ns is not None:
            self._deadlines.push((deadline_ns, number, line))
        if chain is None:
            self._make_ready(entry)
        elif chain in self._chains:
            self._chains[chain][number] = entry
        else:
            self._chains[chain] = {number: entry}
            self._make_ready(entry)
        return entry

    def take(self, now_ns: int) -> Batch[Kind, Row] | None:
        """The batch to run now, or None while nothing may run. Its rows are the caller's until ``finish``."""
        self._now_ns = now_ns
        self._lapse(now_ns)
        self._ripen(now_ns)
        line = self._next_line()
        if line is None:
            return None
        entries = tuple(line.remove_batch())
        rows = sum(entry.size for entry in entries)
        self._waiting_rows -= rows
        self._after_removal(line)
        self._running.add(entries[0].number)
        self._running_rows += rows
        self._batches += 1
        line.running += 1
        buckets = line.policy.buckets
        return Batch(line.kind, entries, rows, buckets[bisect_left(buckets, rows)])

    def finish(self, batch: Batch[Kind, Row], now_ns: int, step_ns: int | None = None) -> None:
        """The batch was run (or failed): its chains may go on.

        Args:
            batch: what ``take`` gave.
            now_ns: the time.
            step_ns: how long the step took, to learn from; None if it says nothing, after a failure for instance.

        Raises:
            KeyError: the batch was finished before.
        """
        self._now_ns = now_ns
        first = batch.entries[0]
        self._running.remove(first.number)
        self._running_rows -= batch.rows
        first.line.running -= 1
        if step_ns is not None:
            first.line.ladder.learn(batch.bucket, step_ns)
            # A smaller bucket may be full already.
            self._announce(first.line)
        for entry in batch.entries:
            self._advance_chain(entry)

    def cancel(self, entry: Entry[Kind, Row]) -> bool:
        """Take back a row that still waits; False if it runs or has run, was cancelled or has expired."""
        if entry.number not in entry.line.waiting:
            return False
        self._remove(entry)
        self._cancelled += entry.size
        return True

    def expire(self, now_ns: int) -> list[Entry[Kind, Row]]:
        """Give up the rows that wait past their deadline. ``take`` never gives one of them, expired here or not.

        Call it when ``next_event_ns`` says so: until then they take room.
        """
        self._now_ns = now_ns
        self._lapse(now_ns)
        lapsed, self._lapsed = self._lapsed, []
        self._lapsed_rows = 0
        return lapsed

    def overdue(self, now_ns: int, after_ns: int) -> list[Entry[Kind, Row]]:
        """The rows that were accepted that long ago and not given out since: the watchdog's question. They stay."""
        until_ns = now_ns - after_ns
        found = [entry for entry in self._lapsed if entry.offered_ns <= until_ns]
        for line in self._lines.values():
            # They stand in the order they came.
            found += takewhile(lambda entry: entry.offered_ns <= until_ns, line.waiting.values())
        return found

    def next_event_ns(self) -> int | None:
        """When ``take`` or ``expire`` next has something to give if nothing is called before; None: not by itself.

        If they have something already, that is not later than the last ``now_ns``.
        """
        if self._lapsed or self._next_line() is not None:
            return self._now_ns
        heads = (self._deadlines.head(), self._ripening.head())
        return min((head[0] for head in heads if head is not None), default=None)

    def forget(self, kind: Kind) -> list[Entry[Kind, Row]]:
        """Drop a kind and what was learnt of it; returns its waiting rows, which count as cancelled.

        Call it when what the kind stands for goes away: an idle kind is kept alive here for a while.
        """
        line = self._lines.get(kind)
        if line is None:
            return []
        entries = list(line.waiting.values())
        for entry in entries:
            self.cancel(entry)
        del self._lines[kind], self._idle[kind]
        return entries

    @property
    def stats(self) -> BatcherStats:
        """Counts since the start."""
        return BatcherStats(
            waiting=self._waiting_rows,
            running=self._running_rows,
            accepted=self._accepted,
            refused=self._refused,
            expired=self._expired,
            cancelled=self._cancelled,
            batches=self._batches,
        )

    def _open(self, kind: Kind) -> Line[Kind, Row]:
        line: Line[Kind, Row] = Line(kind, self._policy(kind))
        self._lines[kind] = line
        self._retire(line)
        return line

    def _retire(self, line: Line[Kind, Row]) -> None:
        """No row of this kind waits: remember the kind for a while."""
        self._idle[line.kind] = None
        if len(self._idle) > KEPT_KINDS:
            longest_unused, _ = self._idle.popitem(last=False)
            del self._lines[longest_unused]

    def _refusal(
        self, line: Line[Kind, Row], size: int, waiting: int, running: int
    ) -> OverloadError:
        self._refused += size
        drain_ns = line.ladder.drain_ns(waiting + size)
        retry_ms = UNKNOWN_RETRY_MS
        if drain_ns is not None:
            # As many steps side by side as there are now.
            retry_ms = min(drain_ns // max(1, running) // 1_000_000 + 1, LONGEST_RETRY_MS)
        return OverloadError(
            f"{waiting} rows wait already; try again in {retry_ms} ms", retry_after_ms=retry_ms
        )

    def _make_ready(self, entry: Entry[Kind, Row]) -> None:
        line = entry.line
        line.make_ready(entry)
        if line.policy.max_delay_ns:
            self._ripening.push((entry.ripe_ns, entry.number, line))
        else:
            line.make_ripe(entry)
        self._announce(line)

    def _ripen(self, now_ns: int) -> None:
        while (head := self._ripening.head()) is not None and head[0] <= now_ns:
            self._ripening.pop()
            _, number, line = head
            line.make_ripe(line.waiting[number])
            self._announce(line)

    def _lapse(self, now_ns: int) -> None:
        while (head := self._deadlines.head()) is not None and head[0] <= now_ns:
            _, number, line = head
            entry = line.waiting[number]
            self._remove(entry)
            self._lapsed.append(entry)
            self._lapsed_rows += entry.size
            self._expired += entry.size

    def _remove(self, entry: Entry[Kind, Row]) -> None:
        """Take out a row that will not be run."""
        entry.line.remove(entry)
        self._waiting_rows -= entry.size
        self._after_removal(entry.line)
        self._advance_chain(entry)

    def _after_removal(self, line: Line[Kind, Row]) -> None:
        self._announce(line)
        if not line.rows:
            self._retire(line)

    def _announce(self, line: Line[Kind, Row]) -> None:
        """Something changed in this line: see that its head is known if it may go."""
        head = line.head()
        if head is not None and head is not line.announced:
            line.announced = head
            self._heads.push(head)

    def _next_line(self) -> Line[Kind, Row] | None:
        """The line whose head goes before all others."""
        while (head := self._heads.head()) is not None:
            line: Line[Kind, Row] = head[3]
            if line.head() is not None:
                return line
            # It waits for company again, because others were cancelled; it is announced anew when it may go.
            self._heads.pop()
            line.announced = None
        return None

    def _advance_chain(self, entry: Entry[Kind, Row]) -> None:
        """This row is settled: if it was the first of its chain, the next one is."""
        if entry.chain is None:
            return
        steps = self._chains[entry.chain]
        first = next(iter(steps))
        del steps[entry.number]
        if not steps:
            del self._chains[entry.chain]
        elif first == entry.number:
            self._make_ready(next(iter(steps.values())))


def _is_full(waiting: int, bound: int, size: int, *, live: bool) -> bool:
    return waiting + size > bound or (not live and 2 * waiting >= bound)
