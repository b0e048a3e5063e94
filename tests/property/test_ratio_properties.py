"""Quick fractions beside those of the standard library: the same numbers, whatever stands on either side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from math import floor, gcd
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.play.ratio import Ratio, ratio, whole_number

pytestmark = pytest.mark.long

WHOLE = st.integers(-(10**12), 10**12)
FRACTIONS = st.fractions(max_denominator=10**6) | WHOLE.map(Fraction)
OTHERS = FRACTIONS | WHOLE | st.booleans() | st.floats(-1e6, 1e6)
OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


def outcome(calculate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        found = calculate(left, right)
    except ZeroDivisionError:
        return ZeroDivisionError
    if isinstance(found, Fraction):
        assert found.denominator > 0
        assert gcd(found.numerator, found.denominator) == 1
    return isinstance(found, Fraction), found


@pytest.mark.parametrize("calculate", OPERATORS, ids=lambda one: one.__name__)
@given(one=FRACTIONS, other=OTHERS)
def test_it_calculates_as_a_fraction_does(
    calculate: Callable[[Any, Any], Any], one: Fraction, other: Any
) -> None:
    quick = Ratio(one)
    assert outcome(calculate, quick, other) == outcome(calculate, one, other)
    assert outcome(calculate, other, quick) == outcome(calculate, other, one)
    if isinstance(other, Fraction):
        assert outcome(calculate, quick, Ratio(other)) == outcome(calculate, one, other)


@given(one=FRACTIONS)
def test_it_is_the_same_number(one: Fraction) -> None:
    quick = Ratio(one)
    assert isinstance(quick, Fraction)
    assert (hash(quick), repr(quick), str(quick)) == (hash(one), repr(one), str(one))
    assert (floor(quick), -quick, abs(quick), bool(quick)) == (
        floor(one),
        -one,
        abs(one),
        bool(one),
    )


@given(above=WHOLE, below=WHOLE.filter(bool))
def test_it_is_made_of_what_a_fraction_is_made_of(above: int, below: int) -> None:
    assert ratio(above, below) == Fraction(above, below)
    assert ratio(str(Fraction(above, below))) == Fraction(above, below)
    assert whole_number(above) == above


def test_sums_of_its_like_stay_quick() -> None:
    third = ratio(1, 3)
    found = [third + 1, 1 + third, third - Fraction(1, 7), 2 - third, third * 3, 3 / third, -third]
    assert {type(one) for one in found} == {Ratio}
