"""A program as a graph of units.

In: a program, a catalogue of units, the graph that sounds now. Out: a graph. Invariants: a node that has the same place
and unit as one of the graph before is that one, with its state; what must change in such a node is a **patch**, put in
between two quanta by whoever runs it, for it may be sounding. Nothing is cut: what a node reads changes by a fade,
outputs that go are faded or ring out, and an instrument that is another one now leaves its voices where they were. No
sound is made here. Thread: the scheduler's.

Each room knows those above it only: ``patches``, ``nodes``, ``beginnings``, ``calls``, ``instruments``, ``voices``,
``signals``; and ``leaving`` and ``outputs``, which say where in the mixer things are heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import numpy as np

from gapless.errors import ConfigError
from gapless.play.builder.beginnings import Beginnings
from gapless.play.builder.calls import Calls
from gapless.play.builder.instruments import Ringing
from gapless.play.builder.leaving import leaving_of, oldest_ringing, retired_of
from gapless.play.builder.nodes import Nodes
from gapless.play.builder.outputs import place_outputs
from gapless.play.builder.signals import Signals
from gapless.play.graph import Graph
from gapless.play.order import in_order
from gapless.play.program import Program
from gapless.play.sound.image import image_of
from gapless.play.sound.instances import MOST as MOST_COPIES
from gapless.play.sound.mixer import MOST, mix
from gapless.play.sound.unit import Unit


@final
class Builder:
    """Builds graphs, one after the other, that share what stays the same.

    Args:
        units: the catalogue.
        bank: the unit that plays triggers.
        rate_hz: of the samples.
        polyphony: copies of a bus that is an instrument.

    Raises:
        ConfigError: ``polyphony`` is out of bounds.
    """

    def __init__(
        self, units: Mapping[str, Unit], bank: Unit, rate_hz: float, polyphony: int = 32
    ) -> None:
        if not 1 <= polyphony <= MOST_COPIES:
            raise ConfigError(
                f"polyphony = {polyphony} must be from 1 to {MOST_COPIES}", param="polyphony"
            )
        self.units: Final = units
        self.bank: Final = bank
        self.rate_hz: Final = rate_hz
        self.polyphony: Final = polyphony
        self.clock: Final = np.zeros(1, np.int64)

    def build(
        self,
        program: Program,
        before: Graph | None = None,
        *,
        let_go: bool = False,
        panic: bool = False,
    ) -> Graph:
        """The graph of a program.

        Args:
            program: what shall sound.
            before: the graph that sounds now. Outputs that are not in the program any more fade out, and their
                voices ring out; where an output's last unit is another one, the two are crossfaded.
            let_go: those that were leaving already had their time: what still sounds of them is faded.
            panic: nothing of the graph before goes on; it is faded out.

        Raises:
            ConfigError: more outputs or effects than there is room for, or a unit that is not in the catalogue.
        """
        if len(program.outputs) > MOST:
            raise ConfigError(f"{len(program.outputs)} outputs are too many; at most {MOST} fit")
        generation = before.generation + 1 if before else 0
        rang = _rang(before, let_go=let_go, panic=panic)
        old = before.nodes if before else {}
        if panic:
            # The mixer is what everything is heard through.
            old = {"mix": old["mix"]} if old else {}
        old = {**{place: node for place, (node, _) in rang.items()}, **old}
        nodes = Nodes(before, old, self.rate_hz, self.clock)
        beginnings = Beginnings(self.units, program.buses)
        calls = Calls(nodes, self.units, beginnings, fades=before is not None)
        signals = Signals(
            nodes,
            calls,
            beginnings,
            program,
            bank=self.bank,
            polyphony=self.polyphony,
            rang=rang,
            generation=generation,
        )
        try:
            wires = {}
            for name in program.outputs:
                channels = signals.output(name)
                wires[name] = (channels[0], channels[-1])
            mixer = nodes.node("mix", mix)
            voices = {name: signals.voices_in(name) for name in wires}
            leaving = leaving_of(
                before,
                wires,
                frozenset().union(*voices.values()),
                generation=generation,
                let_go=let_go,
                panic=panic,
            )
            outputs = place_outputs(
                program,
                wires,
                voices,
                old=before.outputs if before else {},
                leaving=leaving,
                unfaded=frozenset(
                    name for name, pair in wires.items() if not before or beginnings.has(*pair)
                ),
                mixer=mixer,
                patches=nodes.patches,
            )
            # The last of all, so that whoever sees it knows that all is in.
            nodes.patches.put(mixer, "generation", 0, generation)
            heard = [wire for one in leaving.values() for wire in one.wires]
            retired = retired_of(before, [*nodes.order, mixer], heard)
            order = [*in_order([*nodes.order, *retired]), mixer]
        except BaseException:
            nodes.patches.undo()
            raise
        return Graph(
            generation=generation,
            image=image_of([node.call for node in order]),
            order=order,
            nodes=nodes.placed,
            voices=signals.voices(),
            steps=signals.steps(),
            outputs=outputs,
            mixer=mixer,
            patches=nodes.patches.words(),
            constants=nodes.constants,
            leaving=leaving,
            ringing=signals.instruments.ringing,
            retired=retired,
            kept=tuple((node, node.reads, node.inner, node.controls, node.calls) for node in order),
        )


def _rang(before: Graph | None, *, let_go: bool, panic: bool) -> Ringing:
    """Instruments of graphs before that may ring on; the others go by a fade, as all that a sum reads."""
    if before is None or let_go or panic:
        return {}
    oldest = oldest_ringing(left for _, left in before.ringing.values())
    return {place: one for place, one in before.ringing.items() if one[1] >= oldest}
