"""What makes a wave's jumps and corners band-limited: the difference between a sharp jump and a smooth one.

In: where a jump lies between two samples. Out: sixteen numbers, added to the samples around it. Invariants: at 44.1 kHz
and above no harmonic that is folded back comes to -60 dB of the fundamental, for fundamentals up to 5 kHz. Thread: any.

The smooth jump is the integral of a low-pass filter's impulse response, the smooth corner the integral of that.
Source: E. Brandt, "Hard Sync Without Aliasing", ICMC 2001; T. Stilson and J. Smith, "Alias-Free Digital Synthesis of
Classic Analog Waveforms", ICMC 1996.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.vector import LANES, fused, load, splat, store
from gapless.play.sound.unit import QUANTUM
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]

REACH: Final = LANES // 2
"""Samples before a jump, and after it, that are changed."""
PARTS: Final = 128
"""Of a sample, for each of which there is a row; between rows it is a straight line: -102 dB."""
TABLE: Final = (PARTS + 1) * LANES
PERIOD: Final = 1 << 32
"""Units of phase."""

CUTOFF: Final = 0.42
"""Of the filter, in sampling rates. -0.7 dB at three quarters of the band."""
WINDOW: Final = 5.0
"""Kaiser's beta. Folded harmonics of 5 kHz come to -76 dB at 44.1 kHz and -68 dB at 48 kHz."""
FINENESS: Final = 16
"""Steps of the integration in a part."""


def make_tables() -> tuple[Floats, Floats]:
    """The differences of jumps and of corners of height 1: float32 [(PARTS + 1) * 16] each.

    Row ``n`` is for a jump ``n / PARTS`` samples before the first sample behind it, which is lane 8.
    """
    per_sample = PARTS * FINENESS
    time = np.arange(-REACH * per_sample, REACH * per_sample + 1) / per_sample
    response = np.sinc(2 * CUTOFF * time) * np.kaiser(len(time), WINDOW)
    smooth = _integral(response)
    jump = smooth / smooth[-1] - (time >= 0)
    # At 0 the sharp jump is half done; both sides are needed, for the lanes before it and behind it.
    middle = len(time) // 2
    sharp = np.where(np.arange(len(time)) == middle, 0.5, time > 0)
    corner = _integral(smooth / smooth[-1] - sharp) / per_sample
    lane, part = np.arange(LANES), np.arange(PARTS + 1)
    place = lane * per_sample + part[:, None] * FINENESS
    jumps = jump[place]
    # Lane 7 at its part's end lies just before the jump, where nothing has jumped yet.
    jumps[-1, REACH - 1] += 1
    return jumps.astype(np.float32).ravel(), corner[place].astype(np.float32).ravel()


def _integral(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2)])


@zone
def add_jumps(  # noqa: PLR0917  compiled code takes its arguments by position
    row: Floats,
    at: int,
    table: Floats,
    phase: int,
    step: int,
    turn: float,
    where: int,
    height: float,
) -> None:
    """Correct all jumps of a row.

    Args:
        row: in which ``row[at]`` is the quantum's first sample; 16 before and after are touched.
        at: see there.
        table: of jumps or corners.
        phase: of the first sample, in 2^-32 of a period.
        step: of the phase.
        turn: 1 / step.
        where: the phase in which the wave jumps.
        height: by how much; of a corner, by how much a sample the slope changes.
    """
    # From so many samples before the first one on a jump may reach into the quantum.
    distance = (where - (phase - REACH * step)) & (PERIOD - 1)
    last = (QUANTUM + 2 * REACH - 1) * step
    while distance <= last:
        # The first sample in which the wave has jumped, and by how much the phase has gone on: both exact, because
        # the wave itself jumps in that sample.
        behind = int(distance * turn)
        over = behind * step - distance
        if over < 0:
            behind += 1
            over += step
        elif over >= step:
            behind -= 1
            over -= step
        part = over * turn * PARTS
        number = min(int(part), PARTS - 1)
        place = at + behind - 2 * REACH
        weight = splat(np.float32(height))
        low = load(table, number * LANES)
        high = load(table, (number + 1) * LANES)
        correction = fused(splat(np.float32(part - number)), high - low, low)
        store(row, place, fused(weight, correction, load(row, place)))
        distance += PERIOD
