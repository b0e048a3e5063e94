"""The speed and place of a MIDI clock that others send.

In: pulses, start, stop, continue, song position, each with the moment at which it came. Out: which beat it is at any
moment, and how fast beats go. Invariants: pulses come some milliseconds early or late, so a loop of the second order
goes through them: open at first, to learn the speed, then narrow. A speed out of bounds is not followed. Thread: one
at a time.

Source: F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005.
"""

from __future__ import annotations

import math
from typing import Final, final

from gapless.play.midi.message import (
    CLOCK,
    CONTINUE,
    PULSES_PER_BEAT,
    PULSES_PER_SIXTEENTH,
    SONG_POSITION,
    START,
    STOP,
    sixteenths_of,
)

LEAST_BPM: Final = 20.0
MOST_BPM: Final = 500.0
NS_PER_MINUTE: Final = 60e9
NARROW: Final = 0.05
"""Natural frequency of the loop, in radians a pulse: at 120 beats a minute 0.4 Hz."""
LOST_NS: Final = 500_000_000
"""Without a pulse for so long the clock has gone; it may come back."""
ENOUGH: Final = 6
"""Pulses, before the speed is believed."""


@final
class ExternalClock:
    """See above."""

    def __init__(self) -> None:
        self._count = 0
        """Pulses since it began to run; of these the next is the number."""
        self._known = 0
        """Pulses that the loop has seen."""
        self._last_ns = 0
        self._time_ns = 0.0
        """Of the last pulse, as the loop has it."""
        self._period_ns = 0.0
        self._song_position = 0
        """In pulses."""
        self.runs: bool | None = None
        """Whether it was started; None: neither started nor stopped so far."""
        self.starts = 0
        """How many times it was started or went on, and a pulse has come since."""
        self.started_at = 0
        """The pulse, from 0 at the begin of the song, from which on it went then."""
        self._starting = False

    def take(self, message: bytes, now_ns: int) -> None:
        """Take note of a message, of any kind."""
        kind = message[0]
        if kind == CLOCK:
            self._pulse(now_ns)
        elif kind == START:
            self._count = self._song_position = 0
            self._starting = True
        elif kind == CONTINUE:
            self._count = self._song_position
            self._starting = True
        elif kind == STOP:
            if self.runs:
                self._song_position = self._count
            self.runs, self._starting = False, False
        elif kind == SONG_POSITION and len(message) == 3:
            self._song_position = sixteenths_of(message) * PULSES_PER_SIXTEENTH

    def is_there(self, now_ns: int) -> bool:
        """Whether pulses come, and tell a speed."""
        return (
            self._known >= ENOUGH
            and now_ns - self._last_ns < LOST_NS
            and LEAST_BPM <= NS_PER_MINUTE / (self._period_ns * PULSES_PER_BEAT) <= MOST_BPM
        )

    def beats_per_second(self) -> float:
        """While it is there."""
        return 1e9 / (self._period_ns * PULSES_PER_BEAT)

    def beat_at(self, time_ns: int) -> float:
        """Which beat it is at a moment, from 0 at its start; while it runs and is there."""
        pulses = self._count - 1 + (time_ns - self._time_ns) / self._period_ns
        return pulses / PULSES_PER_BEAT

    def _pulse(self, now_ns: int) -> None:
        if self._starting:
            # The first pulse behind a start is beat 0.
            self.runs, self._starting = True, False
            self.started_at = self._count
            self.starts += 1
        self._count += 1
        if now_ns - self._last_ns >= LOST_NS:
            self._known = 0
        self._last_ns = now_ns
        self._known += 1
        if self._known == 1:
            self._time_ns = float(now_ns)
            return
        if self._known == 2:
            self._period_ns = max(now_ns - self._time_ns, 1.0)
            self._time_ns = float(now_ns)
            return
        error = now_ns - (self._time_ns + self._period_ns)
        omega = max(NARROW, 1.4 / self._known)
        self._time_ns += self._period_ns + min(math.sqrt(2) * omega, 1.0) * error
        self._period_ns = max(self._period_ns + omega * omega * error, 1.0)
