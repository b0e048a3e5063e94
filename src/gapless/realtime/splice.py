"""Where to cut a signal, and how to join the ends so that nobody hears it.

In: samples in a ring. Out: the jump at which what follows is most like what would have followed; gains. Invariants:
the work is bounded by the range and the window; in silence, or where nothing is alike, the jump is the one that was
wanted; the gains keep the power of what they join, alike or not. Thread: the callback's.

Sources: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA)", 1993; M. Fink,
M. Holters and U. Zoelzer, "Signal-matched power-complementary cross-fading and dry-wet mixing", DAFx 2016.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.realtime.zone import zone

COARSE: Final = 4
"""Samples from one jump that is tried to the next, before the neighbours of the best are."""
WINDOW_SAMPLES: Final = 240
"""Most samples that are compared."""
ADVANTAGE: Final = 1e-3
"""By how much more alike another jump must be than the one that was wanted."""
ALONE: Final = -1.0
"""In place of a correlation: there is no other signal, the fade is from or to silence."""
SILENCE: Final = 1e-12
"""Energy of a window below which nothing is like anything."""


@zone
def alikeness(
    samples: npt.NDArray[np.float32], at: int, jump: int, window: int, step: int
) -> float:
    """Normalised cross-correlation of two pieces of a ring, -1..1; 0 if one is silent.

    Args:
        samples: float32 [a power of two], a ring that holds both pieces.
        at: where the first begins.
        jump: from there to the second.
        window: samples of each.
        step: only every ``step``-th sample is looked at.
    """
    mask = samples.shape[0] - 1
    both = 0.0
    first = 0.0
    second = 0.0
    for n in range(0, window, step):
        a = float(samples[(at + n) & mask])
        b = float(samples[(at + jump + n) & mask])
        both += a * b
        first += a * a
        second += b * b
    if first < SILENCE or second < SILENCE:
        return 0.0
    return both / math.sqrt(first * second)


@zone
def best_jump(  # noqa: PLR0917  compiled code takes its arguments by position
    samples: npt.NDArray[np.float32], at: int, wanted: int, low: int, high: int, window: int
) -> int:
    """The jump from ``low`` to ``high`` behind which the signal is most like itself at ``at``.

    Costs ``(high - low) / 4 * window / 2 + 7 * window`` steps of three multiplications.

    Args:
        samples: float32 [a power of two], a ring that holds all that is compared.
        at: where the piece begins that the others are compared to.
        wanted: taken if no other is more alike, from ``low`` to ``high``.
        low: shortest jump; negative ones go back.
        high: longest.
        window: samples that are compared, at most ``WINDOW_SAMPLES``.
    """
    best = wanted
    most = alikeness(samples, at, wanted, window, 2) + ADVANTAGE
    for jump in range(low, high + 1, COARSE):
        alike = alikeness(samples, at, jump, window, 2)
        if alike > most:
            best = jump
            most = alike
    centre = best
    most = alikeness(samples, at, centre, window, 1)
    if centre == wanted:
        most += ADVANTAGE
    for jump in range(max(low, centre - COARSE + 1), min(high, centre + COARSE - 1) + 1):
        alike = alikeness(samples, at, jump, window, 1)
        if alike > most:
            best = jump
            most = alike
    return best


@zone
def between_jumps(samples: npt.NDArray[np.float32], at: int, jump: int, window: int) -> float:
    """How far from ``jump``, -0.5..0.5 samples, the signal is most like itself: the top of a parabola."""
    less = alikeness(samples, at, jump - 1, window, 1)
    here = alikeness(samples, at, jump, window, 1)
    more = alikeness(samples, at, jump + 1, window, 1)
    bend = less - 2.0 * here + more
    if bend >= 0.0:
        return 0.0
    return min(max(0.5 * (less - more) / bend, -0.5), 0.5)


@zone
def fade_gain(done: int, length: int, alike: float) -> float:
    """Gain of the signal that comes, in a fade; that of the one that goes is ``fade_gain(length - 1 - done, ...)``.

    Args:
        done: sample of the fade, from 0; from ``length`` on the gain is 1.
        length: of the fade in samples, at least 1.
        alike: correlation of the two, 0..1. With 0 the squares of both gains add up to 1, with 1 the gains do.
            ``ALONE``: a raised cosine, which has no kink where it meets the silence.
    """
    if done >= length:
        return 1.0
    share = (done + 0.5) / length
    if alike == ALONE:
        return 0.5 - 0.5 * math.cos(math.pi * share)
    # Level at both ends: a kink where a fade begins can be heard in a pure tone.
    angle = 0.5 * math.pi * share * share * (3.0 - 2.0 * share)
    comes = math.sin(angle)
    return comes / math.sqrt(1.0 + 2.0 * alike * comes * math.cos(angle))
