"""Arguments of transforms: patterns of anything become patterns of what is allowed.

In: values as they were written or computed. Out: exact numbers within bounds, or None where there is none. Invariants:
nothing raises, so a wrong value is silence while it holds and no error while it sounds; every count is bounded, so no
value makes a question cost more than ``MOST`` events for each event that there was. Thread: any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, Final, TypeAlias

from gapless.play.pattern import Pattern, silence
from gapless.play.time import exact
from gapless.play.transforms.contract import Kind, Parameter

MOST: Final = 1024
"""Repeats, pieces, layers or steps; also how many times as fast a pattern can be made. More is taken as this."""
LONGEST_CYCLES: Final = 1 << 20
"""Shifts and lengths; also how many times as slow a pattern can be made. More is taken as this."""
FINEST: Final = Fraction(1, 1 << 40)
"""Times and factors closer to zero are zero."""
REMEMBERED: Final = 32
"""Patterns that one transform keeps for values of its arguments that come again."""

Convert: TypeAlias = Callable[[Any], Any]
Argument: TypeAlias = tuple[Convert, Pattern[Any]]


def number(value: object) -> float | None:
    """As a float; None: it is none, or not finite."""
    if isinstance(value, (int, float, Fraction)):
        try:
            real = float(value)
        except OverflowError:
            return None
        return real if math.isfinite(real) else None
    return None


def time(value: object) -> Fraction | None:
    """Exact cycles, at most ``LONGEST_CYCLES`` of them; None: it is no finite number."""
    real = number(value)
    if real is None or not isinstance(value, (int, float, Fraction)):
        return None
    if abs(real) > LONGEST_CYCLES:
        return Fraction(int(math.copysign(LONGEST_CYCLES, real)))
    precise = exact(value)
    return precise if abs(precise) >= FINEST else Fraction(0)


def factor(value: object) -> Fraction | None:
    """How many times as fast: at most ``MOST`` times, and at least one ``LONGEST_CYCLES``th, or zero."""
    by = time(value)
    if not by:
        return by
    size = min(max(abs(by), Fraction(1, LONGEST_CYCLES)), Fraction(MOST))
    return size if by > 0 else -size


def inverse_factor(value: object) -> Fraction | None:
    """How many times as slow, as a ``factor``."""
    by = time(value)
    return factor(1 / by) if by else by


def whole(value: object) -> int | None:
    """A whole number, rounded down; None: it is no finite number."""
    cycles = time(value)
    return None if cycles is None else math.floor(cycles)


def count(value: object) -> int | None:
    """A whole number from ``-MOST`` to ``MOST``."""
    many = whole(value)
    return None if many is None else max(-MOST, min(MOST, many))


def truth(value: object) -> bool:
    """Whether it is true; words are if they say so."""
    return value in {"t", "true"} if isinstance(value, str) else bool(value)


def word(value: object) -> str | None:
    """A word; None: it is none."""
    return value if isinstance(value, str) else None


def patterned(make: Callable[..., Pattern[Any]], *arguments: Argument) -> Pattern[Any]:
    """What is made of the values of all arguments while they hold; structure from within.

    Args:
        make: takes the converted values in order; asked once for values that come again.
        arguments: how to convert, and what. Silence while one of them converts to None.
    """
    converted = [pattern.map(convert) for convert, pattern in arguments]

    @lru_cache(maxsize=REMEMBERED)
    def made(*values: Any) -> Pattern[Any]:
        return silence() if None in values else make(*values)

    constants = [one.constant for one in converted if one.constant is not None]
    if len(constants) == len(converted):
        places = [place for one in constants for place in one.places]
        result = made(*(one.value for one in constants))
        return result.at(*places) if places else result
    together: Pattern[tuple[Any, ...]] = reduce(
        lambda left, right: left.both(right, lambda values, value: (*values, value)),
        converted[1:],
        converted[0].map(lambda value: (value,)),
    )
    return together.bind(lambda values: made(*values))


NUMBER: Final = Kind.NUMBER
TIME: Final = Kind.TIME
INTEGER: Final = Kind.INTEGER
BOOLEAN: Final = Kind.BOOLEAN
WORD: Final = Kind.WORD
PATTERN: Final = Kind.PATTERN
CHANGE: Final = Kind.CHANGE


def parameters(**kinds: Kind) -> tuple[Parameter, ...]:
    """Of a transform, by name, in order; a name that ends in an underscore is one without it."""
    return tuple(Parameter(name.rstrip("_"), kind) for name, kind in kinds.items())
