"""Races on made-up landscapes: the best wins, or the formula's value stays."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gapless.bench.tuning.race import (
    FORMULA,
    LEAST_GAIN,
    LEAST_ROUNDS,
    MOST_TRIAL_S,
    Candidate,
    Race,
    Score,
    Trial,
    Verdict,
    gain,
)

EXTRA_S = 1.0
"""What a trial takes to start."""

BUDGET_US = 20_000.0

rates = st.lists(st.floats(1.0, 10_000.0), min_size=1, max_size=40)
seconds = st.floats(5.0, 600.0)

Landscape = Callable[[Trial], Score | None]


def race_of(count: int, budget_s: float) -> Race:
    candidates = [Candidate(str(number), {"executors": number}) for number in range(count)]
    return Race(candidates, seconds=budget_s, most_p95_us=BUDGET_US)


def run(count: int, budget_s: float, landscape: Landscape) -> tuple[Verdict, list[Trial]]:
    race = race_of(count, budget_s)
    trials = []
    while (trial := race.next()) is not None:
        trials.append(trial)
        race.tell(trial, landscape(trial), trial.seconds + EXTRA_S)
    return race.verdict(), trials


def flat(values: list[float], p95_us: list[float] | None = None) -> Landscape:
    return lambda trial: Score(
        {"rows": values[trial.candidate]},
        1000.0 if p95_us is None else p95_us[trial.candidate],
    )


@pytest.mark.long
@given(rates)
def test_with_time_enough_the_best_wins_if_it_is_worth_it(values: list[float]) -> None:
    best = max(range(len(values)), key=values.__getitem__)
    ratio = values[best] / values[FORMULA]
    assume(abs(ratio - 1 - LEAST_GAIN) > 1e-6)
    verdict, _ = run(len(values), 600, flat(values))
    worth_it = ratio > 1 + LEAST_GAIN
    assert values[verdict.winner] == values[best if worth_it else FORMULA]
    if worth_it:
        assert verdict.gain == pytest.approx(ratio)


@pytest.mark.long
@given(rates, seconds)
def test_the_winner_is_never_worse_than_the_formula(values: list[float], budget_s: float) -> None:
    verdict, _ = run(len(values), budget_s, flat(values))
    assert values[verdict.winner] >= values[FORMULA]


@pytest.mark.long
@given(rates, seconds, st.randoms(use_true_random=False))
def test_who_is_late_does_not_win(
    values: list[float], budget_s: float, chance: random.Random
) -> None:
    p95_us = [chance.choice((1000.0, 50_000.0)) for _ in values]
    p95_us[FORMULA] = 1000.0
    verdict, _ = run(len(values), budget_s, flat(values, p95_us))
    assert p95_us[verdict.winner] <= BUDGET_US
    assert verdict.p95_us == p95_us[verdict.winner] or verdict.rounds == 0


@pytest.mark.long
@given(rates, seconds)
def test_who_alone_is_in_time_wins_whatever_it_does(values: list[float], budget_s: float) -> None:
    p95_us = [50_000.0, *[1000.0] * (len(values) - 1)]
    verdict, _ = run(len(values), budget_s, flat(values, p95_us))
    assert (verdict.winner != FORMULA) == (len(values) > 1)


@pytest.mark.long
@given(st.integers(1, 60), st.floats(0.0, 600.0))
def test_the_time_is_kept(count: int, budget_s: float) -> None:
    _, trials = run(count, budget_s, flat([1.0] * count))
    took_s = sum(trial.seconds + EXTRA_S for trial in trials)
    least_final_s = 2 * LEAST_ROUNDS * (0.5 + EXTRA_S)
    assert took_s <= max(budget_s + 2 * (0.5 + EXTRA_S), least_final_s + 3 * (0.5 + EXTRA_S))
    assert all(0.5 <= trial.seconds <= MOST_TRIAL_S for trial in trials)
    assert (not trials) == (count == 1)


@pytest.mark.long
@given(rates, seconds, st.randoms(use_true_random=False))
def test_noise_alone_changes_nothing(
    values: list[float], budget_s: float, chance: random.Random
) -> None:
    # Everybody does the same but for the noise, which is less than a gain has to be.
    def noisy(_: Trial) -> Score:
        return Score({"rows": 1000 * chance.uniform(1, 1 + LEAST_GAIN)}, 1000.0)

    verdict, _ = run(len(values), budget_s, noisy)
    assert verdict.winner == FORMULA


@pytest.mark.long
@given(st.integers(2, 40), seconds, st.randoms(use_true_random=False))
def test_who_fails_does_not_win(count: int, budget_s: float, chance: random.Random) -> None:
    fails = {number for number in range(count) if chance.random() < 0.4}
    values = [1.0 + number for number in range(count)]

    def landscape(trial: Trial) -> Score | None:
        return None if trial.candidate in fails else flat(values)(trial)

    verdict, trials = run(count, budget_s, landscape)
    assert verdict.winner == FORMULA or verdict.winner not in fails
    if FORMULA in fails:
        assert verdict.winner == FORMULA
    assert sum(trial.candidate in fails for trial in trials) <= len(fails)


@pytest.mark.long
@given(st.integers(2, 40), seconds)
def test_the_formula_runs_in_every_rung(count: int, budget_s: float) -> None:
    _, trials = run(count, budget_s, flat([1.0] * count))
    rungs = {trial.rung for trial in trials}
    assert {trial.rung for trial in trials if trial.candidate == FORMULA} == rungs
    final = [trial for trial in trials if trial.final]
    assert len(final) >= 2 * LEAST_ROUNDS
    pairs = [
        {one.candidate, other.candidate} for one, other in zip(final[::2], final[1::2], strict=True)
    ]
    assert all(pair == pairs[0] and FORMULA in pair for pair in pairs)


def test_a_race_that_was_stopped_proves_nothing() -> None:
    race = race_of(2, 60)
    trial = race.next()
    assert trial is not None
    race.tell(trial, Score({"rows": 1.0}, 1000.0), 1.0)
    assert race.verdict().rounds == 0
    assert race.verdict().winner == FORMULA


def test_one_bad_round_in_the_final_is_no_proof() -> None:
    def landscape(trial: Trial) -> Score:
        slow = trial.candidate == 1 and trial.final and trial.round == 1
        return Score({"rows": 0.9 if slow else 1.0 + trial.candidate}, 1000.0)

    verdict, _ = run(2, 60, landscape)
    assert verdict.winner == FORMULA
    assert verdict.gain == pytest.approx(2.0)


def test_kinds_of_work_count_alike() -> None:
    assert gain(
        Score({"many": 2000.0, "few": 1.0}, 0), Score({"many": 1000.0, "few": 2.0}, 0)
    ) == pytest.approx(1.0)
    assert gain(Score({"a": 4.0}, 0), Score({"a": 2.0, "b": 7.0}, 0)) == pytest.approx(2.0)
    assert gain(Score({"a": 0.0}, 0), Score({"a": 2.0}, 0)) == 0.0


def test_nothing_cannot_be_raced() -> None:
    with pytest.raises(ValueError, match="nothing to race"):
        Race([], seconds=1, most_p95_us=1)
