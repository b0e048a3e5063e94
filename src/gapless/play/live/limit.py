"""A program that ends: the same, with nothing that begins after a certain time.

In: a program, a time in cycles. Out: a program. Invariants: what begins before sounds as it did, to its end; a player
that plays the one goes on with the other without a change, for only patterns of voices differ. Thread: any (pure).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final, final

from gapless.play.pattern import Event, Pattern
from gapless.play.program import Controls, Made, Played, Program, Signal


def first_cycle(program: Program) -> Fraction:
    """Where a program begins that is taken up out of silence."""
    cycle = Fraction(0)
    for order in program.transport:
        match order.what:
            case "resetCycles":
                cycle = Fraction(0)
            case "setCycle":
                cycle = order.cycles
            case "nudge":
                cycle += order.cycles
            case "panic":
                pass
    return cycle


def limited(program: Program, end: Fraction) -> Program:
    """The same without the voices that begin at ``end``, in cycles, or later, and without what moves the time."""
    limit = _Limit(end)
    return replace(
        program,
        outputs={name: limit.signal(signal) for name, signal in program.outputs.items()},
        buses={name: limit.signal(signal) for name, signal in program.buses.items()},
        transport=(),
    )


@final
class _Limit:
    """Signals, each once: what is one object stays one."""

    def __init__(self, end: Fraction) -> None:
        self._end: Final = end
        self._done: Final[dict[int, Signal]] = {}

    def signal(self, signal: Signal) -> Signal:
        """The same, that ends."""
        if id(signal) not in self._done:
            self._done[id(signal)] = self._limited(signal)
        return self._done[id(signal)]

    def _limited(self, signal: Signal) -> Signal:
        match signal:
            case Made():
                return replace(signal, inputs=tuple(map(self.signal, signal.inputs)))
            case Played():
                return replace(signal, pattern=_ending(signal.pattern, self._end))
            case _:
                return signal


def _ending(pattern: Pattern[Controls], end: Fraction) -> Pattern[Controls]:
    return pattern.keep(partial(_begins_before, end))


def _begins_before(end: Fraction, event: Event[Controls]) -> bool:
    return (event.part if event.whole is None else event.whole).begin < end
