"""A performance that goes by a MIDI clock of another machine.

In: a clock. Out: the scheduler's speed, and its place. Invariants: small differences are made up for by the speed, by
at most a fifth, so that no event is left out or played twice; only where it is off by more than half a beat, as after
a start elsewhere, the time jumps. While the clock is stopped nothing begins. Thread: the one that calls ``steer``,
with the scheduler to itself.

A start is heard when it comes, so the first beat is late by the scheduler's lead; the speed makes up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, final

from gapless.play.midi.message import PULSES_PER_BEAT
from gapless.play.midi.tempo import ExternalClock
from gapless.play.schedule import Scheduler

CATCH_UP_S: Final = 0.3
"""In which a difference would be made up for."""
MOST_SHARE: Final = 0.2
"""Of the speed that is added or taken away."""
JUMP_BEATS: Final = 0.5
LEAST_CHANGE: Final = 1e-4
"""Share of the speed; less is not worth asking the patterns again."""
STEPS: Final = 1 << 24
"""Of speeds and places: their fractions must not grow."""
STILL: Final = Fraction(1, 1 << 40)
"""Cycles a second: a day of it is no event."""
ASIDE: Final = Fraction(1, STEPS)
"""Cycles by which it stops behind what begins there, which would last for ever."""


@final
class Follower:
    """See above.

    Args:
        clock: of the other machine.
        beats_per_cycle: above 0.
    """

    def __init__(self, clock: ExternalClock, beats_per_cycle: Fraction) -> None:
        self._clock = clock
        self._beats = beats_per_cycle
        self._starts = 0
        """Of the clock, that were followed."""

    def steer(
        self, scheduler: Scheduler, now_ns: int, time_ns_of: Callable[[int], int], own: Fraction
    ) -> None:
        """Set the speed and the place.

        Args:
            scheduler: nobody else may use it meanwhile.
            now_ns: the time.
            time_ns_of: when a sample is to be heard by that clock.
            own: cycles per second that the program says.
        """
        clock = self._clock
        if clock.runs is False:
            self._stop(scheduler)
            return
        if clock.starts != self._starts:
            self._starts = clock.starts
            self._go_on(scheduler, own)
        if not clock.is_there(now_ns):
            if scheduler.cps < own / 1000:
                _set_cps(scheduler, own)
            return
        cps = clock.beats_per_second() / float(self._beats)
        if clock.runs:
            heard_ns = time_ns_of(scheduler.posted)
            wanted = clock.beat_at(heard_ns) / float(self._beats)
            off = wanted - float(scheduler.cycle_at(scheduler.posted))
            if abs(off) * self._beats > JUMP_BEATS:
                scheduler.set_cycle(_rounded(wanted))
                off = 0.0
            most = MOST_SHARE * cps
            cps += min(max(off / CATCH_UP_S, -most), most)
        if abs(cps - float(scheduler.cps)) > LEAST_CHANGE * cps:
            _set_cps(scheduler, _rounded(cps))

    def _stop(self, scheduler: Scheduler) -> None:
        if scheduler.cps != STILL:
            scheduler.set_cycle(scheduler.cycle_at(scheduler.posted) + ASIDE)
            scheduler.set_cps(STILL)

    def _go_on(self, scheduler: Scheduler, own: Fraction) -> None:
        """From the very beat, so that what begins there is not left out."""
        clock = self._clock
        if scheduler.cps < own / 1000:
            _set_cps(scheduler, own)
        begin = Fraction(clock.started_at, PULSES_PER_BEAT) / self._beats
        scheduler.set_cycle(begin)


def _set_cps(scheduler: Scheduler, cps: Fraction) -> None:
    if scheduler.cps != cps:
        scheduler.set_cps(cps)


def _rounded(number: float) -> Fraction:
    return Fraction(round(number * STEPS), STEPS)
