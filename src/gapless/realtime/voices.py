"""The one or two voices that read a ring: one plays, one leaves, and where they change nobody hears a click.

In: samples in a ring, where and how fast to read. Out: a block of sound. Invariants: every change of place is a fade
between two voices or to and from silence; what runs out goes on as a repetition of itself that fades out, and begins
at the value and, as far as the signal is like itself, with the slope that it had; a voice never reads what is not
there. Thread: the consumer's of the ring.

    voice that plays ---- runs out, jumps ----> voice that leaves --- fade ---> gone
          ^                                              (a repetition, or where it was)
          +---- starts, after a jump at once
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.realtime.interpolate import AHEAD, BEFORE, PHASES, TAPS, interpolate
from gapless.realtime.splice import (
    ALONE,
    WINDOW_SAMPLES,
    alikeness,
    best_jump,
    between_jumps,
    fade_gain,
)
from gapless.realtime.zone import zone

SEARCH_SAMPLES: Final = 600
"""Range of jumps that are tried: a period of the deepest voices, 80 Hz at 48 kHz."""

VOICES: Final = np.dtype(
    [
        ("table", np.float32, ((PHASES + 1) * TAPS,)),  # of the interpolation
        ("fade_samples", np.int64),
        ("playing", np.int64),  # whether there is a voice that plays
        ("at", np.int64),  # its position, or where it stopped
        ("fraction", np.float64),  # of its position
        ("entering", np.int64),  # samples of its fade that are done, and the fade's length
        ("entering_length", np.int64),
        ("entering_alike", np.float64),  # see fade_gain
        ("leaving_at", np.int64),  # the voice that leaves
        ("leaving_fraction", np.float64),
        ("leaving", np.int64),
        ("leaving_length", np.int64),
        ("leaving_alike", np.float64),
        ("leaving_step", np.float64),  # added to it, so that it begins where the sound was
        ("last", np.float64),  # sample that was heard
    ],
    align=True,
)

Voices: TypeAlias = Annotated[Any, VOICES]
"""A record of it, as kernels see it."""


@zone
def fading(voices: Voices) -> bool:
    """Whether a change is under way."""
    entering = voices.playing and voices.entering < voices.entering_length
    return bool(entering or voices.leaving < voices.leaving_length)


@zone
def oldest_needed(voices: Voices) -> int:
    """Position of the first sample that a voice still reads."""
    oldest: int = voices.at - BEFORE
    if voices.leaving < voices.leaving_length:
        oldest = min(oldest, voices.leaving_at - BEFORE)
    return oldest


@zone
def start(voices: Voices, at: int) -> None:
    """Fade in from silence, at a position of the ring."""
    voices.at = at
    voices.playing = 1
    voices.entering = 0
    voices.entering_length = voices.fade_samples
    voices.entering_alike = ALONE


@zone
def jump(  # noqa: PLR0917  compiled code takes its arguments by position
    voices: Voices,
    samples: npt.NDArray[np.float32],
    wanted: int,
    low: int,
    high: int,
    fade: int,
) -> int:
    """Let the voice go on where the signal is most like itself, ``low`` to ``high`` samples farther.

    Args:
        voices: one plays and there is no fade.
        samples: float32 [a power of two], the ring, with all that is compared and faded.
        wanted: taken if nothing speaks for another.
        low: shortest; negative ones go back.
        high: longest.
        fade: samples of the cross-fade.

    Returns:
        How far it jumped.
    """
    window = min(fade, WINDOW_SAMPLES)
    distance = best_jump(samples, voices.at, wanted, low, high, window)
    voices.entering_alike = max(alikeness(samples, voices.at, distance, window, 1), 0.0)
    voices.leaving_alike = voices.entering_alike
    voices.leaving_at = voices.at
    voices.leaving_fraction = voices.fraction
    voices.leaving = 0
    voices.leaving_length = fade
    voices.leaving_step = 0.0
    voices.at += distance
    voices.entering = 0
    voices.entering_length = fade
    return distance


@zone
def leave(voices: Voices, samples: npt.NDArray[np.float32], oldest: int) -> None:
    """Nothing more to play: repeat the last samples, fading out.

    Args:
        voices: changed; if none plays, nothing happens.
        samples: float32 [a power of two], the ring.
        oldest: position of the first sample that is still in it.
    """
    if not voices.playing:
        return
    fade = voices.fade_samples
    window = min(fade, WINDOW_SAMPLES)
    reference = voices.at - window
    high = -(fade + AHEAD + 3)
    low = max(high - SEARCH_SAMPLES, oldest + BEFORE + 2 - reference)
    back = best_jump(samples, reference, high, low, high, window) if low < high else high
    fraction = voices.fraction + between_jumps(samples, reference, back, window)
    whole = math.floor(fraction)
    voices.leaving_at = voices.at + back + whole
    voices.leaving_fraction = fraction - whole
    voices.leaving = 0
    voices.leaving_length = fade
    voices.leaving_alike = ALONE
    before = interpolate(samples, voices.table, voices.leaving_at - 1, voices.leaving_fraction)
    voices.leaving_step = voices.last - before * _entering_gain(voices, voices.entering - 1)
    voices.playing = 0


@zone
def render(  # noqa: PLR0917  compiled code takes its arguments by position
    voices: Voices,
    samples: npt.NDArray[np.float32],
    oldest: int,
    written: int,
    step: float,
    out: npt.NDArray[np.float32],
) -> int:
    """Fill a block.

    Args:
        voices: changed.
        samples: float32 [a power of two], the ring.
        oldest: position of the first sample in it.
        written: position behind the last.
        step: how far a voice moves for a sample of ``out``, about 1.
        out: float32 [n], written.

    Returns:
        For how many samples no voice played; from the one on that was not there.
    """
    missing = 0
    for n in range(out.shape[0]):
        if voices.playing and voices.at + AHEAD >= written:
            leave(voices, samples, oldest)
        value = 0.0
        if voices.playing:
            value = interpolate(samples, voices.table, voices.at, voices.fraction)
            value *= _entering_gain(voices, voices.entering)
            voices.entering += 1
            voices.fraction += step
            whole = int(voices.fraction)
            voices.fraction -= whole
            voices.at += whole
        else:
            missing += 1
        if voices.leaving < voices.leaving_length:
            value += _leaving_value(voices, samples, step)
        out[n] = value
        voices.last = value
    return missing


@zone
def _entering_gain(voices: Voices, done: int) -> float:
    return fade_gain(max(done, 0), voices.entering_length, voices.entering_alike)


@zone
def _leaving_value(voices: Voices, samples: npt.NDArray[np.float32], step: float) -> float:
    value = interpolate(samples, voices.table, voices.leaving_at, voices.leaving_fraction)
    if not voices.playing:
        # It ran out; if that was while it faded in, it goes on to.
        value *= _entering_gain(voices, voices.entering)
        voices.entering += 1
    begun: float = value + voices.leaving_step
    backwards = voices.leaving_length - 1 - voices.leaving
    voices.leaving += 1
    voices.leaving_fraction += step
    whole = int(voices.leaving_fraction)
    voices.leaving_fraction -= whole
    voices.leaving_at += whole
    return begun * fade_gain(backwards, voices.leaving_length, voices.leaving_alike)
