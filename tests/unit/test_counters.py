"""Counting inside the zone."""

from __future__ import annotations

import numpy as np

from gapless.realtime.counters import make_histogram, record, spread
from gapless.realtime.spread import Spread


def test_nothing_was_counted_yet() -> None:
    assert spread(make_histogram()) == Spread(count=0, p50_ms=0, p95_ms=0, p99_ms=0, max_ms=0)


def test_percentiles_are_right_to_a_bucket() -> None:
    times = np.random.default_rng(1).lognormal(14, 1, 5000).astype(np.int64)
    histogram = make_histogram()
    for time_ns in times.tolist():
        record(histogram, time_ns)
    seen = spread(histogram)
    expected = np.percentile(times, [50, 95, 99]) / 1e6
    np.testing.assert_allclose([seen.p50_ms, seen.p95_ms, seen.p99_ms], expected, rtol=0.1)
    assert seen.count == 5000
    assert seen.max_ms == times.max() / 1e6


def test_times_that_cannot_be_are_counted_all_the_same() -> None:
    histogram = make_histogram()
    for time_ns in (-5, 0, 2**62):
        record(histogram, time_ns)
    assert spread(histogram).count == 3
