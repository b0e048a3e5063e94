"""Quantiles from counts between bounds: in the bucket of the true value, exact at bounds, and as Prometheus says them."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

import numpy as np
import pytest

from gapless.observe.histogram import LATENCY_BOUNDS_S, Histogram
from gapless.observe.quantiles import Bucket, quantile, quantiles_ms


def buckets_of(histogram: Histogram) -> list[Bucket]:
    snapshot = histogram.snapshot()
    sums = accumulate(map(float, snapshot.counts))
    return list(zip((*snapshot.bounds, math.inf), sums, strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("q", [0.01, 0.5, 0.95, 0.99, 1.0])
def test_an_estimate_lies_in_the_bucket_of_the_true_value(seed: int, q: float) -> None:
    values = np.random.default_rng(seed).lognormal(-4.5, 1.5, 997)
    histogram = Histogram()
    for value in values:
        histogram.add(float(value))

    estimate = quantile(q, buckets_of(histogram))

    exact = float(np.quantile(values, q, method="inverted_cdf"))
    place = bisect_left(LATENCY_BOUNDS_S, exact)
    if place == len(LATENCY_BOUNDS_S):
        assert estimate == LATENCY_BOUNDS_S[-1]
    else:
        lower = LATENCY_BOUNDS_S[place - 1] if place else 0.0
        assert estimate is not None
        assert lower < estimate <= LATENCY_BOUNDS_S[place]


def test_it_is_linear_within_a_bucket() -> None:
    buckets = [(0.1, 0.0), (0.2, 10.0), (0.4, 10.0), (math.inf, 10.0)]

    assert quantile(0.5, buckets) == pytest.approx(0.15)
    assert quantile(0.9, buckets) == pytest.approx(0.19)


@pytest.mark.parametrize("bound", LATENCY_BOUNDS_S)
def test_what_just_meets_a_bound_is_not_over_it(bound: float) -> None:
    histogram = Histogram()
    histogram.add(bound, times=95)
    histogram.add(60.0, times=5)

    assert quantile(0.95, buckets_of(histogram)) == bound


def test_of_what_is_over_the_last_bound_only_that_is_known() -> None:
    histogram = Histogram((0.5, 1.0))
    histogram.add(30.0)

    assert quantile(0.5, buckets_of(histogram)) == 1.0


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile(0.95, []) is None
    assert quantile(0.95, buckets_of(Histogram())) is None
    assert quantiles_ms(buckets_of(Histogram())) is None


def test_times_are_told_in_milliseconds() -> None:
    histogram = Histogram()
    histogram.add(0.045, times=100)

    told = quantiles_ms(buckets_of(histogram))

    assert told is not None
    assert (told.count, told.p50_ms, told.p95_ms) == (100, 38.5, 44.35)
