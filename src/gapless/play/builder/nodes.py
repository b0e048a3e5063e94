"""The nodes of a new graph, by their places: those of the graph before where they are the same, else new ones.

In: places, units, wires to read. Out: nodes, in the order in which they were asked for. Invariants: what a node that
sounds reads changes by a fade, the same one for all that read it. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gapless.play.builder.patches import Patches
from gapless.play.graph import Graph, Node, Wire
from gapless.play.sound.mixer import blend, is_done
from gapless.play.sound.unit import QUANTUM, Unit

CONSTANTS: Final = 4096
"""Wires of numbers that are kept for graphs to come."""


@final
class Nodes:
    """Of one graph.

    Args:
        before: the graph that sounds now.
        old: of its nodes those that go on, if they are asked for, by place.
        rate_hz: of the samples.
        clock: int64 [1], the position.
    """

    def __init__(
        self,
        before: Graph | None,
        old: dict[str, Node],
        rate_hz: float,
        clock: npt.NDArray[np.int64],
    ) -> None:
        self.old: Final = old
        self.placed: Final[dict[str, Node]] = {}
        """By place, those of the new graph."""
        self.order: Final[list[Node]] = []
        """Those that are to be called."""
        inner = (each for node in old.values() for each in node.inner.values())
        self.patches: Final = Patches([*old.values(), *inner])
        # The same objects as before, so that what reads them reads on.
        known = list(before.constants.items()) if before else []
        self.constants: Final[dict[float, Wire]] = dict(known[-CONSTANTS:])
        self._rate_hz = rate_hz
        self._clock = clock
        self._blends: dict[tuple[int, int], Wire] = {}
        self._fading = {
            id(node.channels[0]): node
            for node in (before.order if before else ())
            if node.unit is blend and not is_done(node.record)
        }
        """Fades that go on, by the wire that they write."""

    def constant(self, value: float) -> Wire:
        """A wire of a number."""
        if value not in self.constants:
            self.constants[value] = np.full(QUANTUM, value, np.float32)
        return self.constants[value]

    def is_new(self, place: str, unit: Unit) -> bool:
        """Whether no such unit is at a place yet."""
        node = self.old.get(place)
        return node is None or node.unit is not unit

    def node(self, place: str, unit: Unit) -> Node:
        """The one at a place."""
        node = self.make(unit) if self.is_new(place, unit) else self.old[place]
        self.placed[place] = node
        return node

    def make(self, unit: Unit) -> Node:
        """One without a place."""
        return Node(unit, self._rate_hz, self._clock)

    def call(self, node: Node) -> None:
        """Let it be called."""
        self.order.append(node)

    def read(self, node: Node, wires: Sequence[Wire]) -> None:
        """Let a node read; where it reads something else already, by a fade."""
        reads = list(wires)
        if self.patches.sounds(node):
            self.patches.remember(node)
            sides = zip(node.inputs, node.reads, wires, strict=True)
            for number, (old, now, new) in enumerate(sides):
                fading = self._fading.get(id(now))
                if old is not new:
                    reads[number] = self._blended(old if fading is None else now, new)
                elif fading is not None:
                    reads[number] = now
                    self._go_on(fading)
        node.inputs, node.reads = tuple(wires), tuple(reads)
        for number, wire in enumerate(reads):
            self.patches.put(node, "inputs", number, wire.ctypes.data)

    def _blended(self, old: Wire, new: Wire) -> Wire:
        """A fade from one wire to another: the same for all that read them."""
        sides = id(old), id(new)
        if sides not in self._blends:
            node = self.make(blend)
            self.read(node, [old, new])
            self._go_on(node)
            self._blends[sides] = node.channels[0]
        return self._blends[sides]

    def _go_on(self, fading: Node) -> None:
        """Run a fade."""
        place = f"blend {id(fading)}"
        if place not in self.placed:
            self.placed[place] = fading
            self.call(fading)
