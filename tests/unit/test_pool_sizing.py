"""The size of the pool follows what callers waited for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.store.postgres.sizing import LONG_WAIT_MS, QUIET_S, WINDOW_S, PoolSizing

CALL = st.tuples(st.floats(0, 100), st.integers(1, 64), st.floats(0, 2 * QUIET_S))


def run_for(
    sizing: PoolSizing, seconds: float, *, wait_ms: float, lent: int, now_s: float
) -> float:
    """Callers who come every 50 ms."""
    end_s = now_s + seconds
    while now_s < end_s:
        now_s += 0.05
        sizing.learn(wait_ms, lent, now_s)
    return now_s


def test_callers_who_wait_get_more_connections_until_there_are_enough() -> None:
    sizing = PoolSizing(2, 16, now_s=0.0)
    run_for(sizing, 10 * WINDOW_S, wait_ms=LONG_WAIT_MS, lent=2, now_s=0.0)
    assert sizing.size == 16


def test_one_caller_in_many_who_waits_is_chance() -> None:
    sizing = PoolSizing(2, 16, now_s=0.0)
    for number in range(1000):
        sizing.learn(LONG_WAIT_MS if number % 50 == 0 else 0.0, 2, number * WINDOW_S / 50)
    assert sizing.size == 2


def test_connections_that_nobody_needs_go_one_by_one() -> None:
    sizing = PoolSizing(2, 16, now_s=0.0)
    now_s = run_for(sizing, 10 * WINDOW_S, wait_ms=LONG_WAIT_MS, lent=16, now_s=0.0)
    now_s = run_for(sizing, QUIET_S - 1, wait_ms=0.0, lent=3, now_s=now_s)
    assert sizing.size == 16
    now_s = run_for(sizing, 2, wait_ms=0.0, lent=3, now_s=now_s)
    assert sizing.size == 15
    run_for(sizing, 20 * QUIET_S, wait_ms=0.0, lent=1, now_s=now_s)
    assert sizing.size == 2


def test_a_pool_that_is_used_in_full_now_and_then_keeps_its_size() -> None:
    sizing = PoolSizing(2, 8, now_s=0.0)
    now_s = run_for(sizing, 10 * WINDOW_S, wait_ms=LONG_WAIT_MS, lent=8, now_s=0.0)
    for _ in range(10):
        now_s = run_for(sizing, 0.8 * QUIET_S, wait_ms=0.0, lent=1, now_s=now_s)
        now_s = run_for(sizing, 2 * WINDOW_S, wait_ms=0.0, lent=8, now_s=now_s)
    assert sizing.size == 8


@pytest.mark.long
@given(
    bounds=st.tuples(st.integers(1, 64), st.integers(1, 64)).map(sorted),
    calls=st.lists(CALL, max_size=200),
)
def test_the_size_stays_between_its_bounds_and_changes_are_told(
    bounds: list[int], calls: list[tuple[float, int, float]]
) -> None:
    sizing = PoolSizing(bounds[0], bounds[1], now_s=0.0)
    now_s = 0.0
    for wait_ms, lent, pause_s in calls:
        before, now_s = sizing.size, now_s + pause_s
        changed = sizing.learn(wait_ms, lent, now_s)
        assert changed == (sizing.size != before)
        assert bounds[0] <= sizing.size <= bounds[1]
        assert sizing.size >= before - 1


@pytest.mark.parametrize(("lower", "upper"), [(0, 1), (3, 2)])
def test_bounds_that_cannot_be_are_refused(lower: int, upper: int) -> None:
    with pytest.raises(ValueError, match="lower <= upper"):
        PoolSizing(lower, upper, now_s=0.0)
