"""A MIDI clock that says where a performance is: 24 pulses a beat, start, stop, continue, song position.

In: again and again, up to which sample the patterns have been asked, and what the time is there. Out: messages, each
with its sample. Invariants: pulses lie where the cycles do, also while the speed changes; after a jump of the time the
receiver is told to stop, where it is, and to continue at the next sixteenth. Pulses go on while nothing plays, so that
receivers know the speed. Thread: one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple, final

from gapless.play.midi.message import (
    CLOCK,
    CONTINUE,
    MOST_SIXTEENTHS,
    PULSES_PER_BEAT,
    PULSES_PER_SIXTEENTH,
    START,
    STOP,
    song_position,
)
from gapless.play.midi.outbox import Due

MOST_PULSES: Final = 1000
"""Between two looks; what is more is left out."""


class Now(NamedTuple):
    """How the time goes."""

    sample: int
    """Up to which all has been asked."""
    cycle: Fraction
    """There."""
    cps: Fraction
    """From there on."""
    plays: bool
    """Whether there is anything that could be heard."""


@final
class Pulses:
    """See above.

    Args:
        rate_hz: of the samples.
        beats_per_cycle: above 0.
    """

    def __init__(self, rate_hz: int, beats_per_cycle: Fraction) -> None:
        self._rate_hz = rate_hz
        self._per_cycle = PULSES_PER_BEAT * beats_per_cycle
        self._before: Now | None = None
        self.runs = False
        """What receivers were told."""
        self._goes_on_at: int | None = None
        """The pulse with which they shall continue."""

    def look(self, now: Now) -> Iterator[Due]:
        """What to send for the time since the last look."""
        before, self._before = self._before, now
        if before is None or now.sample <= before.sample:
            self._before = now if before is None else before
            return
        jumped = self._has_jumped(before, now)
        if self.runs and (jumped or not now.plays):
            yield Due(before.sample, bytes((STOP,)))
            self.runs, self._goes_on_at = False, None
        begin = self._begin(before, now, jumped=jumped)
        if now.plays and not self.runs and (jumped or self._goes_on_at is None):
            yield from self._place(before.sample, begin)
        length = now.cycle - begin
        if length <= 0:
            return
        first = math.ceil(begin * self._per_cycle)
        last = math.ceil(now.cycle * self._per_cycle)
        for pulse in range(first, min(last, first + MOST_PULSES)):
            back = (now.cycle - pulse / self._per_cycle) / length
            reach = now.sample - self._sample_of(before, now, begin)
            at = now.sample - math.floor(back * reach + Fraction(1, 2))
            if pulse == self._goes_on_at:
                yield Due(at, bytes((CONTINUE if pulse else START,)))
                self.runs, self._goes_on_at = True, None
            yield Due(at, bytes((CLOCK,)))

    def _place(self, at: int, begin: Fraction) -> Iterator[Due]:
        """Say where to go on."""
        sixteenth = max(math.ceil(begin * self._per_cycle / PULSES_PER_SIXTEENTH), 0)
        self._goes_on_at = sixteenth * PULSES_PER_SIXTEENTH
        if sixteenth:
            yield Due(at, song_position(sixteenth % MOST_SIXTEENTHS))

    def _has_jumped(self, before: Now, now: Now) -> bool:
        """Whether neither the old speed nor the new one explains where it is."""
        seconds = Fraction(now.sample - before.sample, self._rate_hz)
        slow, fast = sorted((before.cps, now.cps))
        slack = Fraction(1, 1000) / self._per_cycle
        return not slow * seconds - slack <= now.cycle - before.cycle <= fast * seconds + slack

    def _begin(self, before: Now, now: Now, *, jumped: bool) -> Fraction:
        """The cycle from which pulses have not been sent."""
        if not jumped:
            return before.cycle
        # It jumped between the two; from there on it went at the new speed.
        most = Fraction(now.sample - before.sample, self._rate_hz) * now.cps
        begin = now.cycle - most
        return max(begin, Fraction(0)) if now.cycle >= 0 else begin

    def _sample_of(self, before: Now, now: Now, begin: Fraction) -> int:
        if begin == before.cycle:
            return before.sample
        seconds = (now.cycle - begin) / now.cps
        return max(now.sample - math.floor(seconds * self._rate_hz + Fraction(1, 2)), before.sample)
