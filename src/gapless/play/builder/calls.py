"""Calls of units of the catalogue, at places of a graph.

In: a unit, a place, wires. Out: wires. Invariants: what sounds already comes to a new effect by a fade. Thread: the
scheduler's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, final

from gapless.errors import ConfigError
from gapless.play.builder.beginnings import Beginnings
from gapless.play.builder.copies import Copy
from gapless.play.builder.nodes import Nodes
from gapless.play.graph import Channels, Wire
from gapless.play.sound.mixer import fade_in
from gapless.play.sound.unit import Unit


@final
class Calls:
    """Of one graph.

    Args:
        nodes: of it.
        units: the catalogue.
        beginnings: what begins by itself.
        fades: something may sound already.
    """

    def __init__(
        self, nodes: Nodes, units: Mapping[str, Unit], beginnings: Beginnings, *, fades: bool
    ) -> None:
        self.units: Final = units
        self._nodes = nodes
        self._beginnings = beginnings
        self._fades = fades

    def unit(self, name: str) -> Unit:
        """One of the catalogue.

        Raises:
            ConfigError: there is none of that name.
        """
        try:
            return self.units[name]
        except KeyError:
            raise ConfigError(f"there is no unit called {name!r} in this catalogue") from None

    def call(
        self, unit: Unit, place: str, wires: Sequence[Wire], within: Copy | None = None
    ) -> Channels:
        """What a unit makes of wires."""
        nodes = self._nodes
        if within is not None:
            node = within.old.get(place) or nodes.make(unit)
            nodes.read(node, wires)
            within.nodes[place] = node
            return node.channels
        is_new = nodes.is_new(place, unit)
        by_itself = is_new and self._beginnings.after(unit, wires)
        if unit.is_effect and self._fades and is_new and not by_itself:
            wires = self._faded_in(unit, place, wires)
        node = nodes.node(place, unit)
        if by_itself:
            self._beginnings.add(node)
        nodes.read(node, wires)
        nodes.call(node)
        return node.channels

    def sum(self, parts: Sequence[Channels], place: str) -> Channels:
        """All of them together, left and right."""
        total = parts[0]
        for number, part in enumerate(parts[1:]):
            total = tuple(
                self.call(self.unit("add"), f"{place}/{number}/{side}", [total[end], part[end]])[0]
                for side, end in (("left", 0), ("right", -1))
            )
        return total if len(total) > 1 else (total[0], total[0])

    def _faded_in(self, unit: Unit, place: str, wires: Sequence[Wire]) -> list[Wire]:
        """What sounds already comes to a new effect by a fade: echoes would repeat the step for long."""
        faded = list(wires)
        for number, one in enumerate(unit.inputs):
            if one.name == "in2" and wires[number] is wires[0]:
                faded[number] = faded[0]
            elif one.name in {"in", "in2"}:
                # By the unit: one of another that was here before is at its end already.
                node = self._nodes.node(f"{place}/{unit.name} fade{number}", fade_in)
                self._nodes.read(node, [wires[number]])
                self._nodes.call(node)
                faded[number] = node.channels[0]
        return faded

    def middle(self, channels: Channels, place: str, within: Copy | None = None) -> Wire:
        """Both sides as one: their mean."""
        if len(channels) == 1 or channels[0] is channels[1]:
            return channels[0]
        both = self.call(self.unit("add"), f"{place}/both", channels, within)
        half = [both[0], self._nodes.constant(0.5)]
        return self.call(self.unit("mul"), f"{place}/middle", half, within)[0]
