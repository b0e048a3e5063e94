"""What the zone counts: numbers and histograms in arrays that are there before the first block.

In: nanoseconds, from inside a callback. Out: percentiles, for whoever looks. Invariants: an array has one writer; a
reader sees every count whole, though not all of the same moment. A bucket is 1/8 of an octave wide, so a percentile is
right to 9 %. Thread: ``record`` the callback's; the others any.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.realtime.atomics import load_relaxed, store_relaxed
from gapless.realtime.spread import Spread
from gapless.realtime.zone import zone

STEPS: Final = 8
"""Buckets per octave."""
OCTAVES: Final = 36
"""Up to 68 seconds."""
BUCKETS: Final = STEPS * OCTAVES

MOST: Final = BUCKETS
"""Index of the longest time, in nanoseconds, behind the buckets."""

Histogram = npt.NDArray[np.int64]
"""int64 [BUCKETS + 1]."""


def make_histogram() -> Histogram:
    """An empty one."""
    return np.zeros(BUCKETS + 1, np.int64)


@zone
def record(histogram: Histogram, nanoseconds: int) -> None:
    """Count a time; what is not positive counts as 1 ns, what is too long for the buckets in the last."""
    value = max(nanoseconds, 1)
    bucket = min(int(math.log2(value) * STEPS), BUCKETS - 1)
    store_relaxed(histogram, bucket, load_relaxed(histogram, bucket) + 1)
    if value > load_relaxed(histogram, MOST):
        store_relaxed(histogram, MOST, value)


def spread(histogram: Histogram) -> Spread:
    """Percentiles so far: the upper end of the bucket that each falls in, and never more than the longest."""
    now = histogram.copy()
    counts, most_ms = now[:BUCKETS], float(now[MOST]) / 1e6
    total = int(counts.sum())
    if not total:
        return Spread(count=0, p50_ms=0.0, p95_ms=0.0, p99_ms=0.0, max_ms=0.0)
    reached = np.cumsum(counts)
    p50_ms, p95_ms, p99_ms = (
        min(2.0 ** ((int(np.searchsorted(reached, share * total)) + 1) / STEPS) / 1e6, most_ms)
        for share in (0.5, 0.95, 0.99)
    )
    return Spread(count=total, p50_ms=p50_ms, p95_ms=p95_ms, p99_ms=p99_ms, max_ms=most_ms)
