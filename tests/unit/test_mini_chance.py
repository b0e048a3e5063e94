"""Chance as a function of time and seed, and what the mini-notation makes of it."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from gapless.play.chance import random_at
from gapless.play.mini import mini
from gapless.play.time import whole_cycle

pytestmark = pytest.mark.long

COUNT = 4000
STARTS = [Fraction(0), Fraction(-500), Fraction(10**12), Fraction(1, 3)]
STEPS = [Fraction(1), Fraction(1, 8), Fraction(1, 12), Fraction(1, 10**9), Fraction(300)]


def drawn(start: Fraction, step: Fraction, seed: int) -> npt.NDArray[np.float64]:
    return np.array([random_at(start + index * step, seed) for index in range(COUNT)])


def starts(text: str, cycles: int) -> set[Fraction]:
    return {event.whole.begin for event in mini(text).query(0, cycles) if event.whole is not None}


@pytest.mark.parametrize(
    ("time", "seed", "value"),
    [
        (Fraction(0), 0, "0x1.4c6f2596bf20ep-2"),
        (Fraction(1, 3), 0, "0x1.c819cbb62dc5cp-3"),
        (Fraction(-7, 8), 5, "0x1.3eebaaf4e7465p-1"),
        (Fraction(10**12) + Fraction(1, 7), 2**63, "0x1.e4e2d1e45a7bcp-1"),
    ],
)
def test_it_is_the_same_on_every_machine(time: Fraction, seed: int, value: str) -> None:
    assert random_at(time, seed).hex() == value


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("start", STARTS, ids=str)
def test_it_is_uniform_whatever_the_grid_of_times(start: Fraction, step: Fraction) -> None:
    values = drawn(start, step, seed=1)

    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    chi_squared = float(((counts - COUNT / 20) ** 2 / (COUNT / 20)).sum())
    # 19 degrees of freedom: 50 is exceeded once in 8,000 draws of true chance.
    assert chi_squared < 50


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_neighbours_in_time_and_in_seed_have_nothing_to_do_with_each_other(step: Fraction) -> None:
    values = drawn(Fraction(0), step, seed=1)
    for other in (values[1:], values[8:], drawn(Fraction(0), step, seed=2)):
        size = min(len(values), len(other))
        # Of independent values the deviation is 0.016.
        assert abs(float(np.corrcoef(values[:size], other[:size])[0, 1])) < 0.07


def test_a_question_mark_leaves_out_half_and_a_number_says_how_much() -> None:
    assert len(starts("a*8?", 200)) == pytest.approx(800, abs=80)
    assert len(starts("a*8?0.3", 200)) == pytest.approx(1120, abs=80)
    assert len(starts("a*8?0", 10)) == 80
    assert starts("a*8?1", 10) == set()


def test_what_stays_is_what_was_there() -> None:
    assert starts("[a b*3]?", 50) < starts("[a b*3]", 50)


def test_the_same_text_gives_the_same_whenever_and_wherever_it_is_parsed() -> None:
    before = mini("a*4? [b|c|d]").query(0, 100)
    mini.cache_clear()

    assert mini("a*4? [b|c|d]").query(0, 100) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a*4?", "b*4?", id="other texts"),
        pytest.param("[a*4? ~]", "[~ b*4?]", id="other places"),
    ],
)
def test_other_texts_have_other_chances(one: str, other: str) -> None:
    left, right = starts(one, 200), starts(other, 200)
    shift = Fraction(1, 2) if "~" in one else Fraction(0)

    shared = {time + shift for time in left} & right
    assert len(shared) == pytest.approx(200, abs=50)


@pytest.mark.parametrize(
    "text", ["a? a? a? a?", "a?!4", "[a?]!4", "[a? ~]!4", "a?*4", "[a*2]*2?", "<a? a?>*4"]
)
def test_places_copies_and_times_in_a_text_are_independent(text: str) -> None:
    per_cycle = Counter(int(time) for time in starts(text, 400))
    sizes = Counter(per_cycle[cycle] for cycle in range(400))

    # Four coins: 25, 100, 150, 100 and 25 times of 400. If they fell together, there would be none or four.
    for size, expected in enumerate((25, 100, 150, 100, 25)):
        assert sizes[size] == pytest.approx(expected, abs=0.25 * expected + 15)


def test_the_pulses_of_a_rhythm_are_left_out_one_by_one() -> None:
    per_cycle = Counter(int(time) for time in starts("a?(3,8)", 200))

    assert {per_cycle[cycle] for cycle in range(200)} == {0, 1, 2, 3}


def test_a_choice_is_made_anew_in_each_cycle() -> None:
    values = Counter(event.value for event in mini("[a | b | [c c]]*2").query(0, 300))

    assert values["a"] == pytest.approx(200, abs=45)
    assert values["b"] == pytest.approx(200, abs=45)
    assert values["c"] == pytest.approx(400, abs=90)


def test_what_is_chosen_ends_with_its_cycle() -> None:
    wholes = {event.whole for event in mini("a/2 | a/3").query(0, 6)}

    assert wholes == {whole_cycle(Fraction(cycle)) for cycle in range(6)}
