from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples

from gapless.batching.ladder import RETRY_STEPS, WINDOW_STEPS, Ladder

BUCKETS = (1, 2, 4, 8)
BUDGET_NS = 100


def learnt(**typical_ns: int) -> Ladder:
    ladder = Ladder(BUCKETS, BUDGET_NS)
    for bucket, step_ns in typical_ns.items():
        ladder.learn(int(bucket.removeprefix("b")), step_ns)
    return ladder


def test_without_a_budget_every_bucket_is_admitted() -> None:
    ladder = Ladder(BUCKETS, None)
    ladder.learn(8, 10**12)
    assert ladder.admitted == 8


def test_what_is_not_known_is_tried_one_step_at_a_time() -> None:
    ladder = Ladder(BUCKETS, BUDGET_NS)
    climbed = []
    for _ in range(5):
        climbed.append(ladder.admitted)
        ladder.learn(ladder.admitted, BUDGET_NS)
    assert climbed == [1, 2, 4, 8, 8]


def test_a_bucket_that_is_too_slow_is_not_admitted() -> None:
    assert learnt(b1=10, b2=50, b4=101).admitted == 2
    assert learnt(b1=10, b2=50, b4=100).admitted == 8


def test_bulk_batches_teach_the_ladder_about_large_buckets() -> None:
    assert learnt(b8=90).admitted == 8
    assert learnt(b8=110).admitted == 1


def test_the_smallest_bucket_is_admitted_however_slow_it_is() -> None:
    ladder = learnt(b1=1000)
    for _ in range(2 * RETRY_STEPS):
        ladder.learn(1, 1000)
        assert ladder.admitted == 1


def test_stalls_among_fast_steps_change_nothing_but_a_slower_machine_does() -> None:
    ladder = learnt(b1=10, b2=20, b4=80, b8=200)
    for _ in range(WINDOW_STEPS):
        ladder.learn(4, 80)
    for step_ns in (5000, 5000):
        ladder.learn(4, step_ns)
        assert ladder.admitted == 4
    ladder.learn(4, 150)
    assert ladder.admitted == 2


def test_a_bucket_that_was_too_slow_gets_another_chance_now_and_then() -> None:
    ladder = learnt(b1=10, b2=20, b4=500)
    tries = 0
    for _ in range(3 * RETRY_STEPS):
        if ladder.admitted == 4:
            tries += 1
            ladder.learn(4, 500)
        else:
            ladder.learn(2, 20)
    assert tries == 2
    assert ladder.admitted == 2


def test_it_recovers_at_once_when_the_other_chance_is_taken() -> None:
    ladder = learnt(b1=10, b2=20, b4=500, b8=500)
    for _ in range(WINDOW_STEPS):
        ladder.learn(4, 500)
    for _ in range(RETRY_STEPS):
        ladder.learn(2, 20)
    assert ladder.admitted == 4
    ladder.learn(4, 40)
    assert ladder.admitted == 8


def test_batches_that_do_not_fill_the_bucket_earn_no_other_chance() -> None:
    ladder = learnt(b1=10, b2=20, b4=500)
    for _ in range(2 * RETRY_STEPS):
        ladder.learn(1, 10)
    assert ladder.admitted == 2


def test_draining_counts_whole_steps_of_the_best_bucket() -> None:
    ladder = Ladder(BUCKETS, None)
    assert ladder.drain_ns(1) is None
    ladder.learn(1, 10)
    assert ladder.drain_ns(9) == 90
    ladder.learn(4, 20)
    assert ladder.drain_ns(9) == 60
    assert ladder.drain_ns(1) == 10


@pytest.mark.long
@given(lists(tuples(sampled_from(BUCKETS), integers(1, 200)), max_size=60))
def test_never_more_than_one_step_above_what_fits(steps: list[tuple[int, int]]) -> None:
    ladder = Ladder(BUCKETS, BUDGET_NS)
    recent: dict[int, list[int]] = {}
    for bucket, step_ns in steps:
        ladder.learn(bucket, step_ns)
        recent.setdefault(bucket, []).append(step_ns)
        fits = [
            bucket
            for bucket, taken in recent.items()
            if sorted(taken[-WINDOW_STEPS:])[len(taken[-WINDOW_STEPS:]) // 2] <= BUDGET_NS
        ]
        largest = max(fits, default=0)
        one_up = next((bucket for bucket in BUCKETS if bucket > largest), largest)
        assert ladder.admitted == (one_up if not fits or one_up not in recent else largest)
