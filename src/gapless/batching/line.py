"""The rows of one kind that wait, and how they are batched.

In: rows that were accepted. Out: which of them go next. Invariants: live rows before bulk rows, among those the
earliest deadline first, among equals the first that came; a row that does not fit into a batch any more ends it, for if
smaller ones overtook it, it might never run. Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar, final

import msgspec

from gapless.batching.ladder import Ladder
from gapless.batching.lazy_heap import LazyHeap, Place

Kind = TypeVar("Kind", bound=Hashable)
Row = TypeVar("Row")

LIVE_PATIENCE_NS: Final = 100_000_000
"""A live row without a deadline stands where one stands that has so much time."""

BULK_PATIENCE_NS: Final = 10_000_000_000
"""The same for a bulk row."""


class Policy(msgspec.Struct, frozen=True):
    """How rows of one kind are batched."""

    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Sizes that are run, ascending; a batch is as large as its rows ask for, up to the last."""
    max_waiting: int = 1024
    """Rows of this kind that may wait."""
    max_delay_ns: int = 0
    """How long a row waits for company while the largest bucket is not full; at most half the time to its deadline."""
    live_budget_ns: int | None = None
    """What a batch that holds live rows may take; see ``Ladder``."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: no buckets, buckets that do not ascend from 1 or more, no room, or a negative delay.
        """
        if not self.buckets or list(self.buckets) != sorted({max(1, n) for n in self.buckets}):
            raise ValueError(f"buckets must ascend from 1 or more, not {self.buckets}; sort them")
        if self.max_waiting < 1 or self.max_delay_ns < 0:
            raise ValueError(
                "max_waiting must be at least 1 and max_delay_ns at least 0; raise them"
            )


@final
class Entry(msgspec.Struct, Generic[Kind, Row], eq=False):
    """One row that was accepted; what ``offer`` returns and batches hold."""

    kind: Kind
    row: Row
    size: int
    """Rows it counts for: a request that brings a batch of its own is not taken apart."""
    live: bool
    offered_ns: int
    deadline_ns: int | None
    """When its answer is of no use any more; None: never."""
    chain: Hashable | None

    # The rest is the batcher's own.
    number: int
    """Counts what was accepted."""
    line: Line[Kind, Row]
    ready: bool = False
    """Whether it may run as far as its chain is concerned."""
    ripe: bool = False
    """Whether it is ready and has waited for company long enough."""

    @property
    def due_ns(self) -> int:
        """Where it stands among others of its class."""
        if self.deadline_ns is not None:
            return self.deadline_ns
        return self.offered_ns + (LIVE_PATIENCE_NS if self.live else BULK_PATIENCE_NS)

    @property
    def ripe_ns(self) -> int:
        """When it has waited for company long enough."""
        delay_ns = self.line.policy.max_delay_ns
        if self.deadline_ns is not None:
            delay_ns = min(delay_ns, (self.deadline_ns - self.offered_ns) // 2)
        return self.offered_ns + delay_ns


@final
class Line(Generic[Kind, Row]):
    """See the module's head.

    Args:
        kind: what its rows have in common.
        policy: how they are batched.
    """

    def __init__(self, kind: Kind, policy: Policy) -> None:
        self.kind = kind
        self.policy = policy
        self.ladder = Ladder(policy.buckets, policy.live_budget_ns)
        """What steps of this kind take."""
        self.waiting: dict[int, Entry[Kind, Row]] = {}
        """All that wait, by number, in the order they came."""
        self.rows = 0
        """Their sizes together."""
        self.announced: Place | None = None
        """The batcher's note of the head it knows of."""
        self.running = 0
        """The batcher's count of this kind's batches that run."""
        self._order = LazyHeap()  # the ready ones: (bulk, due, number, line)
        self._ready_rows = 0
        self._ripe = 0

    def add(self, entry: Entry[Kind, Row]) -> None:
        """A row was accepted."""
        self.waiting[entry.number] = entry
        self.rows += entry.size

    def make_ready(self, entry: Entry[Kind, Row]) -> None:
        """Its chain does not hold it back any more."""
        entry.ready = True
        self._ready_rows += entry.size
        self._order.push((not entry.live, entry.due_ns, entry.number, self))

    def make_ripe(self, entry: Entry[Kind, Row]) -> None:
        """It has waited for company long enough."""
        entry.ripe = True
        self._ripe += 1

    def remove(self, entry: Entry[Kind, Row]) -> None:
        """It waits no more."""
        del self.waiting[entry.number]
        self.rows -= entry.size
        if entry.ready:
            self._ready_rows -= entry.size
        if entry.ripe:
            self._ripe -= 1

    def head(self) -> Place | None:
        """The place of the row that goes first, or None while none may go: they are held back, or wait for company."""
        head = self._order.head()
        if head is None or not (self._ripe or self._ready_rows >= self._limit(head)):
            return None
        return head

    def remove_batch(self) -> list[Entry[Kind, Row]]:
        """Take out the rows that go together now; there is a ``head``."""
        entries: list[Entry[Kind, Row]] = []
        room = 0
        while (head := self._order.head()) is not None:
            entry = self.waiting[head[2]]
            if not entries:
                # The first one goes in any case: it cannot be taken apart, and would wait for ever.
                room = max(entry.size, self._limit(head))
            if entry.size > room:
                break
            room -= entry.size
            self.remove(entry)
            entries.append(entry)
        return entries

    def _limit(self, head: Place) -> int:
        """Rows that a batch which begins with this row may hold."""
        bulk: bool = head[0]
        return self.policy.buckets[-1] if bulk else self.ladder.admitted
