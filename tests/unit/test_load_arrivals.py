from __future__ import annotations

from itertools import pairwise
from statistics import mean, pstdev

import pytest

from gapless.bench.load.arrivals import Arrivals, Part, Pattern, schedule


def times(pattern: Pattern, part: Part, *, rate: float = 100.0, seed: int = 3) -> list[float]:
    return list(schedule(Arrivals(rate_per_s=rate, pattern=pattern, seed=seed), part, 5.0, 15.0))


@pytest.mark.parametrize("pattern", ["constant", "poisson"])
def test_times_are_ascending_and_within_their_window(pattern: Pattern) -> None:
    due = times(pattern, Part())

    assert due == sorted(due)
    assert due[0] >= 5.0
    assert due[-1] < 15.0


@pytest.mark.parametrize("pattern", ["constant", "poisson"])
def test_the_same_seed_gives_the_same_times(pattern: Pattern) -> None:
    assert times(pattern, Part()) == times(pattern, Part())


def test_another_seed_and_another_part_give_other_random_times() -> None:
    whole = times("poisson", Part())

    assert times("poisson", Part(), seed=4) != whole
    assert times("poisson", Part(0, 2)) != times("poisson", Part(1, 2))


def test_a_constant_rate_is_dealt_out_in_turn_without_drift() -> None:
    parts = [due for number in range(3) for due in times("constant", Part(number, 3))]

    assert sorted(parts) == pytest.approx([5.0 + number / 100 for number in range(1000)])


def test_random_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() -> None:
    due = times("poisson", Part(), rate=1000.0)
    gaps = [later - earlier for earlier, later in pairwise(due)]

    # Of 10,000 arrivals; three standard deviations of their number are 300.
    assert len(due) == pytest.approx(10_000, abs=300)
    # An exponential distribution's deviation is its mean: a metronome's would be 0.
    assert pstdev(gaps) == pytest.approx(mean(gaps), rel=0.05)


def test_random_parts_add_up_to_the_rate() -> None:
    parts = [times("poisson", Part(number, 4), rate=1000.0) for number in range(4)]

    assert sum(map(len, parts)) == pytest.approx(10_000, abs=300)
    assert all(len(part) == pytest.approx(2500, abs=150) for part in parts)
