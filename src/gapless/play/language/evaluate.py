"""What a program's names are worth, each evaluated once.

In: definitions, units, transforms. Out: values. Invariants: every expression gives a value or a ``PlayError``, in
bounded time; a bus is evaluated once, and one that refers to itself is feedback. Thread: one program is made by one
thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from gapless.play.errors import PlayError
from gapless.play.language import tree
from gapless.play.language.expressions import worth
from gapless.play.language.names import no_bus, no_pattern, no_template
from gapless.play.language.rack import Rack
from gapless.play.language.scope import GLOBAL, BrokenError, Budget, Definitions, Role, Scope
from gapless.play.language.values import Sound, Value, Voices, told
from gapless.play.pattern import Place
from gapless.play.program import Bus, Signal
from gapless.play.transforms.contract import Transform

if TYPE_CHECKING:
    from gapless.play.sound.unit import Unit


@final
class Evaluation:
    """The expressions of one program.

    Args:
        definitions: what it names.
        units: that signals are made of.
        transforms: that patterns can be changed by.
    """

    def __init__(
        self,
        definitions: Definitions,
        units: Mapping[str, Unit],
        transforms: Mapping[str, Transform],
    ) -> None:
        self.definitions: Final = definitions
        self.units: Final = units
        self.transforms: Final = transforms
        self.rack: Final = Rack(self._refer)
        self.reads: Final[dict[str, set[str]]] = {}
        """Which buses each bus reads, by name; of outputs by their names behind a colon."""
        self.instruments: Final[list[tuple[str, str, Place]]] = []
        """Who plays which bus as an instrument, and where that is written."""
        self._budget = Budget()
        self._buses: dict[str, Value | None] = {}
        self._patterns: dict[str, Value | None] = {}
        self._open: list[str] = []
        self._fed_back: set[str] = set()
        self._templates: list[str] = []

    def value(self, node: tree.Node, scope: Scope = GLOBAL, role: Role = Role.VALUE) -> Value:
        """What an expression is worth; behind ``#`` always ``Steps``.

        Raises:
            PlayError: it is worth nothing there.
            BrokenError: it needs something that has a mistake of its own.
        """
        with self._budget.spend(node.place):
            return worth(self, node, scope, role)

    def of(self, name: str, body: tree.Node) -> Value:
        """The value of a definition's body; what it reads is noted under ``name``."""
        self._open.append(name)
        try:
            return self.value(body)
        finally:
            self._open.pop()

    def sounding(self, name: str, value: Value, place: Place) -> Signal:
        """A value of ``name`` as a signal; what it reads is noted.

        Raises:
            PlayError: it is no sound.
        """
        self._open.append(name)
        try:
            return self.rack.signal(value, place)
        finally:
            self._open.pop()

    def _refer(self, bus: str) -> None:
        if self._open:
            self.reads.setdefault(self._open[-1], set()).add(bus)

    # --- buses ---

    def bus(self, name: str) -> Value:
        """What a bus is worth by itself.

        Raises:
            PlayError: it has a mistake; told once.
            BrokenError: it was told before.
        """
        if name in self._buses:
            known = self._buses[name]
            if known is None:
                raise BrokenError
            return known
        definition = self.definitions.buses[name]
        self._buses[name] = None
        value = self.of(name, definition.body)
        if name in self._fed_back and not isinstance(value, Sound):
            message = f"~{name} is {told(value)} and refers to itself; only a sound can be fed back"
            raise PlayError(message, place=definition.place)
        self.rack.known_as(name, value)
        self._buses[name] = value
        return value

    def bus_named(self, name: str, place: Place) -> Value:
        """What a bus is worth where it is named.

        Raises:
            PlayError: there is none, or it needs arguments.
            BrokenError: it has a mistake.
        """
        definition = self.definitions.buses.get(name)
        if definition is None:
            raise no_bus(self.definitions, name, place)
        if definition.parameters:
            wanted = " ".join(one.name for one in definition.parameters)
            message = f"~{name} is a function and needs its arguments"
            raise PlayError(message, place=place, expected=(f"~{name} {wanted}",))
        if name in self._open:
            self._fed_back.add(name)
            self._refer(name)
            return Sound(Bus(name))
        value = self.bus(name)
        if isinstance(value, Sound):
            self._refer(name)
            return Sound(Bus(name), value.cyclic)
        if isinstance(value, Voices):
            return replace(value, bus=name, within=len(value.after))
        return value

    def plays(self, name: str, place: Place) -> None:
        """Note that a pattern plays a bus as an instrument.

        Raises:
            PlayError: there is none, or it makes no sound.
            BrokenError: it has a mistake.
        """
        if name not in self.definitions.buses:
            mistake = no_bus(self.definitions, name, place)
            if mistake.nearest is None:
                rest = f'a rest with space behind it: "~ {name}"'
                raise PlayError(mistake.text, place=place, expected=(*mistake.expected, rest))
            raise mistake
        self.instruments.append((self._open[-1] if self._open else "", name, place))
        if name in self._open:
            return
        if self.definitions.buses[name].parameters:
            message = f"~{name} is a function; a pattern plays buses without arguments"
            raise PlayError(message, place=place)
        value = self.bus(name)
        self.rack.signal(value, place)
        self._refer(name)

    # --- templates and named patterns ---

    def template(self, name: str, place: Place, role: Role) -> Value:
        """What a template is worth where it is named.

        Raises:
            PlayError: there is none, or it contains itself.
            BrokenError: it has a mistake.
        """
        definition = self.definitions.templates.get(name)
        if definition is None:
            raise no_template(self.definitions, name, place)
        if name in self._templates:
            raise PlayError(f"the template @{name} contains itself", place=place)
        self._templates.append(name)
        try:
            return self.value(definition.body, GLOBAL, role)
        finally:
            self._templates.pop()

    def pattern(self, name: str, place: Place) -> Value:
        """What a named pattern is worth.

        Raises:
            PlayError: there is none, it has a mistake, or contains itself.
            BrokenError: its mistake was told before.
        """
        definition = self.definitions.patterns.get(name)
        if definition is None:
            raise no_pattern(self.definitions, name, place)
        if f"%{name}" in self._open:
            raise PlayError(f"the pattern %{name} contains itself", place=place)
        if name not in self._patterns:
            self._patterns[name] = None
            self._patterns[name] = self.of(f"%{name}", definition.body)
        value = self._patterns[name]
        if value is None:
            raise BrokenError
        return value
