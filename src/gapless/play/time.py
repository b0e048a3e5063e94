"""Time in cycles, exact.

In: fractions. Out: spans of them. Invariants: nothing is rounded, so a million cycles later all is where it was.
Thread: any (pure).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from gapless.play.ratio import ratio, whole_number


class Span(NamedTuple):
    """From ``begin`` up to ``end``, in cycles; ``begin`` is in it, ``end`` is not, unless both are one."""

    begin: Fraction
    end: Fraction

    def cycles(self) -> list[Span]:
        """The parts that lie in one cycle each; a span without length is one of them."""
        begin, end = self
        cycle = math.floor(begin)
        # Whole numbers are compared, for nearly all that is asked lies in one cycle.
        if end.numerator <= (cycle + 1) * end.denominator:
            return [self] if begin <= end else []
        parts = []
        while begin < end:
            cycle += 1
            border = min(whole_number(cycle), end)
            parts.append(Span(begin, border))
            begin = border
        return parts

    def meet(self, other: Span) -> Span | None:
        """What both have in common; None: nothing.

        Spans that only touch have nothing in common, unless the one that touches has no length and begins the other.
        """
        begin, end = max(self.begin, other.begin), min(self.end, other.end)
        if begin < end:
            is_within = begin is self.begin and end is self.end
            return self if is_within else Span(begin, end)
        if begin > end:
            return None
        for span in (self, other):
            if begin == span.end and span.begin < span.end:
                return None
        return Span(begin, end)

    def map(self, change: Callable[[Fraction], Fraction]) -> Span:
        """Both ends changed."""
        return Span(change(self.begin), change(self.end))


def cycle_of(time: Fraction) -> int:
    """The cycle that a time lies in."""
    return math.floor(time)


def whole_cycle(time: Fraction) -> Span:
    """The cycle that a time lies in, as a span."""
    cycle = math.floor(time)
    return Span(whole_number(cycle), whole_number(cycle + 1))


def exact(number: float | Fraction) -> Fraction:
    """A number as it was written: 0.1 is a tenth, not the float beside it.

    Raises:
        ValueError: it is infinite, or none.
    """
    return ratio(str(number)) if isinstance(number, float) else ratio(number)
