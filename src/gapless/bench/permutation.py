"""How sure one can be that two sets of rounds differ: permutation tests and exact intervals, for few rounds.

In: one row of numbers for each figure: its rounds before and after. Out: probabilities that are corrected for how
many figures were looked at, and intervals with the confidence that they really have. Invariants: the same numbers
give the same answer (what cannot be enumerated is drawn from a fixed seed). Thread: any (pure functions).

Sources: P. H. Westfall, S. S. Young, *Resampling-Based Multiple Testing* (1993): step-down max-T; V. G. Tusher,
R. Tibshirani, G. Chu, PNAS 98 (2001): the small constant beside the deviation; J. L. Hodges, E. L. Lehmann, Annals of
Mathematical Statistics 34 (1963): shift and interval from the pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from statistics import median
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float64]

MOST_LABELLINGS: Final = 20_000
"""More are not enumerated: so many are drawn."""

SEED: Final = 1

CHUNK: Final = 1024
"""Labellings that are looked at together: bounds the memory."""

UNDERRATED: Final = 0.005
"""Added to every deviation, for few rounds may agree by luck: half a percent where rows are logarithms."""

ROUNDING: Final = 1e-9

CONFIDENCE: Final = 0.95

MOST_ROUNDS: Final = 100


class Interval(msgspec.Struct, frozen=True):
    """How far the second set is shifted against the first."""

    shift: float
    low: float
    high: float
    confidence: float
    """How often an interval made like this holds the true shift; few rounds cannot have 95 %."""


def least_probability(old: int, new: int, *, paired: bool) -> float:
    """The smallest probability that so many rounds can give, however far they lie apart."""
    if paired:
        return min(1.0, 2.0 ** (1 - min(old, new)))
    # Of equally many rounds the mirrored labelling is as extreme as the true one.
    return min(1.0, (2 if old == new else 1) / math.comb(old + new, old))


def rounds_needed(alpha: float, *, paired: bool, old: int | None = None) -> int | None:
    """How many rounds could show a difference; None if not even ``MOST_ROUNDS`` could.

    Args:
        alpha: what the probability must not exceed.
        paired: whether rounds are compared in pairs.
        old: rounds of the first set, if that cannot be measured again; None: as many as of the second.
    """
    for new in range(2, MOST_ROUNDS + 1):
        if least_probability(old or new, new, paired=paired) <= alpha:
            return new
    return None


def probabilities(old: Matrix, new: Matrix, *, paired: bool) -> list[float]:
    """For each row: how probable so large a difference anywhere would be if nothing differed.

    All figures of a round are relabelled together, so figures that depend on each other are no trouble. The chance
    that any row without a difference gets 0.05 or less is at most 0.05, however many rows there are.

    Args:
        old: figures x rounds.
        new: figures x rounds; as many rounds as ``old`` if paired, round by round.
        paired: whether round i of one ran next to round i of the other.
    """
    if not len(old):
        return []
    rounds = new - old if paired else np.concatenate([old, new], axis=1)
    labels, drawn = _labellings(old.shape[1], new.shape[1], paired=paired)
    size = _paired_size if paired else _unpaired_size
    seen = size(rounds, labels[:1])[:, 0]
    order = np.argsort(-seen, kind="stable")
    ranked = seen[order, None] * (1 - ROUNDING)
    as_large = np.zeros(len(order))
    for start in range(0, len(labels), CHUNK):
        sizes = size(rounds, labels[start : start + CHUNK])[order]
        # A row competes with those below it: what was found already does not hide the next.
        largest = np.maximum.accumulate(sizes[::-1], axis=0)[::-1]
        as_large += np.count_nonzero(largest >= ranked, axis=1)
    found = np.empty(len(order))
    found[order] = np.maximum.accumulate(as_large / len(labels))
    if drawn:
        return [max(one, 1 / len(labels)) for one in found.tolist()]
    return [float(one) for one in found]


def interval(old: Sequence[float], new: Sequence[float], *, paired: bool) -> Interval:
    """The shift between two sets of rounds, with the widest exact interval up to ``CONFIDENCE``."""
    if paired:
        steps = [after - before for before, after in zip(old, new, strict=True)]
        shifts = sorted(
            (one + other) / 2 for i, one in enumerate(steps) for other in steps[: i + 1]
        )
        ways = _signed_rank_ways(len(steps))
    else:
        shifts = sorted(after - before for before in old for after in new)
        ways = _rank_sum_ways(len(old), len(new))
    total = sum(ways)
    # How many shifts at either end can be left out.
    outside, tail = 0, ways[0]
    while 2 * (tail + ways[outside + 1]) <= (1 - CONFIDENCE) * total:
        outside += 1
        tail += ways[outside]
    return Interval(
        shift=median(shifts),
        low=shifts[outside],
        high=shifts[-1 - outside],
        confidence=max(0.0, 1 - 2 * tail / total),
    )


def _labellings(old: int, new: int, *, paired: bool) -> tuple[Matrix, bool]:
    """Ways to say which rounds are the new ones, the true one first; and whether they were drawn."""
    generator = np.random.default_rng(SEED)
    if paired:
        if 2**old <= MOST_LABELLINGS:
            return np.array(list(product((1.0, -1.0), repeat=old))), False
        signs = generator.choice([1.0, -1.0], size=(MOST_LABELLINGS, old))
        signs[0] = 1.0
        return signs, True
    count = old + new
    truth = np.repeat([0.0, 1.0], [old, new])
    if math.comb(count, new) > MOST_LABELLINGS:
        drawn = generator.permuted(np.tile(truth, (MOST_LABELLINGS, 1)), axis=1)
        drawn[0] = truth
        return drawn, True
    # The last combination is the last rounds of all: the true one.
    chosen = np.array(list(combinations(range(count), new)))[::-1]
    labels = np.zeros((len(chosen), count))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels, False


def _unpaired_size(rounds: Matrix, labels: Matrix) -> Matrix:
    """Difference of means in deviations, figures x labellings."""
    rounds = rounds - rounds.mean(axis=1, keepdims=True)
    new = labels.sum(axis=1)
    old = rounds.shape[1] - new
    sums = rounds @ labels.T
    # Rows are centred: the old rounds sum up to the opposite.
    between = sums**2 * (1 / new + 1 / old)
    within = np.maximum((rounds**2).sum(axis=1, keepdims=True) - between, 0.0)
    freedom = max(rounds.shape[1] - 2, 1)
    deviation: Matrix = np.sqrt(within / freedom) + UNDERRATED
    result: Matrix = np.sqrt(between) / deviation
    return result


def _paired_size(steps: Matrix, signs: Matrix) -> Matrix:
    """Mean step in deviations, figures x labellings."""
    count = steps.shape[1]
    means = steps @ signs.T / count
    within = np.maximum((steps**2).sum(axis=1, keepdims=True) - count * means**2, 0.0)
    deviation: Matrix = np.sqrt(within / max(count - 1, 1)) + UNDERRATED
    result: Matrix = np.abs(means) * math.sqrt(count) / deviation
    return result


def _rank_sum_ways(old: int, new: int) -> list[int]:
    """In how many orders of all rounds each number of pairs has the new one before the old."""
    ways = [1] + [0] * (old * new)
    # The Gaussian binomial coefficient: times (1 - q^(old+i)), divided by (1 - q^i).
    for i in range(1, new + 1):
        for k in range(len(ways) - 1, old + i - 1, -1):
            ways[k] -= ways[k - old - i]
        for k in range(i, len(ways)):
            ways[k] += ways[k - i]
    return ways


def _signed_rank_ways(count: int) -> list[int]:
    """In how many choices of signs the ranks of the negative ones have each sum."""
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for k in range(len(ways) - 1, rank - 1, -1):
            ways[k] += ways[k - rank]
    return ways
