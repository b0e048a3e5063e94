"""Quantiles of what only counts between bounds were kept of.

In: cumulative counts, as Prometheus has them. Out: an estimate. Invariants: it lies within the bucket that the true
value lies in, and at the very bound of a bucket it is exact; that of an empty histogram is None. Thread: any (pure).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from gapless.observe.status import Quantiles

MS_PER_S: Final = 1000.0

Bucket = tuple[float, float]
"""The bound, and how many were at most that; the last bound is infinity."""


def quantile(q: float, buckets: Iterable[Bucket]) -> float | None:
    """As ``histogram_quantile`` of Prometheus: linear within a bucket; of the last one its lower bound.

    Args:
        q: 0 < q <= 1.
        buckets: ascending, with cumulative counts.
    """
    below_bound, below = 0.0, 0.0
    ascending = list(buckets)
    total = ascending[-1][1] if ascending else 0.0
    if total <= 0:
        return None
    rank = q * total
    for bound, at_most in ascending:
        if at_most >= rank:
            if math.isinf(bound):
                return below_bound
            if at_most == rank:
                # Said without arithmetic, so that what just meets a target is not a rounding error over it.
                return bound
            return below_bound + (bound - below_bound) * (rank - below) / (at_most - below)
        below_bound, below = bound, at_most
    return below_bound


def quantiles_ms(buckets_s: Iterable[Bucket]) -> Quantiles | None:
    """The usual three, in milliseconds, of times in seconds; None: there were none."""
    ascending = list(buckets_s)
    found = [quantile(q, ascending) for q in (0.50, 0.95, 0.99)]
    p50, p95, p99 = (0.0 if value is None else round(value * MS_PER_S, 6) for value in found)
    return None if found[0] is None else Quantiles(round(ascending[-1][1]), p50, p95, p99)
