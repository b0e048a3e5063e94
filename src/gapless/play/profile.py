"""Where the time of a program goes: by parts, by nodes, by outputs and buses.

In: a program. Out: nanoseconds. Invariants: the units, the triggers and the order of the live engine; each block's
patterns are asked just before it is run; shares are of all time that was measured, so those of the patterns and of all
nodes add up to 1. The program is run once before it is measured, so that code and sounds are there. What is measured is
one thread of this machine and whatever else it was doing. Thread: the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.errors import ConfigError
from gapless.play.builder.copies import INSTRUMENT
from gapless.play.graph import Graph, Node
from gapless.play.offline import OfflinePlayer
from gapless.play.program import Program
from gapless.play.remarks import Remarks
from gapless.play.samples.library import SampleLibrary
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.instances import instances
from gapless.play.sound.timed import clock_ns, run_timed
from gapless.play.sound.unit import QUANTUM
from gapless.play.voices import triggers_of

BLOCK: Final = 512
"""Samples."""
MOST_S: Final = 3600
"""Length that is measured: each block's figures are kept."""
READINGS: Final = 10_000

PATTERNS, VOICE, GRAPH, MIX = range(4)
PARTS: Final = ("patterns", "voices", "graph", "mix")
"""``Scheduler.advance``; banks and instruments; other units; the mixer."""
PERCENTILES: Final = (50, 95, 99, 100)
MADE_OF: Final = re.compile(f"{re.escape(INSTRUMENT)}[^/]*")
"""Of a place, what an instrument is made of: its name is enough here."""

Times: TypeAlias = npt.NDArray[np.int64]


class PerBlock(msgspec.Struct, frozen=True):
    """How long something took in single blocks: values that were measured (nearest rank)."""

    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int
    mean_ns: float
    share: float
    """Of all time that was measured."""


class NodeTime(msgspec.Struct, frozen=True):
    """One call of the graph; an instrument's copies are in it."""

    place: str
    """Where in the program: an output or bus, then the numbers of arguments, from 0."""
    unit: str
    quantum_ns: float
    """Mean time for a quantum, and in it one reading of the clock."""
    share: float


class OutputTime(msgspec.Struct, frozen=True):
    """All nodes of an output, of a bus (``~x``) or the mix; patterns are not in it."""

    name: str
    quantum_ns: float
    share: float


class Profile(msgspec.Struct, frozen=True):
    """What was measured."""

    rate_hz: int
    block: int
    """Samples."""
    blocks: int
    budget_ns: int
    """What a block lasts."""
    clock_ns: float
    """A reading of the clock; one is in the time of every call."""
    parts: Mapping[str, PerBlock]
    """By the names of ``PARTS``."""
    sound: PerBlock
    """What a device's callback does: all but the patterns, which another thread asks ahead."""
    whole: PerBlock
    """All of it."""
    late_blocks: int
    """In which the sound took longer than the budget."""
    nodes: Sequence[NodeTime]
    """The widest first."""
    outputs: Sequence[OutputTime]

    @property
    def used(self) -> float:
        """Share of a block's time that the sound takes, in 99 of 100 blocks at most."""
        return self.sound.p99_ns / self.budget_ns

    @property
    def holds(self) -> bool:
        """Whether it could have been played live here: every block in time, the patterns on the average."""
        return self.late_blocks == 0 and self.parts["patterns"].mean_ns <= self.budget_ns


def profile(
    program: Program,
    n_samples: int,
    *,
    rate_hz: int,
    block: int = BLOCK,
    folders: Sequence[Path] = (),
    remarks: Remarks | None = None,
) -> Profile:
    """Measure a program from its beginning.

    Args:
        program: from ``load``.
        n_samples: for how long; whole blocks, one at least.
        rate_hz: of the samples.
        block: samples, a multiple of ``QUANTUM``.
        folders: of sounds.
        remarks: takes what the author should know.

    Raises:
        ConfigError: ``block`` or ``n_samples`` is out of bounds.
    """
    if block < QUANTUM or block % QUANTUM:
        raise ConfigError(
            f"block = {block} must be a multiple of {QUANTUM}, as 256 or 512", param="block"
        )
    if n_samples > MOST_S * rate_hz:
        raise ConfigError(
            f"{n_samples / rate_hz:g} s are too long to measure; use {MOST_S} s at most"
        )
    blocks = max(n_samples // block, 1)
    with closing(SampleLibrary(folders, rate_hz, remarks=remarks)) as sounds:
        make_trigger = partial(triggers_of, sounds=sounds, wait=True)
        for _ in OfflinePlayer(program, rate_hz, make_trigger).blocks(blocks * block):
            pass
        return _measured(OfflinePlayer(program, rate_hz, make_trigger), rate_hz, block, blocks)


def _measured(player: OfflinePlayer, rate_hz: int, block: int, blocks: int) -> Profile:
    graph, clock, quanta = player.graph, player.builder.clock, block // QUANTUM
    parts = np.array([_part(node, graph) for node in graph.order], np.int64)
    calls_ns: Times = np.zeros(len(parts), np.int64)
    blocks_ns: Times = np.zeros((blocks, len(PARTS)), np.int64)
    # Compiled here, not in the first block.
    run_timed(graph.image, clock, 0, calls_ns)
    reading_ns = clock_ns(READINGS) / READINGS
    for row in blocks_ns:
        began_ns = monotonic_ns()
        player.scheduler.advance(graph, int(clock[0]) + block)
        row[PATTERNS] = monotonic_ns() - began_ns
        took_ns = np.zeros_like(calls_ns)
        run_timed(graph.image, clock, quanta, took_ns)
        calls_ns += took_ns
        np.add.at(row, parts, took_ns)
    whole_ns, sound_ns = blocks_ns.sum(axis=1), blocks_ns[:, VOICE:].sum(axis=1)
    total_ns = int(whole_ns.sum())
    budget_ns = round(block * 1e9 / rate_hz)
    nodes = _nodes(graph, calls_ns, blocks * quanta, total_ns)
    return Profile(
        rate_hz=rate_hz,
        block=block,
        blocks=blocks,
        budget_ns=budget_ns,
        clock_ns=reading_ns,
        parts={name: _per_block(blocks_ns[:, part], total_ns) for part, name in enumerate(PARTS)},
        sound=_per_block(sound_ns, total_ns),
        whole=_per_block(whole_ns, total_ns),
        late_blocks=int((sound_ns > budget_ns).sum()),
        nodes=nodes,
        outputs=_outputs(nodes),
    )


def _part(node: Node, graph: Graph) -> int:
    if node is graph.mixer:
        return MIX
    return VOICE if node.unit in (VOICES, instances) else GRAPH


def _per_block(took_ns: Times, total_ns: int) -> PerBlock:
    ranks = np.percentile(took_ns, PERCENTILES, method="inverted_cdf")
    p50, p95, p99, most = (int(value) for value in ranks)
    return PerBlock(p50, p95, p99, most, float(took_ns.mean()), int(took_ns.sum()) / total_ns)


def _nodes(graph: Graph, calls_ns: Times, quanta: int, total_ns: int) -> list[NodeTime]:
    places = {id(node): place for place, node in graph.nodes.items()}
    found = [
        NodeTime(
            MADE_OF.sub("", places.get(id(node), node.unit.name)),
            node.unit.name,
            int(took_ns) / quanta,
            int(took_ns) / total_ns,
        )
        for node, took_ns in zip(graph.order, calls_ns, strict=True)
    ]
    return sorted(found, key=_width, reverse=True)


def _outputs(nodes: Sequence[NodeTime]) -> list[OutputTime]:
    of: dict[str, list[NodeTime]] = {}
    for node in nodes:
        of.setdefault(node.place.partition("/")[0], []).append(node)
    found = [
        OutputTime(name, sum(one.quantum_ns for one in ones), sum(one.share for one in ones))
        for name, ones in of.items()
    ]
    return sorted(found, key=_width, reverse=True)


def _width(one: NodeTime | OutputTime) -> float:
    return one.share
