"""A program as it is written: statements and expressions, each with its place.

In: nothing. Out: nothing; what the grammar makes and the evaluation reads. Thread: any (immutable).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from gapless.play.pattern import Place


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A number, exact."""

    value: Fraction
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Quoted:
    """Mini-notation between quotes."""

    text: str
    place: Place
    """With the quotes."""


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A function, or a parameter of one."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class BusName:
    """``~name``."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class TemplateName:
    """``@name``."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class PatternName:
    """``%name``."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Keyword:
    """``:name value`` among the arguments."""

    name: str
    value: Node
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function with arguments."""

    head: Name | BusName
    arguments: tuple[Node, ...]
    keywords: tuple[Keyword, ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """``[a, b]``, or ``(a, b)``."""

    items: tuple[Node, ...]
    place: Place
    are_arguments: bool = False
    """Round brackets: behind a function, and alone there, they hold its arguments."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """``(# lpf 300)``, ``(|+ n 1)``: what is done to a pattern that is still to come."""

    operator: str
    """``#`` or an arithmetic one."""
    operands: tuple[Node, ...]
    """Of ``#`` one or more; of others one."""
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """``a # b # c``."""

    first: Node
    rest: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Dollar:
    """``a $ b $ c``."""

    operands: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic:
    """``a + b - c``, of one precedence, from the left."""

    first: Node
    rest: tuple[tuple[str, Node], ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Minus:
    """``-a``."""

    operand: Node
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """``f . g``: first g, then f."""

    operands: tuple[Node, ...]
    place: Place


Node: TypeAlias = (
    Literal
    | Quoted
    | Name
    | BusName
    | TemplateName
    | PatternName
    | Call
    | Several
    | Section
    | Chain
    | Dollar
    | Arithmetic
    | Minus
    | Composed
)


# --- statements ---


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """``tempo: 2``; of ``bpm`` the meter, too."""

    name: str
    value: Node
    meter: Quoted | None
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A name for an expression."""

    kind: str
    """What it is written with: ``~``, ``@``, ``%``, ``fn``; ``#`` for a bus that modifies; ``out``."""
    name: str
    parameters: tuple[Name, ...]
    body: Node
    place: Place
    """Of the name."""


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """``hush``, ``setCycle 4`` ..."""

    name: str
    value: Literal | None
    place: Place


StatementNode: TypeAlias = Setting | Definition | Command
