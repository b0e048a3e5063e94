"""One copy of a bus that is an instrument, in the making.

In: nothing. Out: nothing; what those that make copies hand to each other. Invariants: what is no unit is made once for
all copies. Thread: the scheduler's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gapless.play.graph import Channels, Node, Wire
from gapless.play.program import Signal

SET_OFF: Final = ("trig", "gate")
"""Inputs that a copy's voice sets off, unless they are said."""
INSTRUMENT: Final = " = "
"""Of a place, between an instrument's name and what it is made of."""
COPY: Final = re.compile(r"#\d+")
"""Of a place, which of the copies it is in."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Where a signal is made for one voice."""

    ratio: Wire
    gate: Wire
    nodes: dict[str, Node]
    """By place, in the order of their calls."""
    old: Mapping[str, Node]
    """Those of the graph before."""
    shared: dict[str, Channels]
    """What is made once for all copies, by its place in the bus."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A signal that is there already."""

    channels: Channels


class Make(Protocol):
    """Makes nodes of a signal: ``Signals.make``, for those whose signals have signals within."""

    def __call__(self, signal: Signal | Wired, place: str, within: Copy | None = None) -> Channels:
        """Its wires."""
        ...
