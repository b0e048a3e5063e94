"""A delay by any time, also between samples, that changes without a click.

In: a ring of samples, where it stands, and a delay. Out: what went in so long ago. Invariants: the gain of an
interpolation is nowhere above 1, so it is safe in a feedback; small changes of the time are followed by at most half a
sample per sample (as a tape would), and to a far time the sound is faded over. Thread: the callback's.

Source: T. Laakso et al., Splitting the Unit Delay, IEEE Signal Processing Magazine 13 (1), 1996: Lagrange's
interpolation of third order is passive in its middle interval.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.filters.bounds import held
from gapless.realtime.zone import zone

SHORTEST: Final = 2.0
"""Samples: the interpolation needs one that came later."""
FASTEST: Final = 0.5
"""Samples by which a delay changes per sample, at most."""
FAR: Final = 48.0
"""Samples; to a delay that is further away the sound is faded over."""
FADE_S: Final = 0.01

TAP: Final[list[tuple[Any, ...]]] = [
    ("at", "i8"),  # where the next sample is written, not yet wrapped
    ("now", "f8"),  # the delay in samples
    ("old", "f8"),  # the one that is faded out
    ("fade", "f8"),  # how much of it is left, 0..1
]
"""Fields of a unit's record, but for the ring: float32 [a power of two]."""


@zone
def follow(now: float, target: float) -> float:
    """The delay after ``now`` on the way to ``target``; ``target`` itself at first, from 0."""
    if now == 0.0:
        return target
    return now + held(target - now, -FASTEST, FASTEST)


@zone
def glide(
    now: float, old: float, fade: float, target: float, fade_step: float
) -> tuple[float, float, float]:
    """The next ``now``, ``old`` and ``fade`` on the way to a delay."""
    if fade > 0.0:
        fade = held(fade - fade_step, 0.0, 1.0)
    elif now != 0.0 and abs(target - now) > FAR:
        return target, now, 1.0
    return follow(now, target), old, fade


@zone
def tap(line: npt.NDArray[np.float32], at: int, delay: float) -> float:
    """What was written ``delay`` (at least ``SHORTEST``) samples before the place ``at``."""
    mask = line.shape[0] - 1
    whole = int(delay)
    d = delay - whole
    later = float(line[(at - whole + 1) & mask])
    near = float(line[(at - whole) & mask])
    far = float(line[(at - whole - 1) & mask])
    earlier = float(line[(at - whole - 2) & mask])
    back, ahead, beyond = d - 1.0, d + 1.0, d - 2.0
    return 0.5 * back * beyond * (ahead * near - d * later / 3.0) + 0.5 * ahead * d * (
        back * earlier / 3.0 - beyond * far
    )


@zone
def faded_tap(line: npt.NDArray[np.float32], at: int, now: float, old: float, fade: float) -> float:
    """The same on the way that ``glide`` tells."""
    value = tap(line, at, now)
    if fade > 0.0:
        value += fade * (tap(line, at, old) - value)
    return value
