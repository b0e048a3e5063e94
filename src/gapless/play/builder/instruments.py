"""Buses and units as instruments: copies for voices, and those of the graph before that still ring.

In: names of instruments. Out: nodes that run copies. Invariants: an instrument that is another one now leaves its
voices where they were. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import numpy as np

from gapless.play.builder.calls import Calls
from gapless.play.builder.copies import INSTRUMENT, Copy, Make
from gapless.play.builder.nodes import Nodes
from gapless.play.controls import C4_HZ
from gapless.play.graph import Channels, Node
from gapless.play.program import Bus, Made, Number, Program, Signal
from gapless.play.sound.instances import instances
from gapless.play.sound.unit import QUANTUM

Ringing = Mapping[str, tuple[Node, int]]
"""Instruments by place, with the generation in which they went."""


@final
class Instruments:
    """Of one graph.

    Args:
        nodes: of it.
        calls: the same.
        program: what shall sound.
        make: makes a signal.
        polyphony: copies of each.
        rang: those that rang in the graph before, and may go on.
        generation: of this graph.
    """

    def __init__(
        self,
        nodes: Nodes,
        calls: Calls,
        program: Program,
        make: Make,
        *,
        polyphony: int,
        rang: Ringing,
        generation: int,
    ) -> None:
        self.ringing: Final[dict[str, tuple[Node, int]]] = {}
        """Those that are not in the program any more."""
        self._nodes = nodes
        self._calls = calls
        self._program = program
        self._make = make
        self._polyphony = polyphony
        self._rang = rang
        self._generation = generation

    def node(self, name: str, place: str) -> Node:
        """Copies of a bus or of a unit, for a pattern of voices at a place."""
        return self._copies(name, self._home(place, name))

    def still_ringing(self, place: str) -> list[Node]:
        """Instruments that a pattern at a place had before, and has not any more."""
        begin = f"{place}/"
        for old, node in self._nodes.old.items():
            if node.unit is instances and old.startswith(begin) and old not in self._nodes.placed:
                went = self._rang[old][1] if old in self._rang else self._generation
                self.ringing[old] = (node, went)
                self._nodes.call(node)
        return [node for old, (node, _) in self.ringing.items() if old.startswith(begin)]

    def _home(self, place: str, name: str) -> str:
        """Where an instrument lives: elsewhere once it is another one, so that voices of the old one ring out."""
        return f"{place}/{name}{INSTRUMENT}{self._spelt(Bus(name[1:]), frozenset())}"

    def _spelt(self, signal: Signal, within: frozenset[str]) -> str:
        """What a signal is made of, but for its patterns."""
        match signal:
            case Made():
                inputs = (self._spelt(one, within) for one in signal.inputs)
                return f"{signal.unit}({', '.join(inputs)})"
            case Number():
                return f"{signal.value:g}"
            case Bus() if signal.name in self._program.buses and signal.name not in within:
                return self._spelt(self._program.buses[signal.name], within | {signal.name})
            case _:
                return "~"

    def _copies(self, name: str, place: str) -> Node:
        node, patches = self._nodes.node(place, instances), self._nodes.patches
        if not node.controls:
            wires = np.zeros((2, self._polyphony, QUANTUM), np.float32)
            wires[0] = 1.0
            node.controls = tuple(zip(*wires, strict=True))
        shared: dict[str, Channels] = {}
        copies: list[list[tuple[int, int]]] = []
        inner: dict[str, Node] = {}
        for number, (ratio, gate) in enumerate(node.controls):
            within = Copy(ratio, gate, {}, node.inner, shared)
            channels = self._make(self._signal(name), f"{place}#{number}", within)
            copies.append([one.call for one in within.nodes.values()])
            inner |= within.nodes
            for field, wire in (
                ("ratio", ratio),
                ("gate", gate),
                ("left", channels[0]),
                ("right", channels[-1]),
            ):
                patches.put(node, field, number, wire.ctypes.data)
        patches.remember(node)
        node.inner = inner
        node.calls = np.array(copies, np.int64)
        patches.put(node, "calls", 0, node.calls.ctypes.data)
        patches.put(node, "n_calls", 0, len(copies[0]))
        patches.put(node, "count", 0, len(copies))
        self._nodes.call(node)
        return node

    def _signal(self, name: str) -> Signal:
        if name.startswith("~"):
            return self._program.buses[name[1:]]
        unit = self._calls.unit(name)
        return Made(
            name,
            tuple(
                Number(C4_HZ if one.name in unit.scaled else one.default or 0.0)
                for one in unit.inputs
            ),
        )
