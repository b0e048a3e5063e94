"""What a program is once it is understood: outputs made of signals, some of which are patterns.

In: nothing. Out: nothing; a description that the language makes and the engine builds. Invariants: no text is left in
it, so nothing is parsed while it sounds; buses are referred to by name, so that they may refer to themselves. Thread:
any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

from gapless.play.pattern import Event, Pattern, Place

Controls: TypeAlias = dict[str, Any]
"""What is said of a voice: ``s``, ``n``, ``note``, ``gain`` ...; ``fx``: indices of the effects of its ``Played``."""


MOST_EFFECTS: Final = 4
"""That the events of one pattern may choose among; each choice of some is a chain of its own."""


@dataclass(frozen=True, slots=True)
class Number:
    """The same always."""

    value: float


@dataclass(frozen=True, slots=True)
class Stepped:
    """A pattern as a signal: the value of the event that holds, 0 at first; between events the last one stays."""

    pattern: Pattern[float]


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit makes of other signals."""

    unit: str
    """Its name in the catalogue."""
    inputs: tuple[Signal, ...]
    """As many as it has; of an effect the sound comes first."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Bus:
    """Another bus; if it depends on this one, as it was a quantum before."""

    name: str
    """Without the ``~``."""


@dataclass(frozen=True, slots=True)
class Played:
    """Voices that a pattern starts, left and right.

    Where an event's ``s`` is a bus (``~x``), the voice is an instance of that bus, its frequencies scaled by ``note``.
    """

    pattern: Pattern[Controls]
    effects: tuple[Effect, ...] = ()
    """Those that a voice may go through, by its ``fx``: in this order."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A chain that some events of a pattern go through."""

    apply: Callable[[Signal], Signal]


Signal: TypeAlias = Number | Stepped | Made | Bus | Played

OutMix: TypeAlias = Literal["none", "gain", "sqrt", "tanh", "hard"]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that the author should know; not an error."""

    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Transport:
    """What is to happen to the time, once, when the program is taken up."""

    what: Literal["resetCycles", "setCycle", "nudge", "panic"]
    """``panic``: all voices end at once."""
    cycles: Fraction = Fraction(0)
    """Where to go, or by how much to shift."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A whole one."""

    outputs: Mapping[str, Signal]
    """By name: ``out``, ``o1``, ``o2`` ..., in the order in which they were written."""
    buses: Mapping[str, Signal] = field(default_factory=dict)
    """By name, those that are referred to."""
    cps: Fraction = Fraction(1, 2)
    """Cycles per second."""
    outmix: OutMix = "none"
    hushed: frozenset[str] = frozenset()
    """Outputs that are silent."""
    remarks: tuple[Remark, ...] = ()
    transport: tuple[Transport, ...] = ()
    words: frozenset[str] | None = None
    """All words of its text, among them the names of instruments that patterns may ask for; None: nobody knows."""

    def events(
        self, begin: Fraction | int, end: Fraction | int
    ) -> dict[str, list[Event[Controls]]]:
        """What each output would play from ``begin`` up to ``end``, in cycles: the voices that start there."""
        return {
            name: [
                event
                for played in voices_in(signal, self.buses)
                for event in played.pattern.query(begin, end)
                if event.has_onset
            ]
            for name, signal in self.outputs.items()
        }


def voices_in(signal: Signal, buses: Mapping[str, Signal]) -> list[Played]:
    """All that starts voices within a signal, also by way of buses; each once."""
    found: list[Played] = []
    seen: set[str] = set()

    def visit(one: Signal) -> None:
        if isinstance(one, Played):
            if one not in found:
                found.append(one)
        elif isinstance(one, Made):
            for each in one.inputs:
                visit(each)
        elif isinstance(one, Bus) and one.name not in seen:
            seen.add(one.name)
            if one.name in buses:
                visit(buses[one.name])

    visit(signal)
    return found
