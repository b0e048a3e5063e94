from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from gapless.bench.permutation import (
    interval,
    least_probability,
    probabilities,
    rounds_needed,
)


def test_rounds_that_lie_apart_are_as_improbable_as_their_number_allows() -> None:
    old = np.log([[1.0, 1.1, 0.9, 1.05, 0.95]])

    (found,) = probabilities(old, old + math.log(2), paired=False)

    # The true labelling and its mirror, of all ways to choose five rounds of ten.
    assert found == pytest.approx(2 / 252)
    assert found == least_probability(5, 5, paired=False)


def test_rounds_that_are_the_same_are_not_improbable_at_all() -> None:
    rounds = np.log([[1.0, 1.1, 0.9, 1.05]])

    assert probabilities(rounds, rounds, paired=False) == [1.0]
    assert probabilities(rounds, rounds, paired=True) == [1.0]


def test_one_figure_is_counted_out_by_hand() -> None:
    old, new = [0.0, 1.0, 2.0], [1.5, 2.5, 9.0]
    everything = old + new

    def size(chosen: tuple[int, ...]) -> float:
        ours = [everything[i] for i in chosen]
        theirs = [value for i, value in enumerate(everything) if i not in chosen]
        between = float(np.mean(ours) - np.mean(theirs))
        within = 2 * float(np.var(ours, ddof=1) + np.var(theirs, ddof=1))
        return abs(between) / math.sqrt(1 / 3 + 1 / 3) / (math.sqrt(within / 4) + 0.005)

    seen = size((3, 4, 5))
    ways = list(combinations(range(6), 3))
    expected = sum(size(way) >= seen * (1 - 1e-9) for way in ways) / len(ways)

    assert probabilities(np.array([old]), np.array([new]), paired=False) == [
        pytest.approx(expected)
    ]


def test_many_figures_without_a_difference_rarely_name_one() -> None:
    generator = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        rounds = generator.normal(0, 0.03, size=(40, 10))
        found = probabilities(rounds[:, :5], rounds[:, 5:], paired=False)
        alarms += min(found) <= 0.05

    # 5 are expected; without the correction for 40 figures nearly all of the 100 would be.
    assert alarms <= 12


def test_one_that_differs_is_found_among_many_that_do_not() -> None:
    generator = np.random.default_rng(7)
    old = generator.normal(0, 0.03, size=(40, 5))
    new = generator.normal(0, 0.03, size=(40, 5))
    new[17] += math.log(1.5)

    found = probabilities(old, new, paired=False)

    assert [row for row, one in enumerate(found) if one <= 0.05] == [17]


def test_one_large_difference_does_not_hide_another() -> None:
    generator = np.random.default_rng(7)
    old = generator.normal(0, 0.03, size=(10, 6))
    new = generator.normal(0, 0.03, size=(10, 6))
    new[2] += math.log(100)
    new[5] += math.log(1.5)

    found = probabilities(old, new, paired=False)

    assert [row for row, one in enumerate(found) if one <= 0.05] == [2, 5]


def test_pairs_see_through_what_slows_both() -> None:
    # The machine grows slower from round to round: the sets overlap, the pairs do not.
    drift = np.linspace(0, 1, 8)
    noise = np.array([0.0, 0.01, -0.01, 0.005, 0.0, -0.005, 0.01, 0.0])
    old, new = np.array([drift]), np.array([drift + 0.1 + noise])

    (paired,) = probabilities(old, new, paired=True)
    (unpaired,) = probabilities(old, new, paired=False)

    assert paired == pytest.approx(2 / 256)
    assert unpaired > 0.5


def test_too_many_labellings_are_drawn_and_the_answer_stays_the_same() -> None:
    generator = np.random.default_rng(3)
    old, new = generator.normal(0, 1, size=(2, 1, 20))

    first = probabilities(old, new, paired=False)

    assert first == probabilities(old, new, paired=False)
    assert 0 < first[0] <= 1


def test_an_interval_holds_the_shift_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        old, new = generator.normal(0, 1, 6), generator.normal(2, 1, 6)
        found = interval(old.tolist(), new.tolist(), paired=False)
        held += found.low <= 2 <= found.high

    # Exact for six and six: the five outermost differences at either end are left out.
    assert found.confidence == pytest.approx(0.9589, abs=1e-3)
    assert held / 400 == pytest.approx(found.confidence, abs=0.03)


def test_an_interval_leaves_out_as_many_differences_as_the_tables_say() -> None:
    old, new = [0.0, 1.0, 3.0, 7.0, 15.0], [0.5, 2.5, 6.5, 14.5, 31.5]

    found = interval(old, new, paired=False)

    # Of five and five the 3rd and the 23rd of 25: 4 of 252 orders lie outside on either side.
    differences = sorted(after - before for before in old for after in new)
    assert (found.low, found.high) == (differences[2], differences[-3])
    assert found.shift == differences[12]
    assert found.confidence == pytest.approx(1 - 8 / 252)


def test_an_interval_of_few_rounds_says_how_little_it_is_sure_of() -> None:
    found = interval([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], paired=False)

    assert found.low == pytest.approx(0.8)
    assert found.high == pytest.approx(1.2)
    assert found.confidence == pytest.approx(0.9)
    assert interval([1.0], [2.0], paired=False).confidence == 0.0


def test_an_interval_of_pairs_is_that_of_their_means() -> None:
    found = interval([0.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], paired=True)

    assert found.shift == 3.5
    # 1 of 64 sums of signed ranks lies outside on either side.
    assert found.confidence == pytest.approx(1 - 2 / 64)
    assert (found.low, found.high) == (1.0, 6.0)


@pytest.mark.parametrize(
    ("alpha", "paired", "needed"), [(0.05, False, 4), (0.01, False, 5), (0.05, True, 6)]
)
def test_the_rounds_that_are_needed_are_the_fewest_that_can_tell(
    alpha: float, needed: int, *, paired: bool
) -> None:
    assert rounds_needed(alpha, paired=paired) == needed
    assert least_probability(needed, needed, paired=paired) <= alpha
    assert least_probability(needed - 1, needed - 1, paired=paired) > alpha
