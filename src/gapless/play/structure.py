"""The operators between two patterns, and where their structure comes from.

In: two patterns of numbers, words or controls. Out: one. Invariants: total, so that no pair of values is an error.
Thread: any (pure).

A bar says where the structure comes from: ``|+`` from the left, ``+|`` from the right, ``|+|`` and ``+`` from both;
``#`` is ``|>``. Controls are united key by key, and the operation acts on the keys that both have: a key that only the
right has acts on nothing (so ``-`` negates it and ``/`` inverts it), as in TidalCycles. Words are put together by ``+``
and are the left's otherwise. A number beside controls is one for their ``note`` if they have one, else for their ``n``.
Dividing by zero gives zero, so that nothing infinite reaches a voice.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from gapless.play.pattern import Pattern

Merge: TypeAlias = Callable[[Any, Any], Any]
Operator: TypeAlias = Callable[[Pattern[Any], Pattern[Any]], Pattern[Any]]


def _divided(left: Any, right: Any) -> Any:
    return left / right if right else 0


def _is_number(value: object) -> bool:
    # Fractions are not floats, but they calculate.
    return hasattr(value, "__truediv__") or isinstance(value, int)


def _arithmetic(calculate: Callable[[Any, Any], Any], neutral: int) -> Merge:
    def single(left: Any, right: Any) -> Any:
        if _is_number(left) and _is_number(right):
            try:
                return calculate(left, right)
            except (OverflowError, ValueError):
                return left
        if isinstance(left, str) and isinstance(right, str) and calculate is operator.add:
            return left + right
        return left

    def merge(left: Any, right: Any) -> Any:
        left, right = _alike(left, right)
        if not isinstance(left, dict):
            return single(left, right)
        united = dict(left)
        for key, value in right.items():
            if key in left:
                united[key] = single(left[key], value)
            else:
                united[key] = single(neutral, value) if _is_number(value) else value
        return united

    return merge


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both controls if one is."""
    if isinstance(left, dict) is isinstance(right, dict):
        return left, right
    controls = left if isinstance(left, dict) else right
    key = "note" if "note" in controls else "n"
    if isinstance(left, dict):
        return left, {key: right}
    return {key: left}, right


def _from_right(left: Any, right: Any) -> Any:
    left, right = _alike(left, right)
    return left | right if isinstance(left, dict) else right


def _from_left(left: Any, right: Any) -> Any:
    return _from_right(right, left)


MERGES: Final[Mapping[str, Merge]] = MappingProxyType(
    {
        "+": _arithmetic(operator.add, 0),
        "-": _arithmetic(operator.sub, 0),
        "*": _arithmetic(operator.mul, 1),
        "/": _arithmetic(_divided, 1),
        ">": _from_right,
        "<": _from_left,
    }
)
"""What becomes of two values, by the sign within the bars."""


def _operators() -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for sign, merge in MERGES.items():

        def both(left: Pattern[Any], right: Pattern[Any], merge: Merge = merge) -> Pattern[Any]:
            return left.both(right, merge)

        def leftwards(
            left: Pattern[Any], right: Pattern[Any], merge: Merge = merge
        ) -> Pattern[Any]:
            return left.left(right, merge)

        def rightwards(
            left: Pattern[Any], right: Pattern[Any], merge: Merge = merge
        ) -> Pattern[Any]:
            return left.right(right, merge)

        found |= {f"|{sign}": leftwards, f"{sign}|": rightwards, f"|{sign}|": both}
        if sign in "+-*/":
            found[sign] = both
    found["#"] = found["|>"]
    return found


OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(_operators())
"""By the way they are written."""
