"""Signals to nodes: numbers, steps, buses, units, voices.

In: a signal and its place. Out: wires, one or left and right. Invariants: a bus is made once; where it refers to
itself, it is as it was a quantum before. Thread: the scheduler's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, final

from gapless.play.builder.beginnings import Beginnings
from gapless.play.builder.calls import Calls
from gapless.play.builder.copies import COPY, SET_OFF, Copy, Wired
from gapless.play.builder.instruments import Instruments, Ringing
from gapless.play.builder.nodes import Nodes
from gapless.play.builder.voices import VoicesOf
from gapless.play.graph import Channels, Steps, Voices, Wire
from gapless.play.program import Bus, Made, Number, Played, Program, Signal, Stepped
from gapless.play.sound.mixer import copy
from gapless.play.sound.steps import steps
from gapless.play.sound.unit import Unit


@final
class Signals:
    """Of one graph.

    Args:
        nodes: of it.
        calls: the same.
        beginnings: the same.
        program: what shall sound.
        bank: the unit that plays triggers.
        polyphony: copies of an instrument.
        rang: instruments that rang in the graph before, and may go on.
        generation: of this graph.
    """

    def __init__(
        self,
        nodes: Nodes,
        calls: Calls,
        beginnings: Beginnings,
        program: Program,
        *,
        bank: Unit,
        polyphony: int,
        rang: Ringing,
        generation: int,
    ) -> None:
        self.instruments: Final = Instruments(
            nodes,
            calls,
            program,
            self.make,
            polyphony=polyphony,
            rang=rang,
            generation=generation,
        )
        self._voices = VoicesOf(
            nodes, calls, self.instruments, program, self.make, bank=bank, beginnings=beginnings
        )
        self._steps: list[Steps] = []
        self._nodes = nodes
        self._beginnings = beginnings
        self._calls = calls
        self._program = program
        self._buses: dict[str, Channels] = {}
        self._owner = ""
        """The output that is being made, or the bus: its voices are the same whoever hears it."""
        self._reads: defaultdict[str, set[str]] = defaultdict(set)
        """Of each owner, which buses it reads."""
        self._played_in: Counter[str] = Counter()
        """How many patterns of voices each owner has so far."""

    def output(self, name: str) -> Channels:
        """One of the program's."""
        self._owner = name
        return self.make(self._program.outputs[name], name)

    def voices_in(self, output: str) -> frozenset[str]:
        """Owners of the voices that are heard in an output."""
        return self._heard_in(output) & {feed.output for feed in self._voices.feeds}

    def voices(self) -> list[Voices]:
        """Where triggers go, once all outputs are made."""
        hearers = self._hearers()
        return [replace(one, output=hearers[one.output]) for one in self._voices.feeds]

    def steps(self) -> list[Steps]:
        """Where steps go, once all outputs are made."""
        hearers = self._hearers()
        return [replace(one, output=hearers[one.output]) for one in self._steps]

    def _heard_in(self, output: str) -> frozenset[str]:
        """The output, and all buses that are heard in it."""
        found: set[str] = set()
        waiting = [output]
        while waiting:
            owner = waiting.pop()
            if owner not in found:
                found.add(owner)
                waiting += self._reads[owner]
        return frozenset(found)

    def _hearers(self) -> dict[str, str]:
        """Of each owner, in which output it is heard: of several the first that is not hushed."""
        outputs = sorted(self._program.outputs, key=self._program.hushed.__contains__)
        hearers: dict[str, str] = {}
        for output in outputs:
            for owner in self._heard_in(output):
                hearers.setdefault(owner, output)
        return hearers

    def make(self, signal: Signal | Wired, place: str, within: Copy | None = None) -> Channels:
        """Any signal."""
        if isinstance(signal, Made):
            return self._made(signal, place, within)
        if within is None:
            return self._alone(signal, place)
        once = COPY.sub("", place)
        if once not in within.shared:
            within.shared[once] = self._alone(signal, once)
        return within.shared[once]

    def _alone(self, signal: Number | Stepped | Bus | Played | Wired, place: str) -> Channels:
        """What is no unit, and so the same for all copies."""
        match signal:
            case Wired():
                return signal.channels
            case Number():
                return (self._nodes.constant(signal.value),)
            case Bus():
                return self._bus(signal.name)
            case Played():
                # By its number, so that it stays what it is when effects come and go around it.
                number = self._played_in[self._owner]
                self._played_in[self._owner] += 1
                return self._voices.make(signal, f"{self._owner}/voices{number}", self._owner)
            case Stepped():
                node = self._nodes.node(place, steps)
                self._steps.append(Steps(self._owner, signal.pattern, node))
                self._nodes.call(node)
                return node.channels

    def _bus(self, name: str) -> Channels:
        place = f"~{name}"
        self._reads[self._owner].add(place)
        if name in self._buses:
            return self._buses[name]
        sides = [self._nodes.node(f"{place}/{side}", copy) for side in ("left", "right")]
        # Whoever asks for it while it is being made reads what it was a quantum before.
        self._buses[name] = tuple(side.channels[0] for side in sides)
        new = [side for side in sides if not self._nodes.patches.sounds(side)]
        if self._beginnings.bus(name):
            for side in new:
                self._beginnings.add(side)
        reader, self._owner = self._owner, place
        channels = self.make(self._program.buses[name], place)
        self._owner = reader
        for side, wire in zip(sides[: len(channels)], channels, strict=True):
            self._nodes.read(side, [wire])
            self._nodes.call(side)
            if side in new and not self._beginnings.has(wire):
                self._beginnings.remove(side)
        if len(channels) == 1:
            # It has read nothing, and once it does it is a new one.
            del self._nodes.placed[f"{place}/right"]
        self._buses[name] = self._buses[name][: len(channels)]
        return self._buses[name]

    def _made(self, made: Made, place: str, within: Copy | None) -> Channels:
        unit = self._calls.unit(made.unit)
        given = [
            self._given(unit, number, signal, f"{place}/{number}", within)
            for number, signal in enumerate(made.inputs)
        ]
        if unit.outputs == 1 and any(len(channels) > 1 for channels in given):
            return tuple(
                self._calls.call(unit, f"{place}/{side}", [one[end] for one in given], within)[0]
                for side, end in (("left", 0), ("right", -1))
            )
        wires = [
            self._ear(unit, number, given, f"{place}/{number}", within=within)
            for number in range(len(given))
        ]
        return self._calls.call(unit, place, wires, within)

    def _ear(
        self,
        unit: Unit,
        number: int,
        given: Sequence[Channels],
        place: str,
        *,
        within: Copy | None,
    ) -> Wire:
        """What a unit with two outputs hears at an input: of two sides their mean, but for the sound itself."""
        match unit.inputs[number].name:
            case "in2":
                return given[0][-1]
            case "in" if any(one.name == "in2" for one in unit.inputs):
                return given[0][0]
            case _:
                return self._calls.middle(given[number], place, within)

    def _given(
        self, unit: Unit, number: int, signal: Signal, place: str, within: Copy | None
    ) -> Channels:
        """What comes in at an input."""
        name = unit.inputs[number].name
        if within is not None and name in SET_OFF and isinstance(signal, Number):
            return (within.gate,)
        channels = self.make(signal, place, within)
        if within is None or name not in unit.scaled:
            return channels
        return tuple(
            self._calls.call(
                self._calls.unit("mul"), f"{place}/scaled{side}", [wire, within.ratio], within
            )[0]
            for side, wire in enumerate(channels)
        )
