"""The batcher beside a model of it that keeps all rows in one list and works everything out anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, builds, integers, lists, none, sampled_from

from gapless.batching.batcher import Batch, Batcher, Entry, Policy
from gapless.batching.ladder import Ladder
from gapless.errors import OverloadError

pytestmark = pytest.mark.long

MS = 1_000_000
MAX_WAITING = 12

Kind = Literal["plain", "narrow", "patient", "measured"]
POLICIES: dict[Kind, Policy] = {
    "plain": Policy(buckets=(1, 2, 4, 8), max_waiting=9),
    "narrow": Policy(buckets=(2, 3), max_waiting=2),
    "patient": Policy(buckets=(1, 4), max_waiting=9, max_delay_ns=40 * MS),
    "measured": Policy(
        buckets=(1, 2, 4), max_waiting=9, max_delay_ns=20 * MS, live_budget_ns=10 * MS
    ),
}


class Asked(msgspec.Struct):
    """A request for a row."""

    size: int
    live: bool
    time_left_ms: int | None
    chain: str | None


ASKED = builds(
    Asked,
    size=sampled_from([1, 1, 1, 1, 1, 2, 2, 3, 4, 9, 0]),
    live=booleans(),
    time_left_ms=none() | integers(-1, 130),
    chain=sampled_from([None, None, None, "a", "b"]),
)


class Known(msgspec.Struct, eq=False):
    """What the model knows of a row."""

    number: int
    entry: Entry[Kind, int]
    kind: Kind
    asked: Asked
    offered_ns: int
    deadline_ns: int | None
    state: Literal["waiting", "lapsed", "running", "done", "expired", "cancelled"] = "waiting"

    @property
    def size(self) -> int:
        return self.asked.size

    @property
    def order(self) -> tuple[bool, int]:
        """Sorting is stable, and the list is in the order they came."""
        due_ns = self.deadline_ns
        if due_ns is None:
            due_ns = self.offered_ns + (100 if self.asked.live else 10_000) * MS
        return not self.asked.live, due_ns

    @property
    def ripe_ns(self) -> int:
        delay_ns = POLICIES[self.kind].max_delay_ns
        if self.deadline_ns is not None:
            delay_ns = min(delay_ns, (self.deadline_ns - self.offered_ns) // 2)
        return self.offered_ns + delay_ns

    def is_past(self, now_ns: int) -> bool:
        return self.deadline_ns is not None and self.deadline_ns <= now_ns


def new_ladder(kind: Kind) -> Ladder:
    return Ladder(POLICIES[kind].buckets, POLICIES[kind].live_budget_ns)


def numbers(rows: Iterable[Known]) -> list[int]:
    return [row.number for row in rows]


class BatcherMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.rows: list[Known] = []
        self.running: list[tuple[Batch[Kind, int], Ladder]] = []
        self.refused = self.batches = 0
        self.ladders = {kind: new_ladder(kind) for kind in POLICIES}
        self.batcher: Batcher[Kind, int] = Batcher(POLICIES.__getitem__, max_waiting=MAX_WAITING)

    # What the model says.

    def in_state(self, *states: str, kind: Kind | None = None) -> list[Known]:
        return [row for row in self.rows if row.state in states and kind in (None, row.kind)]

    def waiting_at(self, now_ns: int) -> list[Known]:
        return [row for row in self.in_state("waiting") if not row.is_past(now_ns)]

    def ready_at(self, now_ns: int, kind: Kind) -> list[Known]:
        """The kind's rows that their chains let go, in order."""
        unsettled = [*self.in_state("running"), *self.waiting_at(now_ns)]
        return sorted(
            (
                row
                for row in self.waiting_at(now_ns)
                if row.kind == kind
                and not any(
                    other.asked.chain == row.asked.chain is not None and other.number < row.number
                    for other in unsettled
                )
            ),
            key=lambda row: row.order,
        )

    def batches_at(self, now_ns: int) -> Iterator[list[Known]]:
        """The batch that each kind would give."""
        for kind, policy in POLICIES.items():
            ready = self.ready_at(now_ns, kind)
            if not ready:
                continue
            limit = self.ladders[kind].admitted if ready[0].asked.live else policy.buckets[-1]
            full = sum(row.size for row in ready) >= limit
            if not full and not any(row.ripe_ns <= now_ns for row in ready):
                continue
            batch = [ready[0]]
            for row in ready[1:]:
                if sum(other.size for other in batch) + row.size > limit:
                    break
                batch.append(row)
            yield batch

    def batch_at(self, now_ns: int) -> list[Known]:
        return min(
            self.batches_at(now_ns),
            key=lambda batch: (*batch[0].order, batch[0].number),
            default=[],
        )

    def has_something(self, now_ns: int) -> bool:
        return (
            bool(self.in_state("lapsed"))
            or any(row.is_past(now_ns) for row in self.in_state("waiting"))
            or bool(self.batch_at(now_ns))
        )

    def lapse(self) -> None:
        for row in self.in_state("waiting"):
            if row.is_past(self.now_ns):
                row.state = "lapsed"

    def is_full(self, kind: Kind, size: int, *, live: bool) -> bool:
        in_all = sum(row.size for row in self.in_state("waiting", "lapsed"))
        of_kind = sum(row.size for row in self.in_state("waiting", kind=kind))
        bounds = ((of_kind, POLICIES[kind].max_waiting), (in_all, MAX_WAITING))
        return any(
            waiting + size > bound or (not live and waiting >= bound / 2)
            for waiting, bound in bounds
        )

    # What happens.

    @rule(kind=sampled_from(list(POLICIES)), asked=lists(ASKED, min_size=1, max_size=6))
    def offer(self, kind: Kind, asked: list[Asked]) -> None:
        for one in asked:
            self.offer_one(kind, one)

    def offer_one(self, kind: Kind, asked: Asked) -> None:
        def offered() -> Entry[Kind, int]:
            return self.batcher.offer(
                kind,
                number,
                self.now_ns,
                size=asked.size,
                live=asked.live,
                deadline_ns=deadline_ns,
                chain=asked.chain,
            )

        number = len(self.rows)
        deadline_ns = None
        if asked.time_left_ms is not None:
            deadline_ns = self.now_ns + asked.time_left_ms * MS
        if not 1 <= asked.size <= min(POLICIES[kind].buckets[-1], POLICIES[kind].max_waiting):
            with pytest.raises(ValueError):
                offered()
        elif self.is_full(kind, asked.size, live=asked.live):
            with pytest.raises(OverloadError) as refused:
                offered()
            assert refused.value.retry_after_ms
            self.refused += asked.size
        else:
            entry = offered()
            assert (entry.kind, entry.row, entry.size) == (kind, number, asked.size)
            self.rows.append(Known(number, entry, kind, asked, self.now_ns, deadline_ns))

    @rule()
    def take(self) -> None:
        batch = self.batcher.take(self.now_ns)
        self.lapse()
        expected = self.batch_at(self.now_ns)
        if batch is None:
            assert not expected
            return
        assert [entry.row for entry in batch.entries] == numbers(expected)
        assert list(batch.entries) == [row.entry for row in expected]
        assert batch.kind == expected[0].kind
        assert batch.rows == sum(row.size for row in expected)
        buckets = POLICIES[batch.kind].buckets
        assert batch.bucket == min(bucket for bucket in buckets if bucket >= batch.rows)
        self.batches += 1
        self.running.append((batch, self.ladders[batch.kind]))
        for row in expected:
            row.state = "running"

    @precondition(lambda self: self.running)
    @rule(which=integers(0, 9), step_ms=none() | sampled_from([1, 1, 9, 11]))
    def finish(self, which: int, step_ms: int | None) -> None:
        batch, ladder = self.running.pop(which % len(self.running))
        step_ns = None if step_ms is None else step_ms * MS
        self.batcher.finish(batch, self.now_ns, step_ns)
        if step_ns is not None:
            ladder.learn(batch.bucket, step_ns)
        for entry in batch.entries:
            self.rows[entry.row].state = "done"
        with pytest.raises(KeyError):
            self.batcher.finish(batch, self.now_ns)

    @precondition(lambda self: self.rows)
    @rule(which=integers(0, 30))
    def cancel(self, which: int) -> None:
        row = self.rows[-1 - which % len(self.rows)]
        assert self.batcher.cancel(row.entry) is (row.state == "waiting")
        if row.state == "waiting":
            row.state = "cancelled"

    @rule()
    def expire(self) -> None:
        self.lapse()
        lapsed = self.in_state("lapsed")
        expired = self.batcher.expire(self.now_ns)
        assert sorted(entry.row for entry in expired) == numbers(lapsed)
        for row in lapsed:
            row.state = "expired"

    @rule(ms=integers(0, 60))
    def let_time_pass(self, ms: int) -> None:
        self.now_ns += ms * MS

    @rule()
    def sleep_until_the_next_event(self) -> None:
        event_ns = self.batcher.next_event_ns()
        if event_ns is not None:
            self.now_ns = max(self.now_ns, event_ns)
            assert self.has_something(self.now_ns)

    @rule(kind=sampled_from(list(POLICIES)), times=integers(0, 4))
    def forget_seldom(self, kind: Kind, times: int) -> None:
        if times == 0:
            self.forget(kind)

    def forget(self, kind: Kind) -> None:
        dropped = self.in_state("waiting", kind=kind)
        assert [entry.row for entry in self.batcher.forget(kind)] == numbers(dropped)
        for row in dropped:
            row.state = "cancelled"
        self.ladders[kind] = new_ladder(kind)

    # What is always true.

    @invariant()
    def the_next_event_is_when_something_happens(self) -> None:
        event_ns = self.batcher.next_event_ns()
        if self.has_something(self.now_ns):
            assert event_ns is not None
            assert event_ns <= self.now_ns
            return
        waiting = self.in_state("waiting")
        moments = {row.ripe_ns for row in waiting} | {row.deadline_ns or 0 for row in waiting}
        assert event_ns == min(
            (now_ns for now_ns in moments if now_ns > self.now_ns and self.has_something(now_ns)),
            default=None,
        )

    @invariant()
    def the_watchdog_sees_what_waits(self) -> None:
        for after_ns in (0, 50 * MS):
            overdue = self.batcher.overdue(self.now_ns, after_ns)
            assert sorted(entry.row for entry in overdue) == numbers(
                row
                for row in self.in_state("waiting", "lapsed")
                if row.offered_ns <= self.now_ns - after_ns
            )

    @invariant()
    def the_counts_agree(self) -> None:
        def rows_in(*states: str) -> int:
            return sum(row.size for row in self.in_state(*states))

        stats = self.batcher.stats
        assert stats.waiting == rows_in("waiting") <= MAX_WAITING
        assert stats.running == rows_in("running")
        assert stats.accepted == sum(row.size for row in self.rows)
        assert stats.refused == self.refused
        assert stats.expired == rows_in("lapsed", "expired")
        assert stats.cancelled == rows_in("cancelled")
        assert stats.batches == self.batches

    def teardown(self) -> None:
        """Whatever happened, all that was accepted is settled when the executors work on, and nothing is kept."""
        while (event_ns := self.batcher.next_event_ns()) is not None or self.running:
            self.now_ns = max(self.now_ns, event_ns or 0)
            self.expire()
            self.take()
            if self.running:
                self.finish(0, None)
        assert not self.in_state("waiting", "lapsed", "running")
        assert not self.batcher._chains


TestBatcher = BatcherMachine.TestCase
TestBatcher.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
