from __future__ import annotations

import gc
import weakref
from collections.abc import Hashable
from typing import Any

import pytest

from gapless.batching.batcher import KEPT_KINDS, Batch, Batcher, Policy
from gapless.errors import OverloadError

MS = 1_000_000


class Thing:
    """Somebody's data."""


def batcher(policy: Policy | None = None, *, max_waiting: int = 1000) -> Batcher[Hashable, Any]:
    return Batcher(lambda _: policy or Policy(), max_waiting=max_waiting)


def rows(batch: Batch[Hashable, Any] | None) -> list[Any]:
    return [] if batch is None else [entry.row for entry in batch.entries]


def drain(batcher: Batcher[Hashable, Any], now_ns: int) -> list[list[Any]]:
    """The rows of all batches that may run, each finished before the next."""
    taken = []
    while (batch := batcher.take(now_ns)) is not None:
        taken.append(rows(batch))
        batcher.finish(batch, now_ns)
    return taken


def test_a_row_alone_runs_at_once_in_the_smallest_bucket() -> None:
    queue = batcher()
    queue.offer("vad", "a", 0)
    batch = queue.take(0)
    assert batch is not None
    assert (batch.kind, rows(batch), batch.rows, batch.bucket) == ("vad", ["a"], 1, 1)
    assert queue.take(0) is None


def test_rows_that_came_while_a_batch_ran_run_together() -> None:
    queue = batcher()
    queue.offer("vad", 0, 0)
    first = queue.take(0)
    for row in range(1, 6):
        queue.offer("vad", row, row * MS)
    second = queue.take(9 * MS)
    assert first is not None
    assert second is not None
    assert rows(second) == [1, 2, 3, 4, 5]
    assert second.bucket == 8
    assert queue.stats.running == 6


def test_a_batch_is_at_most_the_largest_bucket() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4)))
    for row in range(9):
        queue.offer("vad", row, 0)
    assert drain(queue, 0) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_rows_of_different_kinds_never_share_a_batch() -> None:
    queue = batcher()
    for row, kind in enumerate(["vad", "asr", "vad", "asr"]):
        queue.offer(kind, row, row)
    assert drain(queue, 9) == [[0, 2], [1, 3]]


def test_any_hashable_is_a_kind_such_as_the_key_of_a_look_up() -> None:
    queue = batcher()
    for asker, key in enumerate([("utterance", 7), ("utterance", 8), ("utterance", 7), None]):
        queue.offer(key, asker, asker)
    taken = [queue.take(9) for _ in range(3)]
    assert [(batch.kind, rows(batch)) for batch in taken if batch] == [
        (("utterance", 7), [0, 2]),
        (("utterance", 8), [1]),
        (None, [3]),
    ]


def test_the_earliest_deadline_goes_first() -> None:
    queue = batcher(Policy(buckets=(1,)))
    queue.offer("a", "later", 0, deadline_ns=30 * MS)
    queue.offer("a", "sooner", 1, deadline_ns=20 * MS)
    queue.offer("b", "soonest", 2, deadline_ns=10 * MS)
    assert drain(queue, 3) == [["soonest"], ["sooner"], ["later"]]


def test_a_row_without_a_deadline_stands_as_if_it_had_100_ms_or_in_bulk_10_s() -> None:
    queue = batcher(Policy(buckets=(1,)))
    queue.offer("a", "any time", 0)
    queue.offer("a", "99 ms", 0, deadline_ns=99 * MS)
    queue.offer("a", "101 ms", 0, deadline_ns=101 * MS)
    queue.offer("a", "bulk, any time", 0, live=False)
    queue.offer("a", "bulk, 9.9 s", 0, live=False, deadline_ns=9_900 * MS)
    queue.offer("a", "bulk, 10.1 s", 0, live=False, deadline_ns=10_100 * MS)
    assert drain(queue, 0) == [
        ["99 ms"],
        ["any time"],
        ["101 ms"],
        ["bulk, 9.9 s"],
        ["bulk, any time"],
        ["bulk, 10.1 s"],
    ]


def test_live_rows_go_before_bulk_ones_which_fill_what_is_left_of_the_batch() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4)))
    for row in ("bulk 0", "bulk 1", "bulk 2"):
        queue.offer("a", row, 0, live=False, deadline_ns=MS)
    queue.offer("b", "other bulk", 0, live=False)
    for row in ("live 0", "live 1"):
        queue.offer("a", row, 0)
    assert drain(queue, 0) == [["live 0", "live 1", "bulk 0", "bulk 1"], ["bulk 2"], ["other bulk"]]


def test_a_request_that_brings_many_rows_is_not_taken_apart_nor_overtaken() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4)))
    queue.offer("a", "two", 0, size=2)
    queue.offer("a", "three", 0, size=3)
    queue.offer("a", "one", 0)
    assert drain(queue, 0) == [["two"], ["three", "one"]]
    with pytest.raises(ValueError, match="1 to 4"):
        queue.offer("a", "five", 0, size=5)


def test_a_request_larger_than_may_ever_wait_is_an_error_and_not_an_overload() -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        batcher(Policy(max_waiting=3)).offer("a", "four", 0, size=4)
    with pytest.raises(ValueError, match="1 to 2"):
        batcher(max_waiting=2).offer("a", "four", 0, size=4)


def test_the_steps_of_a_stream_run_one_after_the_other_and_hold_up_nobody() -> None:
    queue = batcher()
    queue.offer("vad", "stream step 0", 0, chain="stream")
    queue.offer("vad", "stream step 1", 0, chain="stream", deadline_ns=MS)
    queue.offer("last chunk", "stream step 2", 0, chain="stream")
    queue.offer("vad", "other", 0)
    first = queue.take(0)
    assert rows(first) == ["stream step 0", "other"]
    assert queue.take(0) is None
    assert first is not None
    queue.finish(first, MS // 2)
    assert queue.next_event_ns() == MS // 2
    assert drain(queue, MS // 2) == [["stream step 1"], ["stream step 2"]]


def test_a_stream_goes_on_when_its_first_step_is_cancelled_or_expires() -> None:
    queue = batcher()
    steps = [
        queue.offer("vad", step, 0, chain="stream", deadline_ns=deadline_ns)
        for step, deadline_ns in enumerate([None, MS, None])
    ]
    assert queue.cancel(steps[0])
    assert not queue.cancel(steps[0])
    assert drain(queue, MS) == [[2]]
    assert queue.expire(MS) == [steps[1]]


def test_an_expired_row_is_never_run_and_takes_room_until_it_is_fetched() -> None:
    queue = batcher(max_waiting=1)
    late = queue.offer("a", "late", 0, deadline_ns=5 * MS)
    assert queue.next_event_ns() == 0
    assert queue.take(5 * MS) is None
    assert not queue.cancel(late)
    with pytest.raises(OverloadError):
        queue.offer("a", "next", 5 * MS)
    assert queue.next_event_ns() == 5 * MS
    assert queue.expire(5 * MS) == [late]
    assert queue.next_event_ns() is None
    queue.offer("a", "next", 5 * MS)


def test_with_max_delay_rows_wait_for_company_until_the_bucket_is_full() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4), max_delay_ns=10 * MS))
    for row in range(3):
        queue.offer("a", row, row * MS)
        assert queue.take(row * MS) is None
    assert queue.next_event_ns() == 10 * MS
    last = queue.offer("a", 3, 3 * MS)
    assert queue.next_event_ns() == 3 * MS
    queue.cancel(last)
    assert queue.take(3 * MS) is None
    assert queue.next_event_ns() == 10 * MS
    assert drain(queue, 10 * MS) == [[0, 1, 2]]


def test_max_delay_takes_at_most_half_the_time_to_a_deadline() -> None:
    queue = batcher(Policy(max_delay_ns=10 * MS))
    queue.offer("a", "hurried", 0, deadline_ns=8 * MS)
    assert queue.next_event_ns() == 4 * MS
    assert queue.take(4 * MS - 1) is None
    assert rows(queue.take(4 * MS)) == ["hurried"]


def test_rows_wait_no_longer_for_a_bucket_that_proved_too_slow() -> None:
    queue = batcher(Policy(buckets=(1, 2), max_delay_ns=10 * MS, live_budget_ns=5 * MS))
    queue.offer("a", 0, 0)
    first = queue.take(0)  # one row is all that is admitted before the first step was measured
    assert first is not None
    queue.finish(first, 0, MS)
    queue.offer("a", 1, 0)
    assert queue.take(0) is None
    queue.offer("a", 2, 0)
    both = queue.take(0)
    queue.offer("a", 3, MS)
    assert queue.take(MS) is None
    assert both is not None
    queue.finish(both, 6 * MS, 6 * MS)
    assert queue.next_event_ns() == 6 * MS
    assert rows(queue.take(6 * MS)) == [3]


def test_batches_with_live_rows_keep_to_the_budget_and_bulk_ones_need_not() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4), live_budget_ns=10 * MS))
    for live in (False, True):
        for row in range(4):
            queue.offer("a", row, 0, live=live)
        batch = queue.take(0)
        assert batch is not None
        assert batch.bucket == (1 if live else 4)  # nothing is known of it yet
        queue.finish(batch, 0, 11 * MS)
        queue.forget("a")


def test_a_live_request_larger_than_the_budget_admits_runs_alone() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4), live_budget_ns=10 * MS))
    queue.offer("a", "three", 0, size=3)
    queue.offer("a", "one", 0)
    assert drain(queue, 0) == [["three"], ["one"]]


def test_a_bound_of_one_kind_and_a_bound_of_all() -> None:
    queue = batcher(Policy(max_waiting=2), max_waiting=3)
    queue.offer("a", 0, 0)
    queue.offer("a", 1, 0)
    with pytest.raises(OverloadError, match="2 rows wait already"):
        queue.offer("a", 2, 0)
    queue.offer("b", 3, 0)
    with pytest.raises(OverloadError, match="3 rows wait already"):
        queue.offer("b", 4, 0)
    assert queue.stats.refused == 2
    assert drain(queue, 0) == [[0, 1], [3]]


def test_bulk_rows_leave_half_of_the_room_to_live_ones() -> None:
    queue = batcher(Policy(max_waiting=4))
    queue.offer("a", 0, 0, live=False)
    queue.offer("a", 1, 0, live=False)
    with pytest.raises(OverloadError):
        queue.offer("a", 2, 0, live=False)
    queue.offer("a", 3, 0)
    queue.offer("a", 4, 0)


def test_who_is_refused_is_told_how_long_the_rows_that_wait_should_take() -> None:
    queue = batcher(Policy(buckets=(1, 2, 4), max_waiting=8))

    def refusal() -> int | None:
        for row in range(9):
            try:
                queue.offer("a", row, 0)
            except OverloadError as refused:
                return refused.retry_after_ms
        raise AssertionError("nothing was refused")

    assert refusal() == 1000  # a guess, as long as nothing was measured
    measured = queue.take(0)
    assert measured is not None
    queue.finish(measured, 0, 100 * MS)
    assert refusal() == 301  # 8 + 1 rows are three steps of 100 ms
    for _ in range(2):
        queue.take(0)
    assert refusal() == 151  # two run side by side
    queue.forget("a")
    assert refusal() == 1000


def test_cancelling_makes_room() -> None:
    queue = batcher(Policy(max_waiting=1), max_waiting=1)
    entry = queue.offer("a", 0, 0)
    assert queue.cancel(entry)
    queue.offer("a", 1, 0)
    assert drain(queue, 0) == [[1]]
    assert not queue.cancel(entry)


def test_the_watchdog_finds_rows_that_nobody_takes_held_back_ones_too() -> None:
    queue = batcher()
    old = queue.offer("a", 0, 0, chain="stream")
    held = queue.offer("a", 1, MS, chain="stream")
    queue.offer("a", 2, 3 * MS)
    assert queue.overdue(5 * MS, 4 * MS) == [old, held]
    assert rows(queue.take(5 * MS)) == [0, 2]
    assert queue.overdue(5 * MS, 4 * MS) == [held]


def test_forgetting_a_kind_returns_its_rows_and_leaves_others_alone() -> None:
    queue = batcher()
    queue.offer("a", 0, 0)
    running = queue.take(0)
    dropped = [queue.offer("a", row, 0, chain="stream") for row in (1, 2)]
    queue.offer("b", 3, 0, chain="stream")
    assert queue.forget("a") == dropped
    assert queue.forget("a") == []
    assert queue.stats.cancelled == 2
    assert drain(queue, 0) == [[3]]
    assert running is not None
    queue.finish(running, 0, MS)


def test_what_was_learnt_outlives_an_empty_queue_but_not_a_thousand_other_kinds() -> None:
    asked: list[Hashable] = []

    def policy(kind: Hashable) -> Policy:
        asked.append(kind)
        return Policy(buckets=(1, 2), live_budget_ns=10 * MS)

    queue: Batcher[Hashable, int] = Batcher(policy, max_waiting=4)

    def largest_batch() -> int:
        """How many of two rows may share a batch: one, until it is known how long that takes."""
        queue.offer("a", 0, 0)
        queue.offer("a", 1, 0)
        batch = queue.take(0)
        assert batch is not None
        queue.finish(batch, 0, MS)
        drain(queue, 0)
        return batch.rows

    def run_other_kinds(count: int) -> None:
        for kind in range(count):
            queue.cancel(queue.offer(kind, 0, 0))

    assert largest_batch() == 1
    run_other_kinds(KEPT_KINDS - 1)
    assert largest_batch() == 2
    assert asked.count("a") == 1
    run_other_kinds(KEPT_KINDS)
    assert largest_batch() == 1
    assert asked.count("a") == 2
    assert len(queue._lines) <= KEPT_KINDS


def test_a_kind_with_waiting_rows_is_not_forgotten_however_many_others_come_and_go() -> None:
    queue = batcher()
    waits = queue.offer("a", 0, 0)
    for kind in range(KEPT_KINDS + 1):
        queue.cancel(queue.offer(kind, 0, 0))
    assert queue.overdue(0, 0) == [waits]
    assert queue.forget("a") == [waits]


@pytest.mark.long
def test_nothing_of_a_row_is_kept_once_it_is_settled() -> None:
    queue = batcher(Policy(max_delay_ns=MS))
    entries = [
        queue.offer("a", Thing(), 0, deadline_ns=3_600_000 * MS, chain=chain)
        for chain in (None, None, "stream", "stream")
    ]
    things = [weakref.ref(entry.row) for entry in entries]
    queue.cancel(entries[0])
    queue.cancel(entries[3])
    batch = queue.take(MS)
    assert batch is not None
    queue.finish(batch, MS)
    del entries, batch
    gc.collect()
    assert [thing() for thing in things] == [None] * 4


def test_rows_that_come_and_go_leave_no_growing_lists_behind() -> None:
    queue = batcher(Policy(max_delay_ns=3_600_000 * MS, buckets=(4,)))
    queue.offer("a", "stays", 0)
    queue.offer("a", "stays", 0, chain="stream")
    for number in range(2000):
        chain = "stream" if number % 2 else None
        entry = queue.offer("a", 0, 0, size=2, deadline_ns=3_600_000 * MS - number, chain=chain)
        queue.cancel(entry)
    line = queue._lines["a"]
    heaps = (queue._heads, queue._deadlines, queue._ripening, line._order)
    assert max(len(heap._places) for heap in heaps) < 200
    assert len(queue._chains["stream"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"buckets": ()},
        {"buckets": (0, 1)},
        {"buckets": (2, 1)},
        {"buckets": (1, 1)},
        {"max_waiting": 0},
        {"max_delay_ns": -1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Policy(**wrong)
