"""Places in the mixer: for the outputs of a program, and for those that leave.

In: wires of outputs. Out: their places. Invariants: an output whose wires are the same keeps its place; another one
begins with a fade, unless it begins by itself. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gapless.errors import ConfigError
from gapless.play.builder.leaving import Pair, same
from gapless.play.builder.patches import Patches
from gapless.play.graph import Node, Output
from gapless.play.program import OutMix, Program
from gapless.play.sound.mixer import GAIN, HARD, NONE, PLACES, SQRT, TANH

WAYS: Final[Mapping[OutMix, int]] = {
    "none": NONE,
    "gain": GAIN,
    "sqrt": SQRT,
    "tanh": TANH,
    "hard": HARD,
}


def place_outputs(
    program: Program,
    wires: Mapping[str, Pair],
    voices: Mapping[str, frozenset[str]],
    *,
    old: Mapping[str, Output],
    leaving: Mapping[str, Output],
    unfaded: frozenset[str],
    mixer: Node,
    patches: Patches,
) -> dict[str, Output]:
    """Give each output a place: its old one if its wires are the same, else one that is free.

    Args:
        program: whose outputs.
        wires: of them.
        voices: owners of those that are heard in each.
        old: outputs of the graph before.
        leaving: whose places are taken.
        unfaded: those that may begin as loud as they will be.
        mixer: that is told.
        patches: by which it is.

    Raises:
        ConfigError: there are not so many places.
    """
    staying = {
        name: old[name].slot
        for name, pair in wires.items()
        if name in old and same(old[name].wires, pair)
    }
    taken = {one.slot for one in leaving.values()} | set(staying.values())
    free = [slot for slot in range(PLACES) if slot not in taken]
    if len(free) < len(wires) - len(staying):
        raise ConfigError(
            f"{PLACES} outputs that come and go at a time are the most; "
            "wait a moment until old ones have faded"
        )
    outputs = {}
    for name, pair in wires.items():
        wanted = 0.0 if name in program.hushed else 1.0
        slot = staying.get(name)
        if slot is None:
            slot = free.pop(0)
            patches.put(mixer, "gain", slot, wanted if name in unfaded else 0.0)
        patches.put(mixer, "left", slot, pair[0].ctypes.data)
        patches.put(mixer, "right", slot, pair[1].ctypes.data)
        patches.put(mixer, "wanted", slot, wanted)
        # What is hushed does not ring out.
        outputs[name] = Output(slot, pair, wanted > 0 and bool(voices[name]), voices[name])
    for slot in free:
        patches.put(mixer, "left", slot, 0)
    if outputs:
        # Where there are none, the old ones go as they were.
        patches.put(mixer, "way", 0, WAYS[program.outmix])
        patches.put(mixer, "count", 0, len(outputs))
    for one in leaving.values():
        patches.put(mixer, "wanted", one.slot, 1.0 if one.plays else 0.0)
    return outputs
