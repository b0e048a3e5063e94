"""A race: which of several candidates is best, found in a given time by dropping the worse half again and again.

In: candidates, the formula's value first; what trials came to. Out: the next trial; a verdict. Invariants: the
formula's value takes part in every rung, so every candidate is set against trials that ran beside its own; it stays
unless another is better by more than the noise in every round of the final, so nothing changes without evidence; the
time is kept to one trial, except that a final of ``LEAST_ROUNDS`` is always run. Thread: one at a time (a pure state
machine; what trials took is told, no clock is read).

Source: successive halving as in K. Jamieson, A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
Optimization, AISTATS 2016, section 3: equal time for each rung, the better half goes on. Added here: the baseline that
is never dropped, the limit on latency, and a final of interleaved pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, exp, log, log2
from statistics import mean, median
from typing import Final, final

from msgspec import Struct

FORMULA: Final = 0
"""Index of the formula's value among the candidates."""

LEAST_TRIAL_S: Final = 0.5
"""A shorter one says more of its start than of the candidate."""
MOST_TRIAL_S: Final = 5.0

LEAST_ROUNDS: Final = 3
MOST_ROUNDS: Final = 7
"""Of the final. In 7 rounds the same thing beats itself by chance once in 128 times."""

FINAL_SHARE: Final = 0.5
"""Of the time; the rest goes to the rungs before it."""

FIRST_GUESS_S: Final = 1.5
"""What a trial takes besides its seconds, until one has shown it."""

LEAST_GAIN: Final = 0.05
"""A gain of less is not worth another value."""


class Candidate(Struct, frozen=True):
    """One way to set things."""

    name: str
    values: dict[str, int]
    """By name of the setting."""


class Score(Struct, frozen=True):
    """What one trial came to."""

    rates: dict[str, float]
    """Work a second by kind of work; kinds count alike, whatever their units."""
    p95_us: float
    """Of what must be in time."""


class Trial(Struct, frozen=True):
    """What is to be tried next."""

    candidate: int
    """Index among the candidates."""
    seconds: float
    """How long it is measured, without what it takes to start."""
    rung: int
    round: int
    final: bool


class Verdict(Struct, frozen=True, kw_only=True):
    """What a race decided."""

    winner: int
    """Index among the candidates."""
    gain: float
    """How many times the formula's rate the best other candidate had, the median of the rounds; 1 if none was left."""
    noise: float
    """How far the rounds of the formula's value lay from their median, as a share of it."""
    rounds: int
    """Of the final; 0: it was not run to its end, so nothing is proven."""
    p95_us: float
    """Of the winner, the median of its rounds."""
    formula_p95_us: float
    challenger: int | None
    """Who was in the final beside the formula's value."""


@final
class Race:
    """See the module's head.

    Args:
        candidates: the formula's value first, then the others, the most likely ones first: where the time is too short
            for all, the last ones are left out.
        seconds: for everything.
        most_p95_us: what the 95th percentile may be. Where the formula's value itself does not keep it, others may be
            as late as that.
    """

    def __init__(
        self, candidates: Sequence[Candidate], *, seconds: float, most_p95_us: float
    ) -> None:
        if not candidates:
            raise ValueError("there is nothing to race")
        self._seconds = seconds
        self._most_p95_us = most_p95_us
        self._left_s = seconds
        self._extra_s: list[float] = []
        self._scores: dict[int, list[Score]] = {}
        """Of the rung that is run; a candidate whose trial failed has none, and is out."""
        self._out: set[int] = set()
        self._field = list(range(len(candidates)))
        """Indices of those still in the race, the formula's first."""
        self._rung = 0
        self._ended = False
        self._trials = self._next_rung()

    @property
    def left(self) -> tuple[int, ...]:
        """Indices of the candidates that are still in the race."""
        return tuple(self._field)

    @property
    def done_share(self) -> float:
        """How much of the time is used up, 0..1."""
        if self._ended or self._seconds <= 0:
            return 1.0
        return min(max(1 - self._left_s / self._seconds, 0.0), 1.0)

    def next(self) -> Trial | None:
        """What to try now; None: the race is over. Each trial is followed by ``tell``."""
        while not self._ended:
            if len([one for one in self._field if one not in self._out]) < 2:
                # There is nothing left to compare.
                self._ended = True
                return None
            for trial in self._trials:
                if trial.candidate not in self._out:
                    return trial
            self._close_rung()
        return None

    def tell(self, trial: Trial, score: Score | None, took_s: float) -> None:
        """What a trial came to.

        Args:
            trial: from ``next``.
            score: None: it failed, and the candidate is out.
            took_s: in all, with what it took to start.
        """
        self._left_s -= took_s
        self._extra_s.append(max(took_s - trial.seconds, 0.0))
        if score is None:
            self._out.add(trial.candidate)
        else:
            self._scores.setdefault(trial.candidate, []).append(score)

    def verdict(self) -> Verdict:
        """What is proven by now."""
        ours = self._scores.get(FORMULA, [])
        challenger = next((one for one in self._field if one != FORMULA), None)
        theirs = self._scores.get(challenger, []) if challenger is not None else []
        p95_us = _p95_us(ours)
        stays = Verdict(
            winner=FORMULA,
            gain=1.0,
            noise=_noise(ours),
            rounds=0,
            p95_us=p95_us,
            formula_p95_us=p95_us,
            challenger=None,
        )
        in_final = self._ended and len(self._field) > 1
        if not in_final or not ours or not theirs or challenger is None:
            return stays
        gains = [gain(one, other) for one, other in zip(theirs, ours, strict=False)]
        wins = (
            min(len(ours), len(theirs)) >= LEAST_ROUNDS
            and challenger not in self._out
            and self._wins(gains, ours, theirs)
        )
        return Verdict(
            winner=challenger if wins else FORMULA,
            gain=median(gains),
            noise=_noise(ours),
            rounds=len(gains),
            p95_us=_p95_us(theirs) if wins else p95_us,
            formula_p95_us=p95_us,
            challenger=challenger,
        )

    def _wins(self, gains: list[float], ours: list[Score], theirs: list[Score]) -> bool:
        keeps = [one.p95_us <= self._most_p95_us for one in theirs]
        formula_keeps = [one.p95_us <= self._most_p95_us for one in ours]
        if all(keeps) and not any(formula_keeps):
            # Being in time comes first, and in every round only the one of them was.
            return True
        if _p95_us(theirs) > max(self._most_p95_us, _p95_us(ours)):
            return False
        return min(gains) > 1 and median(gains) > 1 + max(LEAST_GAIN, _noise(ours))

    def _close_rung(self) -> None:
        """Drop the worse half, or end."""
        final = self._is_final()
        rivals = [one for one in self._field if one != FORMULA and one not in self._out]
        if final or FORMULA in self._out or not rivals:
            # Without the formula's value there is nothing to compare with.
            self._ended = True
            return
        known = [one for one in rivals if one in self._scores]
        known.sort(key=self._rank)
        self._field = [FORMULA, *known[: max(ceil(len(known) / 2), 1)]]
        if len(self._field) == 1:
            self._ended = True
            return
        self._scores = {}
        self._rung += 1
        self._trials = self._next_rung()

    def _rank(self, index: int) -> tuple[bool, float]:
        ours = self._scores[FORMULA]
        theirs = self._scores[index]
        late = _p95_us(theirs) > max(self._most_p95_us, _p95_us(ours))
        return late, -mean(gain(one, other) for one, other in zip(theirs, ours, strict=False))

    def _is_final(self) -> bool:
        return len(self._field) <= 2

    def _next_rung(self) -> Iterator[Trial]:
        extra_s = median(self._extra_s) if self._extra_s else FIRST_GUESS_S
        if self._is_final():
            return self._final(extra_s)
        before_final_s = self._left_s - self._seconds * FINAL_SHARE
        rungs = max(ceil(log2(len(self._field) - 1)), 1)
        time_s = max(before_final_s, 0.0) / rungs
        affordable = int(time_s / (LEAST_TRIAL_S + extra_s))
        self._field = self._field[: max(affordable, 2)]
        if self._is_final():
            return self._final(extra_s)
        seconds = _within(time_s / len(self._field) - extra_s)
        return iter([Trial(one, seconds, self._rung, 0, final=False) for one in self._field])

    def _final(self, extra_s: float) -> Iterator[Trial]:
        """Pairs, the order of the two turned round by round."""
        if len(self._field) < 2:
            return iter(())
        pair_s = 2 * (2 * LEAST_TRIAL_S + extra_s)
        rounds = min(max(int(self._left_s / pair_s), LEAST_ROUNDS), MOST_ROUNDS)
        seconds = _within(self._left_s / rounds / 2 - extra_s)
        return iter(
            [
                Trial(one, seconds, self._rung, number, final=True)
                for number in range(rounds)
                for one in (self._field if number % 2 == 0 else self._field[::-1])
            ]
        )


def gain(score: Score, against: Score) -> float:
    """How many times the work of another trial: the geometric mean over the kinds of work that both did."""
    ratios = [
        rate / against.rates[kind]
        for kind, rate in score.rates.items()
        if against.rates.get(kind, 0.0) > 0
    ]
    if not ratios:
        return 1.0
    return 0.0 if min(ratios) <= 0 else exp(mean(log(one) for one in ratios))


def _p95_us(scores: list[Score]) -> float:
    return median(one.p95_us for one in scores) if scores else 0.0


def _noise(scores: list[Score]) -> float:
    """How far rounds of the same thing lie from their middle, at most, as a share of it."""
    if len(scores) < 2:
        return 0.0
    middle = Score({kind: median(one.rates[kind] for one in scores) for kind in scores[0].rates}, 0)
    return median(abs(gain(one, middle) - 1) for one in scores)


def _within(seconds: float) -> float:
    return min(max(seconds, LEAST_TRIAL_S), MOST_TRIAL_S)
