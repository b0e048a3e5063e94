"""Patterns that start voices: banks, instruments and the effects that some events go through.

In: what a pattern plays. Out: wires, and where its triggers go. Invariants: for each choice of effects there is a bank,
and behind it that chain. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final, final

from gapless.errors import ConfigError
from gapless.play.builder.beginnings import Beginnings
from gapless.play.builder.calls import Calls
from gapless.play.builder.copies import Make, Wired
from gapless.play.builder.instruments import Instruments
from gapless.play.builder.nodes import Nodes
from gapless.play.graph import Channels, Node, Voices
from gapless.play.instruments import instruments_of
from gapless.play.program import MOST_EFFECTS, Played, Program
from gapless.play.sound.unit import Unit


@final
class VoicesOf:
    """The voices of one graph.

    Args:
        nodes: of it.
        calls: the same.
        instruments: the same.
        program: what shall sound.
        make: makes a signal.
        bank: the unit that plays triggers.
        beginnings: is told of new voices.
    """

    def __init__(
        self,
        nodes: Nodes,
        calls: Calls,
        instruments: Instruments,
        program: Program,
        make: Make,
        *,
        bank: Unit,
        beginnings: Beginnings,
    ) -> None:
        self.feeds: Final[list[Voices]] = []
        """With their owner as their output."""
        self._nodes = nodes
        self._calls = calls
        self._instruments = instruments
        self._program = program
        self._make = make
        self._bank = bank
        self._beginnings = beginnings

    def make(self, played: Played, place: str, owner: str) -> Channels:
        """What is heard of a pattern, left and right."""
        banks: dict[tuple[int, ...], Node] = {}
        instruments: dict[tuple[str, tuple[int, ...]], Node] = {}
        heard: list[Channels] = []
        names = instruments_of(
            played.pattern, self._calls.units, self._program.buses, self._program.words
        )
        for effects in _choices(played):
            chosen = f"{place}{list(effects)}" if effects else place
            banks[effects] = self._nodes.node(f"{chosen}/bank", self._bank)
            self._nodes.call(banks[effects])
            sources = [banks[effects]]
            for name in names:
                instruments[name, effects] = self._instruments.node(name, chosen)
                sources.append(instruments[name, effects])
            for node in sources:
                if not self._nodes.patches.sounds(node):
                    self._beginnings.add(node)
            sources += self._instruments.still_ringing(chosen)
            signal: Any = Wired(self._calls.sum([one.channels for one in sources], f"{chosen}/sum"))
            for number in effects:
                signal = played.effects[number].apply(signal)
            heard.append(self._make(signal, f"{chosen}/fx"))
        self.feeds.append(Voices(owner, played.pattern, banks, instruments))
        return self._calls.sum(heard, f"{place}/all")


def _choices(played: Played) -> Iterator[tuple[int, ...]]:
    count = len(played.effects)
    if count > MOST_EFFECTS:
        raise ConfigError(
            f"a pattern with {count} effects inside transforms is too much; use {MOST_EFFECTS} at most, "
            "or put some behind it with #"
        )
    for size in range(count + 1):
        yield from combinations(range(count), size)
