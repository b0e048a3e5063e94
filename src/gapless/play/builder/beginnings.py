"""What begins by itself: signals on which nothing has sounded yet, and that are silent until something in them starts.

In: units, wires, signals. Out: whether. Invariants: a fade at the begin of what begins by itself would take its first
attack, and is not needed; all else (an oscillator, whatever sounds already) would begin with a step. Thread: the
scheduler's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, final

from gapless.play.graph import Node, Wire
from gapless.play.program import Bus, Made, Number, Played, Signal
from gapless.play.sound.unit import Unit

STARTS: Final = frozenset(
    {"adsr", "asr", "ar", "ad", "env", "superkick", "supersnare", "superhat", "pluck"}
)
"""Units that start from silence when they are new, whatever they read."""
MOVES: Final = frozenset({"range"})
"""Effects that make something of silence."""


@final
class Beginnings:
    """Of one graph.

    Args:
        units: the catalogue.
        buses: of the program.
    """

    def __init__(self, units: Mapping[str, Unit], buses: Mapping[str, Signal]) -> None:
        self._units = units
        self._buses = buses
        self._wires: set[int] = set()
        """By identity; the nodes that write them are kept by the graph."""
        self._by_bus: dict[str, bool] = {}

    def add(self, node: Node) -> None:
        """What a new node writes begins by itself."""
        self._wires |= {id(wire) for wire in node.channels}

    def remove(self, node: Node) -> None:
        """It turned out that it does not."""
        self._wires -= {id(wire) for wire in node.channels}

    def has(self, *wires: Wire) -> bool:
        """Whether all of them begin by themselves."""
        return all(id(wire) in self._wires for wire in wires)

    def after(self, unit: Unit, wires: Sequence[Wire]) -> bool:
        """Whether what a new unit makes of wires begins by itself."""
        return _silent(unit, [self.has(wire) for wire in wires])

    def bus(self, name: str) -> bool:
        """Whether a bus whose nodes are new does; for those who read it while it is being made."""
        if name not in self._by_bus:
            # Where it reads itself, it is as silent as the rest of it.
            self._by_bus[name] = True
            self._by_bus[name] = name in self._buses and self._signal(self._buses[name])
        return self._by_bus[name]

    def _signal(self, signal: Signal) -> bool:
        match signal:
            case Played():
                return True
            case Number():
                return signal.value == 0
            case Bus():
                return self.bus(signal.name)
            case Made() if signal.unit in self._units:
                inputs = [self._signal(one) for one in signal.inputs]
                unit = self._units[signal.unit]
                names = [one.name for one in unit.inputs]
                if "in2" in names:
                    inputs[names.index("in2")] = inputs[0]
                return _silent(unit, inputs)
            case _:
                return False


def _silent(unit: Unit, inputs: Sequence[bool]) -> bool:
    """Whether a unit is silent at first, by which of its inputs are."""
    if unit.name in STARTS:
        return True
    if unit.name == "mul":
        return any(inputs)
    if unit.name in {"add", "sub"}:
        return all(inputs)
    if unit.name == "div":
        return inputs[0]
    sounds = [one for one, of in zip(inputs, unit.inputs, strict=True) if of.name in {"in", "in2"}]
    return unit.is_effect and unit.name not in MOVES and all(sounds)
