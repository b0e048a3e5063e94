"""Statements into a program.

In: a text, units, transforms. Out: a ``Program``. Invariants: all statements are looked at, so that all mistakes are
told at once; of a name that is set twice the last holds, and a remark tells of both. Thread: any (pure).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, final

from gapless.play.errors import PlayError
from gapless.play.language import tree
from gapless.play.language.allowance import allowance
from gapless.play.language.evaluate import Evaluation
from gapless.play.language.mistakes import ProgramError
from gapless.play.language.parse import parse
from gapless.play.language.scope import BrokenError, Definitions, in_order
from gapless.play.language.settings import cps_of, hushed_by, outmix_of, transport_of
from gapless.play.language.signals import patterns_in
from gapless.play.language.tokens import statements, tokens
from gapless.play.language.values import Value, Words, told
from gapless.play.pattern import Place
from gapless.play.program import Played, Program, Remark, Signal, voices_in
from gapless.play.transforms.contract import Transform

if TYPE_CHECKING:
    from gapless.play.sound.unit import Unit

T = TypeVar("T")

_NUMBERED = re.compile(r"(?:out|o|d)(\d+)")
_WORD = re.compile(r"~?[A-Za-z_]\w*")
_BEGUN = re.compile(r"\s*(?:([~@%]\w+)|fn\s+(\w+))")
_DEFAULT_BUS = re.compile(r"d\d+")


def compiled(
    text: str, name: str, units: Mapping[str, Unit], transforms: Mapping[str, Transform]
) -> Program:
    """The program that a text is.

    Args:
        text: all of it.
        name: what it is called.
        units: what sounds are made of.
        transforms: what patterns are changed by.

    Raises:
        ProgramError: there are some.
    """
    reading = _Reading(units, transforms)
    reading.read(text)
    with allowance(Place(1, 1, 1)):
        program = reading.program()
    if program is not None:
        return replace(program, words=frozenset(_WORD.findall(text)))
    raise ProgramError(reading.mistakes, text, name)


@final
class _Reading:
    """A text on its way to a program."""

    def __init__(self, units: Mapping[str, Unit], transforms: Mapping[str, Transform]) -> None:
        self.mistakes: list[PlayError] = []
        self._units = units
        self._transforms = transforms
        self._definitions = Definitions()
        self._settings: dict[str, tree.Setting] = {}
        self._commands: list[tree.Command] = []
        self._remarks: list[Remark] = []

    def read(self, text: str) -> None:
        """Parse all statements; what cannot be is a mistake."""
        try:
            for lines in statements(text):
                try:
                    self._take(parse(tokens(lines)))
                except PlayError as mistake:
                    self.mistakes.append(mistake)
                    begun = _BEGUN.match(lines[0].text)
                    if begun is not None:
                        self._definitions.broken.add(begun[1] or begun[2])
        except PlayError as mistake:
            self.mistakes.append(mistake)

    def _take(self, statement: tree.StatementNode) -> None:
        match statement:
            case tree.Setting():
                # cps, tempo and bpm are one setting.
                key = "outmix" if statement.name == "outmix" else "tempo"
                self._warn(self._settings.get(key), statement, statement.name)
                self._settings[key] = statement
            case tree.Definition():
                key = output_name(statement.name) if statement.kind == "out" else statement.name
                group = self._definitions.of(statement.kind)
                self._warn(group.get(key), statement, _written(statement))
                # Set anew, so that it has the place of the last in the order of outputs.
                group.pop(key, None)
                group[key] = statement
            case tree.Command():
                self._commands.append(statement)

    def _warn(
        self,
        before: tree.Setting | tree.Definition | None,
        now: tree.Setting | tree.Definition,
        name: str,
    ) -> None:
        if before is not None:
            lines = f"lines {before.place.line} and {now.place.line}"
            text = f"{name} is set twice, in {lines}; the last one holds: remove the other"
            self._remarks.append(Remark(text, now.place))

    # --- values ---

    def program(self) -> Program | None:
        """What the statements say; None: there are mistakes."""
        evaluation = Evaluation(self._definitions, self._units, self._transforms)
        for name in in_order(self._definitions):
            if not self._definitions.buses[name].parameters:
                self._told(partial(evaluation.bus, name))
        for name, definition in self._definitions.patterns.items():
            self._told(partial(evaluation.pattern, name, definition.place))
        outputs: dict[str, Signal] = {}
        for name, definition in self._definitions.outputs.items():
            made = self._told(partial(self._output, evaluation, name, definition))
            if made is not None:
                outputs[name] = made
        self._told(partial(_check_instruments, evaluation))
        cps = self._told(partial(cps_of, self._settings.get("tempo"), evaluation))
        outmix = self._told(partial(outmix_of, self._settings.get("outmix")))
        if not outputs and not self.mistakes:
            outputs = self._told(partial(self._unnamed, evaluation)) or {}
        transport = tuple(found for found in map(transport_of, self._commands) if found)
        hushed, remarks = hushed_by(self._commands, outputs)
        self._remarks += remarks
        buses = self._told(partial(_buses, evaluation, outputs))
        if self.mistakes or cps is None or outmix is None or buses is None:
            return None
        self._told(partial(self._try_out, outputs, buses))
        return (
            None
            if self.mistakes
            else Program(outputs, buses, cps, outmix, hushed, tuple(self._remarks), transport)
        )

    def _try_out(self, outputs: Mapping[str, Signal], buses: Mapping[str, Signal]) -> None:
        """Ask all patterns for the first cycle, which they must be able to answer."""
        silent = set()
        for pattern in patterns_in((*outputs.values(), *buses.values())):
            events = pattern.pattern.query(0, 1)
            if isinstance(pattern, Played) and events and all(one.whole is None for one in events):
                silent.add(id(pattern))
        for name, signal in outputs.items():
            if any(id(one) in silent for one in voices_in(signal, buses)):
                text = (
                    f"{name} is silent: its pattern goes on without a beginning; "
                    "put segment 8 $ before it, for 8 events a cycle"
                )
                definition = self._definitions.outputs.get(name)
                self._remarks.append(Remark(text, definition.place if definition else None))

    def _told(self, evaluate: Callable[[], T]) -> T | None:
        """A value; None: its mistake has been noted."""
        try:
            return evaluate()
        except PlayError as mistake:
            told = {(one.text, one.place) for one in self.mistakes}
            if (mistake.text, mistake.place) not in told:
                self.mistakes.append(mistake)
        except BrokenError:
            pass
        return None

    def _output(self, evaluation: Evaluation, name: str, definition: tree.Definition) -> Signal:
        value = evaluation.of(f":{name}", definition.body)
        return self._heard(evaluation, f":{name}", value, definition.body.place)

    def _heard(self, evaluation: Evaluation, name: str, value: Value, place: Place) -> Signal:
        """A value as an output."""
        if isinstance(value, Words):
            message = f"{told(value)} makes no sound by itself"
            raise PlayError(message, place=place, expected=('s "..."', 'note "..." # s "..."'))
        return evaluation.sounding(name, value, place)

    def _unnamed(self, evaluation: Evaluation) -> dict[str, Signal]:
        """What is heard where no output is named."""
        buses = self._definitions.buses
        main: tuple[str, ...] = ("master", "out")
        names = [name for name in main if name in buses][:1] or [
            name for name in buses if _DEFAULT_BUS.fullmatch(name)
        ]
        found: dict[str, Signal] = {}
        for name in names:
            place = buses[name].place
            key = "out" if name == "master" else name
            value = evaluation.of(f":{key}", tree.BusName(name, place))
            found[key] = self._heard(evaluation, f":{key}", value, place)
        if not found and not self._commands:
            message = "nothing is to be heard"
            expected = ("out: ...", "o1: ...", "a bus called ~master, ~out or ~d1")
            raise PlayError(message, place=Place(1, 1, 1), expected=expected)
        return found


def output_name(name: str) -> str:
    """``d1``, ``out1`` and ``o1`` are one output."""
    match = _NUMBERED.fullmatch(name)
    return f"o{int(match[1])}" if match else name


def _written(definition: tree.Definition) -> str:
    sign = {"#": "~", "fn": "fn ", "out": ""}.get(definition.kind, definition.kind)
    return f"{sign}{definition.name}"


def _check_instruments(evaluation: Evaluation) -> None:
    """No bus plays itself, by way of others neither: that would be voices without end.

    Raises:
        PlayError: one does.
        BrokenError: one does and has a mistake of its own, which likely is the same.
    """
    reads = evaluation.reads
    for player, bus, place in evaluation.instruments:
        reached: set[str] = set()
        waiting = [bus]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(reads.get(name, ()))
        if player in reached:
            if player in evaluation.definitions.buses:
                evaluation.bus(player)
            raise PlayError(f"~{bus} would play itself", place=place)


def _buses(evaluation: Evaluation, outputs: Iterable[str]) -> dict[str, Signal]:
    """The signals of all buses that outputs read, by way of others, too."""
    found: dict[str, Signal] = {}
    waiting = [bus for name in outputs for bus in sorted(evaluation.reads.get(f":{name}", ()))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            place = evaluation.definitions.buses[name].place
            found[name] = evaluation.sounding(name, evaluation.bus(name), place)
            waiting.extend(evaluation.reads.get(name, ()))
    return found
