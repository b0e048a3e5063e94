"""Percentiles out of counters, against those of the values themselves."""

from __future__ import annotations

from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.bench.load.times import Times

VALUES = st.lists(st.integers(0, 10**10), min_size=1, max_size=200)
SHARES = st.sampled_from([0.01, 0.5, 0.95, 0.99, 0.999, 1.0])


def counted(values: list[int]) -> Times:
    times = Times()
    for value in values:
        times.add(value)
    return times


@pytest.mark.long
@given(VALUES, SHARES)
def test_a_percentile_is_never_smaller_and_at_most_a_128th_larger(
    values: list[int], share: float
) -> None:
    exact = sorted(values)[ceil(share * len(values)) - 1]
    found = counted(values).percentile_us(share)

    assert found is not None
    assert exact <= found <= exact + exact // 128


@pytest.mark.long
@given(VALUES)
def test_the_largest_value_and_the_number_are_exact(values: list[int]) -> None:
    percentiles = counted(values).percentiles()

    assert percentiles is not None
    assert (percentiles.max_us, percentiles.count) == (max(values), len(values))


@pytest.mark.long
@given(VALUES, VALUES, SHARES)
def test_what_processes_counted_adds_up_after_a_journey_as_json(
    one: list[int], other: list[int], share: float
) -> None:
    merged = Times()
    for part in (one, other):
        dump = msgspec.json.encode(counted(part).dump())
        merged.merge(*msgspec.json.decode(dump, type=tuple[int, dict[int, int]]))

    whole = counted(one + other)
    assert merged.percentile_us(share) == whole.percentile_us(share)
    assert dict(merged.ascending()) == dict(whole.ascending())


@pytest.mark.long
@given(VALUES, st.integers(0, 50), SHARES)
def test_those_that_took_for_ever_come_last(values: list[int], never: int, share: float) -> None:
    rank = ceil(share * (len(values) + never))
    found = counted(values).percentile_us(share, never=never)

    assert (found is None) == (rank > len(values))


def test_without_values_there_is_no_percentile() -> None:
    assert Times().percentiles() is None
    assert Times().percentile_us(0.95) is None
