"""What an expression is worth, before it is known what it is used for.

In: nothing. Out: nothing; what the evaluation passes around. Invariants: immutable. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

from gapless.play.language.tree import Quoted
from gapless.play.pattern import Pattern, Place
from gapless.play.program import Controls, Signal


@dataclass(frozen=True, slots=True, eq=False)
class Num:
    """A number, exact."""

    value: Fraction
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A word of mini-notation and where it stands: what a pattern's values may turn out to be."""

    word: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A pattern of numbers and words, which say nothing yet of what they are for."""

    pattern: Pattern[Any]
    literals: tuple[Literal, ...] = ()
    written: Quoted | None = None
    """The text that it is, if nothing was done to it."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitStep:
    """An effect that a sound may go through."""

    unit: str
    inputs: tuple[Signal, ...]
    """All but the sound."""
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class MergeStep:
    """Another pattern, or signal, that is joined to what is there."""

    operator: str
    value: Value
    place: Place
    name: str = ""
    """Of the voice parameter, if it is one."""
    unit: UnitStep | None = None
    """What it is for a sound that has no voices, if anything."""


@dataclass(frozen=True, slots=True, eq=False)
class FunctionStep:
    """A function of the author's that lacks its first argument."""

    apply: Callable[[Value], Value]
    place: Place


Step: TypeAlias = UnitStep | MergeStep | FunctionStep


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What stands behind ``#``, without what stands before it."""

    steps: tuple[Step, ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """A pattern of controls: it starts voices."""

    pattern: Pattern[Controls]
    names: frozenset[str]
    """Of the controls that it sets."""
    effects: frozenset[int] = frozenset()
    """Those that its events may go through, each by its number in the program."""
    after: tuple[UnitStep, ...] = ()
    """Those that all of it goes through."""
    bus: str | None = None
    """The bus that it is."""
    within: int = 0
    """How many of ``after`` the bus itself does."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A signal."""

    signal: Signal
    cyclic: Pattern[Any] | None = None
    """The same as a pattern, once a cycle and from 0 to 1, if its name alone was written: ``sine``."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A transform with its arguments, that waits for a pattern."""

    apply: Callable[[Pattern[Any]], Pattern[Any]]
    name: str
    place: Place
    effects: frozenset[int] = frozenset()
    """That it may send events through."""
    names: frozenset[str] = frozenset()
    """Controls that it may set."""
    literals: tuple[Literal, ...] = ()
    unit: UnitStep | None = None
    """The effect of the same name, for a sound without patterns."""


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """``[a, b]``, not yet looked at."""

    items: tuple[Value, ...]
    place: Place


Value: TypeAlias = Num | Words | Steps | Voices | Sound | Change | Items


def literals_of(*sources: Words | Change) -> tuple[Literal, ...]:
    """The words of several, each once, though one source may be there many times."""
    return tuple(dict.fromkeys(literal for one in sources for literal in one.literals))


_TOLD: Final[Mapping[type, str]] = {
    Num: "a number",
    Words: "a pattern",
    Voices: "a pattern of voices",
    Sound: "a sound",
    Steps: "an effect without a sound",
    Items: "a list",
}


def told(value: Value) -> str:
    """What a value is, to a person."""
    return f"the transform {value.name}" if isinstance(value, Change) else _TOLD[type(value)]
