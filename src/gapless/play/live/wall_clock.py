"""At which moment of the machine's clock a sample of a performance lies, and the other way round.

In: how far the performance was, looked at again and again. Out: nanoseconds of ``time.monotonic_ns``. Invariants: a
device takes whole blocks, so what is seen is late by anything up to a block, but never early: of each quarter of a
second the earliest sight counts, and a loop of the second order goes through these, so that there are no steps in
between and a difference of the two clocks leaves no error. What is farther off than ``JUMP_NS`` is no jitter: the sound
stopped for a while, or a buffer was filled, and it is followed at once. Thread: one that calls ``saw``; the others any.

What is seen is when samples are computed. They are heard a constant time later, which is what the device holds back.

Source: F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Self, final

NS_PER_S: Final = 1_000_000_000
WINDOW_S: Final = 0.25
"""Of which the earliest sight counts."""
BANDWIDTH_HZ: Final = 0.15
"""Of the loop."""
JUMP_NS: Final = 8_000_000
MOST_DRIFT: Final = 5e-4
"""Share by which the two clocks differ at most; crystals stay within 200 ppm."""
LOOK_S: Final = 0.0017
"""Between two sights; no whole share of the usual blocks, so that the sights wander through them."""


class _Line(NamedTuple):
    """What the map is at the moment: straight."""

    sample: int
    time_ns: int
    """Of that sample."""
    ns_per_sample: float


@final
class WallClock:
    """Maps samples to time.

    Args:
        rate_hz: of the samples.
        position: samples so far.
        now_ns: when that was; None: now.
        heard_after_ns: from when a sample is computed to when it is heard.
    """

    def __init__(
        self,
        rate_hz: int,
        position: int = 0,
        now_ns: int | None = None,
        heard_after_ns: int = 0,
    ) -> None:
        self._heard_after_ns = heard_after_ns
        self._nominal = NS_PER_S / rate_hz
        self._window_samples = round(WINDOW_S * rate_hz)
        now_ns = time.monotonic_ns() if now_ns is None else now_ns
        # One object, so that other threads see all of it or nothing.
        self._line = _Line(position, now_ns, self._nominal)
        self._seen = position
        self._begin = position
        self._best: tuple[int, int, int] | None = None
        """Of this window: error in ns, sample, time."""
        self._settling = True
        self.jumps = 0
        """How many times the sound stood still or ran ahead."""

    def saw(self, position: int, now_ns: int) -> None:
        """Take note of how far it was.

        Args:
            position: samples so far.
            now_ns: when they were read, of ``time.monotonic_ns``.
        """
        if position <= self._seen:
            # Between two blocks nothing is learned.
            return
        self._seen = position
        error = now_ns - self._computed_ns(position)
        if error < -JUMP_NS:
            if not self._settling:
                self.jumps += 1
            self._restart(position, now_ns)
            return
        if self._settling and error < 0:
            self._line = _Line(position, now_ns, self._line.ns_per_sample)
            error = 0
            self._best = None
        if self._best is None or error < self._best[0]:
            self._best = (error, position, now_ns)
        if position - self._begin >= self._window_samples:
            self._turn(position)

    def time_ns_of(self, sample: int) -> int:
        """When a sample was heard, or will be."""
        return self._computed_ns(sample) + self._heard_after_ns

    def sample_at(self, time_ns: int) -> int:
        """The sample that is heard at a moment, the nearest one."""
        return self.computed_at(time_ns - self._heard_after_ns)

    def computed_at(self, time_ns: int) -> int:
        """The sample that is computed at a moment: up to a block later its place is still to be filled."""
        line = self._line
        return line.sample + round((time_ns - line.time_ns) / line.ns_per_sample)

    def _computed_ns(self, sample: int) -> int:
        line = self._line
        return line.time_ns + round((sample - line.sample) * line.ns_per_sample)

    def _restart(self, position: int, now_ns: int) -> None:
        self._line = _Line(position, now_ns, self._line.ns_per_sample)
        self._begin, self._best, self._settling = position, None, True

    def _turn(self, position: int) -> None:
        """Put the best sight of a window into the line."""
        if self._best is None:
            self._begin = position
            return
        error, sample, seen_ns = self._best
        if error > JUMP_NS:
            self.jumps += 1
            self._restart(sample, seen_ns)
            return
        line = self._line
        steps = max((sample - line.sample) / self._window_samples, 1.0)
        omega = min(2 * math.pi * BANDWIDTH_HZ * WINDOW_S * steps, 0.5)
        at_ns = self._computed_ns(sample) + round(math.sqrt(2) * omega * error)
        slope = line.ns_per_sample + omega * omega * error / (self._window_samples * steps)
        bound = self._nominal * MOST_DRIFT
        slope = min(max(slope, self._nominal - bound), self._nominal + bound)
        self._line = _Line(sample, at_ns, slope)
        self._begin, self._best, self._settling = position, None, False


@final
class WallClockThread:
    """A wall clock that looks by itself. Use it as a context manager.

    Args:
        rate_hz: of the samples.
        position: tells how many there were so far.
        heard_after_ns: from when a sample is computed to when it is heard.
    """

    def __init__(self, rate_hz: int, position: Callable[[], int], heard_after_ns: int = 0) -> None:
        self._position = position
        self.clock: Final = WallClock(rate_hz, position(), heard_after_ns=heard_after_ns)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gapless-wall-clock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            position = self._position()
            self.clock.saw(position, time.monotonic_ns())
