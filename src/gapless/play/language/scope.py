"""What names mean in a program, and how much of it may be evaluated.

In: definitions. Out: their values. Invariants: every definition is evaluated once; what is wrong is told once, and what
depends on it is passed over in silence. Thread: one program is made by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, final

from gapless.play.errors import PlayError
from gapless.play.language import tree
from gapless.play.language.values import Value
from gapless.play.pattern import Place

MOST_STEPS: Final = 10_000
"""Expressions that are evaluated for one program, templates and functions each time that they are used."""
DEEPEST: Final = 64
"""Expressions within expressions, by way of templates and functions, too."""


class Role(Enum):
    """What an expression is used for, where that decides what a name means."""

    VALUE = auto()
    EFFECT = auto()
    """It stands behind ``#``."""


class BrokenError(Exception):
    """What is referred to has a mistake, which is told where it is."""


@final
class Budget:
    """How much may still be evaluated."""

    def __init__(self) -> None:
        self._left = MOST_STEPS
        self._depth = 0

    @contextmanager
    def spend(self, place: Place) -> Iterator[None]:
        """For one expression.

        Raises:
            PlayError: it is one too many.
        """
        self._left -= 1
        if self._left < 0:
            message = f"this program has more than {MOST_STEPS} expressions, templates put in"
            raise PlayError(f"{message}: name common parts as buses", place=place)
        if self._depth >= DEEPEST:
            message = f"expressions go no deeper than {DEEPEST}, templates and functions put in"
            raise PlayError(f"{message}: does one use itself?", place=place)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


@dataclass(slots=True, eq=False)
class Argument:
    """Of a function of the author's: evaluated when it is used, for what it is used for."""

    evaluate: Callable[[Role], Value]
    known: dict[Role, Value] = field(default_factory=dict)

    def value(self, role: Role) -> Value:
        """What it is worth."""
        if role not in self.known:
            self.known[role] = self.evaluate(role)
        return self.known[role]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The parameters of the function whose body is evaluated."""

    arguments: Mapping[str, Argument]


GLOBAL: Final = Scope({})


@dataclass(slots=True, eq=False)
class Definitions:
    """All that a program names, by kind; of what is named twice the last."""

    buses: dict[str, tree.Definition] = field(default_factory=dict)
    """Also those that modify, and function buses."""
    functions: dict[str, tree.Definition] = field(default_factory=dict)
    templates: dict[str, tree.Definition] = field(default_factory=dict)
    patterns: dict[str, tree.Definition] = field(default_factory=dict)
    outputs: dict[str, tree.Definition] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Names whose definitions cannot be read, as they are written: ``~bass``."""

    def expect(self, written: str) -> None:
        """See that a name that is not defined was not meant to be, either.

        Raises:
            BrokenError: it was.
        """
        if written in self.broken:
            raise BrokenError

    def of(self, kind: str) -> dict[str, tree.Definition]:
        """Those that are written with ``kind``."""
        return {
            "~": self.buses,
            "#": self.buses,
            "fn": self.functions,
            "@": self.templates,
            "%": self.patterns,
            "out": self.outputs,
        }[kind]


def in_order(definitions: Definitions) -> list[str]:
    """Buses, each behind those that it uses as far as that can be, so that evaluating one never goes deep."""
    found: list[str] = []
    seen: set[str] = set()
    for root in definitions.buses:
        waiting: list[tuple[str, Iterator[str]]] = []
        if root not in seen:
            seen.add(root)
            waiting.append((root, iter(_used(definitions.buses[root].body, definitions))))
        while waiting:
            name, uses = waiting[-1]
            following = next((use for use in uses if use not in seen), None)
            if following is None:
                found.append(name)
                waiting.pop()
            else:
                seen.add(following)
                body = definitions.buses[following].body
                waiting.append((following, iter(_used(body, definitions))))
    return found


def _used(body: tree.Node, definitions: Definitions) -> list[str]:
    """Buses that an expression refers to, also by way of templates, functions and named patterns."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting: list[tree.Node] = [body]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, tree.BusName) and node.name in definitions.buses:
            found[node.name] = None
        named: tree.Definition | None = None
        if isinstance(node, tree.TemplateName):
            named = definitions.templates.get(node.name)
        elif isinstance(node, tree.PatternName):
            named = definitions.patterns.get(node.name)
        elif isinstance(node, tree.Name):
            named = definitions.functions.get(node.name)
        if named is not None:
            waiting.append(named.body)
        waiting.extend(_children(node))
    return list(found)


def _children(node: tree.Node) -> Iterable[tree.Node]:
    found: tuple[tree.Node, ...] = ()
    match node:
        case tree.Call():
            found = (node.head, *node.arguments, *(one.value for one in node.keywords))
        case tree.Several():
            found = node.items
        case tree.Section() | tree.Dollar() | tree.Composed():
            found = node.operands
        case tree.Chain():
            found = (node.first, *node.rest)
        case tree.Arithmetic():
            found = (node.first, *(operand for _, operand in node.rest))
        case tree.Minus():
            found = (node.operand,)
    return found
