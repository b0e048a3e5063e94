"""A sample between two samples: what a signal was at an instant that its clock did not catch.

In: samples in a ring, a position with a fraction. Out: the value there. Invariants: a whole position gives the sample
itself, bit for bit; a result waits for ``AHEAD`` samples in its future and for nothing else; up to 19 kHz (at 48 kHz)
images and noise stay 95 dB under the signal, which a test measures. Thread: the callback's.

Between two of ``PHASES`` filters the taps are interpolated along a line: with 256 phases the error of that is 110 dB
under a tone of 10 kHz.

Source: J. O. Smith, "Digital Audio Resampling", CCRMA; the window is Kaiser's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.realtime.zone import zone

TAPS: Final = 32
PHASES: Final = 256
AHEAD: Final = TAPS // 2
"""Samples behind a position that its value needs."""
BEFORE: Final = TAPS // 2 - 1
"""Samples before it."""
BETA: Final = 9.5
"""Of the window: a ripple of -97 dB up to 19 kHz (at 48 kHz), and not much of what lies above."""


def make_table() -> npt.NDArray[np.float32]:
    """The filters: float32 [(PHASES + 1) * TAPS], one row for each fraction from 0 to 1, gain 1 at 0 Hz."""
    distance = np.arange(-BEFORE, AHEAD + 1) - np.arange(PHASES + 1)[:, np.newaxis] / PHASES
    inside = np.maximum(0.0, 1.0 - (distance / AHEAD) ** 2)
    taps = np.sinc(distance) * np.i0(BETA * np.sqrt(inside)) / np.i0(BETA)
    # Whole positions: exactly the sample, not the rounding errors of a sine at multiples of pi.
    taps[0], taps[PHASES] = np.eye(TAPS)[BEFORE], np.eye(TAPS)[AHEAD]
    taps /= taps.sum(axis=1, keepdims=True)
    return np.asarray(taps, np.float32).ravel()


@zone
def interpolate(
    samples: npt.NDArray[np.float32], table: npt.NDArray[np.float32], at: int, fraction: float
) -> float:
    """The signal's value at ``at + fraction``.

    Args:
        samples: float32 [a power of two], a ring.
        table: from ``make_table``.
        at: position; the ring must hold those from ``at - BEFORE`` to ``at + AHEAD``.
        fraction: 0 to less than 1.
    """
    mask = samples.shape[0] - 1
    phase = int(fraction * PHASES)
    row = phase * TAPS
    first = at - BEFORE
    near = np.float32(0.0)
    far = np.float32(0.0)
    for k in range(TAPS):
        sample = samples[(first + k) & mask]
        near += sample * table[row + k]
        far += sample * table[row + TAPS + k]
    share = np.float32(fraction * PHASES - phase)
    return float(near + (far - near) * share)
