"""Fractions whose arithmetic is quick, for time.

In: fractions and whole numbers. Out: fractions. Invariants: every result is the one that ``fractions.Fraction`` gives,
in lowest terms. Thread: any (pure).

Source: D. E. Knuth, "The Art of Computer Programming", volume 2, 4.5.1: common divisors are taken out of the small
numbers, before they are multiplied.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import Any, Final, final

_new: Final = object.__new__


@final
class Ratio(Fraction):
    """A ``Fraction`` that is several times as fast among its like and with whole numbers.

    The standard library's takes most of its time to find out what it was given. With anything else, this is it.
    """

    __slots__ = ()

    # Where a fraction keeps them; its constructor would look for common divisors again.
    _numerator: int
    _denominator: int

    def __add__(self, other: Any) -> Any:
        kind = other.__class__
        if kind is Ratio or kind is Fraction:
            return self._plus(other._numerator, other._denominator)
        if kind is int:
            return _new(Ratio).become(
                self._numerator + other * self._denominator, self._denominator
            )
        return Fraction.__add__(self, other)

    def __radd__(self, other: Any) -> Any:
        kind = other.__class__
        return self + other if kind is int or kind is Fraction else Fraction.__radd__(self, other)

    def __sub__(self, other: Any) -> Any:
        kind = other.__class__
        if kind is Ratio or kind is Fraction:
            return self._plus(-other._numerator, other._denominator)
        if kind is int:
            return _new(Ratio).become(
                self._numerator - other * self._denominator, self._denominator
            )
        return Fraction.__sub__(self, other)

    def __rsub__(self, other: Any) -> Any:
        if other.__class__ is int:
            return _new(Ratio).become(
                other * self._denominator - self._numerator, self._denominator
            )
        return Fraction.__rsub__(self, other)

    def __mul__(self, other: Any) -> Any:
        kind = other.__class__
        if kind is Ratio or kind is Fraction:
            return self._times(other._numerator, other._denominator)
        return self._times(other, 1) if kind is int else Fraction.__mul__(self, other)

    def __rmul__(self, other: Any) -> Any:
        kind = other.__class__
        return self * other if kind is int or kind is Fraction else Fraction.__rmul__(self, other)

    def __truediv__(self, other: Any) -> Any:
        kind = other.__class__
        if kind is Ratio or kind is Fraction:
            above, below = other._denominator, other._numerator
        elif kind is int:
            above, below = 1, other
        else:
            return Fraction.__truediv__(self, other)
        if below > 0:
            return self._times(above, below)
        if not below:
            raise ZeroDivisionError(f"{self} divided by 0")
        return self._times(-above, -below)

    def __rtruediv__(self, other: Any) -> Any:
        if not self or other.__class__ is not int:
            return Fraction.__rtruediv__(self, other)
        return Ratio(other) / self

    def __neg__(self) -> Ratio:
        return _new(Ratio).become(-self._numerator, self._denominator)

    def __floor__(self) -> int:
        return self._numerator // self._denominator

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ratio):
            return self._numerator == other._numerator and self._denominator == other._denominator
        return Fraction.__eq__(self, other)

    __hash__ = Fraction.__hash__

    def __lt__(self, other: Any) -> bool:
        if other.__class__ is not Ratio:
            return Fraction.__lt__(self, other)
        return bool(self._numerator * other._denominator < other._numerator * self._denominator)

    def __le__(self, other: Any) -> bool:
        if other.__class__ is not Ratio:
            return Fraction.__le__(self, other)
        return bool(self._numerator * other._denominator <= other._numerator * self._denominator)

    def __gt__(self, other: Any) -> bool:
        if other.__class__ is not Ratio:
            return Fraction.__gt__(self, other)
        return bool(self._numerator * other._denominator > other._numerator * self._denominator)

    def __ge__(self, other: Any) -> bool:
        if other.__class__ is not Ratio:
            return Fraction.__ge__(self, other)
        return bool(self._numerator * other._denominator >= other._numerator * self._denominator)

    def __repr__(self) -> str:
        return f"Fraction({self._numerator}, {self._denominator})"

    def become(self, numerator: int, denominator: int) -> Ratio:
        """Of a fraction that was only just made: it, with numbers that have no common divisor."""
        self._numerator = numerator
        self._denominator = denominator
        return self

    def _plus(self, numerator: int, denominator: int) -> Ratio:
        own = self._denominator
        common = gcd(own, denominator)
        if common == 1:
            return _new(Ratio).become(
                self._numerator * denominator + numerator * own, own * denominator
            )
        rest = own // common
        total = self._numerator * (denominator // common) + numerator * rest
        left = gcd(total, common)
        return _new(Ratio).become(total // left, rest * (denominator // left))

    def _times(self, numerator: int, denominator: int) -> Ratio:
        own, below = self._numerator, self._denominator
        first, second = gcd(own, denominator), gcd(numerator, below)
        return _new(Ratio).become(
            (own // first) * (numerator // second), (denominator // first) * (below // second)
        )


def ratio(numerator: int | Fraction | str, denominator: int = 1) -> Fraction:
    """What ``Fraction`` would make of them, a quick one.

    Raises:
        ValueError: a text that is no number.
        ZeroDivisionError: the denominator is 0.
    """
    made = Ratio(numerator)
    return made if denominator == 1 else made / denominator


def whole_number(number: int) -> Fraction:
    """As a fraction."""
    return _new(Ratio).become(number, 1)
