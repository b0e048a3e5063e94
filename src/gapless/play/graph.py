"""A graph of units: what runs, in which order, and which patterns feed what.

In: nothing. Out: nothing; a description that ``build`` makes and a player runs. Invariants: a node's record and wires
stay where they are as long as the node does; a graph keeps alive all that its image's addresses point to. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.play.pattern import Pattern
from gapless.play.program import Controls
from gapless.play.sound.image import Image
from gapless.play.sound.unit import QUANTUM, Unit, aligned

Wire: TypeAlias = npt.NDArray[np.float32]
Channels: TypeAlias = tuple[Wire, ...]
"""One wire, or left and right."""


class Wiring(NamedTuple):
    """Of a node, what keeps alive that which its record points to; see there."""

    inputs: Channels
    reads: Channels
    inner: Mapping[str, Node]
    controls: tuple[tuple[Wire, Wire], ...]
    calls: npt.NDArray[np.int64] | None


@final
class Node:
    """A unit's record, and its wires.

    Args:
        unit: which.
        rate_hz: of the samples.
        clock: int64 [1], the position.
    """

    def __init__(self, unit: Unit, rate_hz: float, clock: npt.NDArray[np.int64]) -> None:
        self.unit = unit
        self.record = unit.make(rate_hz)
        wires = aligned(unit.outputs * QUANTUM * 4).view(np.float32).reshape(-1, QUANTUM)
        self.channels: Channels = tuple(wires)
        """What it writes; always the same objects."""
        self.record["clock"] = clock.ctypes.data
        for number, wire in enumerate(self.channels):
            self.record["outputs"][0, number] = wire.ctypes.data
        self.inputs: Channels = ()
        """What it shall read."""
        self.reads: Channels = ()
        """What it reads: while an input changes, a blend of the old one and the new."""
        self.inner: Mapping[str, Node] = {}
        """Nodes that it runs itself, by place: the copies of an instrument."""
        self.controls: tuple[tuple[Wire, Wire], ...] = ()
        """Of an instrument, for each copy: the factor of its frequencies, and its gate."""
        self.calls: npt.NDArray[np.int64] | None = None
        """Of an instrument: the copies' calls."""

    @property
    def call(self) -> tuple[int, int]:
        """For an image."""
        return self.unit.address, self.record.ctypes.data

    def as_it_is(self) -> Wiring:
        """What a graph may change in it, for ``go_back``."""
        return Wiring(self.inputs, self.reads, self.inner, self.controls, self.calls)

    def go_back(self, was: Wiring) -> None:
        """Take back what was changed since."""
        self.inputs, self.reads, self.inner, self.controls, self.calls = was

    def all_reads(self) -> Channels:
        """What it and those within it read."""
        return (*self.reads, *(wire for node in self.inner.values() for wire in node.reads))


@dataclass(frozen=True, slots=True)
class Voices:
    """Where the triggers of a pattern go."""

    output: str
    """In which they are heard: of several the first that is not hushed."""
    pattern: Pattern[Controls]
    banks: Mapping[tuple[int, ...], Node]
    """By the effects that an event goes through."""
    instruments: Mapping[tuple[str, tuple[int, ...]], Node]
    """By what is an instrument (``~x``, or the name of a unit), and the effects."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the steps of a pattern go."""

    output: str
    pattern: Pattern[float]
    node: Node


@dataclass(frozen=True, slots=True)
class Output:
    """What is summed."""

    slot: int
    """Its place in the mixer."""
    wires: tuple[Wire, Wire]
    plays: bool
    """Voices may ring out in it."""
    voices: frozenset[str] = frozenset()
    """Who has voices that are heard in it: outputs, and buses (``~x``)."""
    left: int = 0
    """The generation in which it went."""
    faded: int = 0
    """The generation in which the mixer was told to fade it, unless it plays on."""


@dataclass(frozen=True, slots=True)
class Graph:
    """What was built."""

    generation: int
    """How many there were before it."""
    image: Image
    order: Sequence[Node]
    """Of the image's calls."""
    nodes: Mapping[str, Node]
    """By place."""
    voices: Sequence[Voices]
    steps: Sequence[Steps]
    outputs: Mapping[str, Output]
    mixer: Node
    patches: npt.NDArray[np.int64]
    """int64 [n, 2]: addresses of words of 64 bits and what shall be there, to be put in when the image is."""
    constants: Mapping[float, Wire]
    leaving: Mapping[str, Output]
    """Outputs of graphs before, that fade or ring out."""
    ringing: Mapping[str, tuple[Node, int]]
    """Instruments of graphs before, by place, with the generation in which they went."""
    retired: Sequence[Node]
    """Other nodes of graphs before that still run, for what leaves or fades needs them."""
    kept: tuple[Any, ...]
    """What only addresses point to."""
