"""Many measurements in a few figures: percentiles of operations, medians of rounds, ratios of pairs of rounds.

In: plain numbers. Out: plain numbers. Invariants: percentiles are values that were measured (nearest rank), never
interpolated; the spread of a figure is all of its rounds, lowest to highest, for a few rounds say nothing of the tails.
Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median

import msgspec


class Distribution(msgspec.Struct, frozen=True):
    """How long single operations took, in whatever unit they were given."""

    count: int
    p50: int
    p95: int
    p99: int
    max: int


class Spread(msgspec.Struct, frozen=True):
    """One figure over the rounds of a contender."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...]
    """The figure of each round, in order."""


def distribution(values: Sequence[int]) -> Distribution:
    """What percentiles there are; of fewer than 100 values, the 99th is the largest.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    return Distribution(
        len(ordered),
        percentile(ordered, 0.50),
        percentile(ordered, 0.95),
        percentile(ordered, 0.99),
        ordered[-1],
    )


def percentile(ordered: Sequence[int], share: float) -> int:
    """The smallest value that at least ``share`` of all values do not exceed.

    Args:
        ordered: ascending, at least one.
        share: over 0, at most 1.
    """
    return ordered[ceil(share * len(ordered)) - 1]


def spread(rounds: Sequence[float]) -> Spread:
    """The middle of the rounds, and how far they lie apart.

    Raises:
        ValueError: there are no rounds.
    """
    return Spread(median(rounds), min(rounds), max(rounds), tuple(rounds))


def ratio(figure: Spread, against: Spread) -> Spread:
    """How many times ``against`` the figure is.

    Each round is set against the one that ran next to it, so that a machine that grows slower meanwhile slows both.
    Rounds without a partner, of a run that was cut short, are left out.
    """
    return spread([one / other for one, other in zip(figure.rounds, against.rounds, strict=False)])
