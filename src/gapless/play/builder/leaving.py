"""What is gone from the program and still sounds: outputs that fade or ring out, and the nodes that they need.

In: the graph before, the wires of the new one. Out: what goes on. Invariants: nothing is cut: what has to make room is
faded first, the oldest before others, and runs until it is known to be silent; nodes run on only for somebody who hears
them. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from gapless.play.graph import Graph, Node, Output, Wire
from gapless.play.sound.mixer import MOST

Pair: TypeAlias = tuple[Wire, Wire]

GENERATIONS: Final = 12
"""Graphs whose outputs, or instruments, ring out at a time."""


def oldest_ringing(generations: Iterable[int]) -> int:
    """The oldest generation that may ring on, of those in which something left."""
    return min(sorted(set(generations), reverse=True)[:GENERATIONS], default=0)


def leaving_of(
    before: Graph | None,
    wires: Mapping[str, Pair],
    playing: Collection[str],
    *,
    generation: int,
    let_go: bool,
    panic: bool,
) -> dict[str, Output]:
    """Outputs of graphs before that have no heir with the same wires, and are not known to be silent yet.

    Args:
        before: the graph that sounds now.
        wires: of the new graph's outputs.
        playing: owners of voices that go on: an output that has some of them cannot ring out.
        generation: of the new graph.
        let_go: those that left before had their time.
        panic: nothing rings out.
    """
    if before is None:
        return {}
    leaving = {
        name: _faded(one, generation) if let_go else one
        for name, one in before.leaving.items()
        if not _is_silent(one, before.mixer)
    }
    for name, old in before.outputs.items():
        heir = wires.get(name)
        if heir is None or not same(heir, old.wires):
            gone = replace(old, left=generation, faded=generation)
            rings = heir is None and old.voices.isdisjoint(playing)
            leaving[f"{name} {old.slot}"] = gone if rings else replace(gone, plays=False)
    ringing = [one for one in leaving.values() if one.plays]
    oldest = oldest_ringing(one.left for one in ringing)
    # Of one generation those that were written first stay.
    newest = sorted(ringing, key=_left, reverse=True)[:MOST]
    kept = {one.slot for one in newest if one.left >= oldest and not panic}
    return {
        name: one if one.slot in kept else _faded(one, generation) for name, one in leaving.items()
    }


def retired_of(before: Graph | None, present: Sequence[Node], heard: Iterable[Wire]) -> list[Node]:
    """Nodes of the graph before that are not in the new one, but that something reads.

    Args:
        before: that graph.
        present: nodes of the new one.
        heard: wires that are heard besides.
    """
    if before is None:
        return []
    known = {id(node) for node in present}
    writers = {
        wire.ctypes.data: node
        for node in before.order
        if id(node) not in known
        for wire in node.channels
    }
    waiting = [*heard, *(wire for node in present for wire in node.all_reads())]
    retired: dict[int, Node] = {}
    while waiting:
        node = writers.get(waiting.pop().ctypes.data)
        if node is not None and id(node) not in retired:
            retired[id(node)] = node
            waiting += node.all_reads()
    return [node for node in before.order if id(node) in retired]


def same(some: Pair, others: Pair) -> bool:
    """Whether left and right are the same wires."""
    return some[0] is others[0] and some[1] is others[1]


def _faded(one: Output, generation: int) -> Output:
    return replace(one, plays=False, faded=generation) if one.plays else one


def _is_silent(one: Output, mixer: Node) -> bool:
    """Whether the mixer has been told to fade it, and has done so."""
    told = int(mixer.record["generation"][0]) >= one.faded
    return told and not one.plays and float(mixer.record["gain"][0, one.slot]) == 0.0


def _left(one: Output) -> int:
    return one.left
