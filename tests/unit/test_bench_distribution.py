from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists

from gapless.bench.distribution import distribution, percentile, ratio, spread


def test_percentiles_of_a_hundred_values_are_the_values_of_that_rank() -> None:
    values = distribution(range(100, 0, -1))

    assert (values.count, values.p50, values.p95, values.p99, values.max) == (100, 50, 95, 99, 100)


def test_the_99th_percentile_of_few_values_is_the_largest() -> None:
    values = distribution([5, 1, 9])

    assert (values.p50, values.p95, values.p99, values.max) == (5, 9, 9, 9)


def test_one_value_is_all_its_percentiles() -> None:
    values = distribution([7])

    assert (values.count, values.p50, values.p99, values.max) == (1, 7, 7, 7)


def test_nothing_has_no_distribution() -> None:
    with pytest.raises(IndexError):
        distribution([])


@pytest.mark.long
@given(lists(integers(0, 50), min_size=1), floats(0.001, 1.0))
def test_a_percentile_is_the_least_value_that_enough_others_do_not_exceed(
    values: list[int], share: float
) -> None:
    found = percentile(sorted(values), share)

    below = sum(value <= found for value in values)
    assert found in values
    assert below >= share * len(values) - 1e-6 * len(values)
    lower = [value for value in values if value < found]
    assert len(lower) < share * len(values) + 1e-6 * len(values)


def test_a_spread_is_the_median_and_all_rounds() -> None:
    figure = spread([3.0, 1.0, 2.0, 10.0])

    assert (figure.median, figure.low, figure.high) == (2.5, 1.0, 10.0)
    assert figure.rounds == (3.0, 1.0, 2.0, 10.0)


def test_a_ratio_pairs_the_rounds_that_ran_side_by_side() -> None:
    # The machine is half as fast from the second round on: every pair shows the same ratio, the medians would not.
    figure = ratio(spread([20.0, 10.0, 10.0]), spread([10.0, 5.0, 5.0]))

    assert figure.rounds == (2.0, 2.0, 2.0)


def test_a_ratio_leaves_out_the_round_that_has_no_partner_yet() -> None:
    assert ratio(spread([6.0]), spread([3.0, 100.0])).rounds == (2.0,)
