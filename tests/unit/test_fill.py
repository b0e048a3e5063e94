"""How much should wait."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.realtime.fill import (
    FILL,
    FillOptions,
    begin_fill,
    lasting_difference,
    note_blocks,
    note_late,
    note_left,
    target_samples,
)
from gapless.realtime.interpolate import AHEAD

MS = 1_000_000
STANDING_MS = 50
OPTIONS = FillOptions(
    min_reserve_samples=100,
    max_reserve_samples=350,
    growth_samples=100,
    near_miss_samples=20,
    calm_samples=10_000,
    tolerance_samples=50,
    standing_samples=2_400,
)


def make(options: FillOptions = OPTIONS) -> np.ndarray:
    fill = np.zeros(1, FILL)
    for name, value in options._asdict().items():
        fill[name] = value
    fill["standing_ns"] = STANDING_MS * MS
    begin_fill(fill[0])
    return fill


def test_the_target_is_the_longest_blocks_of_both_sides_and_the_reserve() -> None:
    fill = make()[0]
    assert target_samples(fill) == AHEAD + 100
    note_blocks(fill, 480, 128)
    note_blocks(fill, 128, 256)
    assert target_samples(fill) == 480 + 256 + AHEAD + 100


def test_long_blocks_are_forgotten_after_two_calm_times() -> None:
    fill = make()[0]
    note_blocks(fill, 4_096, 4_096)
    for _ in range(2):
        assert target_samples(fill) == 8_192 + AHEAD + 100
        for _ in range(100):
            note_left(fill, 500, 100)
            note_blocks(fill, 128, 128)
    assert target_samples(fill) == 256 + AHEAD + 100


def test_a_late_wake_up_adds_one_step_however_many_blocks_it_hurts() -> None:
    fill = make()
    assert note_late(fill[0])
    for _ in range(5):
        note_left(fill[0], 0, 100)
        assert not note_late(fill[0])
    assert fill["reserve"][0] == 200
    for _ in range(24):
        note_left(fill[0], 0, 100)
    assert note_late(fill[0])
    assert fill["reserve"][0] == 300


def test_the_reserve_has_a_bound() -> None:
    fill = make()
    for _ in range(10):
        note_late(fill[0])
        for _ in range(24):
            note_left(fill[0], 0, 100)
    assert fill["reserve"][0] == 350


@pytest.mark.long
@pytest.mark.parametrize(("left", "shrinks"), [(300, True), (60, False)])
def test_it_shrinks_after_a_calm_time_if_enough_was_left(left: int, shrinks: bool) -> None:
    fill = make()
    note_late(fill[0])
    note_left(fill[0], 0, 100)
    for _ in range(99):
        note_left(fill[0], left, 100)
    assert fill["reserve"][0] == 200
    for _ in range(30_000):
        note_left(fill[0], left, 100)
    assert fill["reserve"][0] == pytest.approx(100 if shrinks else 200)


@pytest.mark.long
def test_it_shrinks_too_slowly_to_be_spliced() -> None:
    fill = make()
    note_late(fill[0])
    before = 200.0
    for _ in range(30_000):
        note_left(fill[0], 500, 100)
        assert before - fill["reserve"][0] <= 100 * 100.1e-6
        before = fill["reserve"][0]


@pytest.mark.parametrize("side", [1, -1])
def test_a_difference_counts_when_it_lasts_and_as_far_as_it_lasts(side: int) -> None:
    fill = make()[0]
    sizes = [400, 300, 350, 320, 500, 600]
    found = [lasting_difference(fill, side * sizes[k], k * 10 * MS) for k in range(6)]
    assert found == [0, 0, 0, 0, 0, side * 300]


def test_one_measurement_within_tolerance_begins_anew() -> None:
    fill = make()[0]
    assert [lasting_difference(fill, 400, k * 10 * MS) for k in range(5)] == [0] * 5
    assert lasting_difference(fill, 50, 50 * MS) == 0
    assert [lasting_difference(fill, 400, k * 10 * MS) for k in range(6, 11)] == [0] * 5
    assert lasting_difference(fill, 400, 111 * MS) == 400


def test_from_one_side_to_the_other_it_begins_anew() -> None:
    fill = make()[0]
    assert [lasting_difference(fill, 400, k * 10 * MS) for k in range(5)] == [0] * 5
    assert lasting_difference(fill, -400, 50 * MS) == 0


def test_few_measurements_are_not_believed_however_far_apart() -> None:
    fill = make()[0]
    assert [lasting_difference(fill, 400, k * 1_000 * MS) for k in range(4)] == [0, 0, 0, 400]
