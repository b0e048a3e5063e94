"""What a transform tells the language about itself.

In: nothing. Out: names, kinds of arguments, a function. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from gapless.play.pattern import Pattern

Change: TypeAlias = Callable[[Pattern[Any]], Pattern[Any]]


class Kind(Enum):
    """Of an argument. All but ``CHANGE`` come as patterns, so that all are patterned."""

    NUMBER = auto()
    """Pattern[float]."""
    TIME = auto()
    """Pattern[Fraction]: cycles, or a factor."""
    INTEGER = auto()
    """Pattern[int]."""
    BOOLEAN = auto()
    """Pattern[bool]; written as ``t f`` or ``1 0``."""
    WORD = auto()
    """Pattern[str]."""
    PATTERN = auto()
    """Any pattern."""
    CHANGE = auto()
    """Another transform, with its own arguments: a ``Change``."""


class Parameter(NamedTuple):
    """One argument."""

    name: str
    kind: Kind
    many: bool = False
    """A list of them: ``[a, b]``."""


class Transform(NamedTuple):
    """A transform, or what makes a pattern of others."""

    name: str
    parameters: tuple[Parameter, ...]
    apply: Callable[..., Pattern[Any]]
    """Takes the arguments in order, and last the pattern if it ``changes`` one."""
    doc: str
    """One line for the reference."""
    changes: bool = True
    """False: it makes a pattern of its arguments alone (``stack``, ``run``)."""
