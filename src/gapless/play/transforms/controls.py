"""Controls: what is said of a voice, read and changed.

In: values of events. Out: the same with other controls. Invariants: values that are no controls stay as they are; a
dictionary is never changed in place. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gapless.play.transforms.arguments import number


def read(controls: dict[str, Any], key: str, default: float) -> float:
    """A numeric control."""
    value = number(controls.get(key))
    return default if value is None else value


def scaled(**by: float) -> Callable[[Any], Any]:
    """Controls times factors; one that is missing becomes its factor, as under ``|*``."""

    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {**value, **{key: read(value, key, 1.0) * much for key, much in by.items()}}

    return change


def given(**controls: Any) -> Callable[[Any], Any]:
    """Controls set, whatever they were, as under ``#``."""
    return lambda value: {**value, **controls} if isinstance(value, dict) else value


def played_part(first: float, last: float) -> Callable[[Any], Any]:
    """``begin`` and ``end`` narrowed to a part of what they were, given as shares of it."""

    def change(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        begin, end = read(value, "begin", 0.0), read(value, "end", 1.0)
        length = end - begin
        return {**value, "begin": begin + first * length, "end": begin + last * length}

    return change
