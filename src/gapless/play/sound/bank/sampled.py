"""A recorded sound, at any speed, forwards and backwards.

In: frames in memory, a place among them. Out: a quantum of samples for each channel. Invariants: at speed 1 the samples
are the recorded ones, bit by bit; places are exact to 2^-32 of a frame and do not drift; what lies outside the
recording is 0. Thread: the callback's.

Between frames lies a cubic (Hermite's, through four frames), unless the bank is ``linear``: at a tenth of the sampling
rate its error is a tenth of a straight line's, and it costs a fifth more. Sixteen samples at a time are read by
vectors where all frames are there; the begin, the end and the seam of a loop go sample by sample.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.lanes import fractions, quads
from gapless.play.sound.bank.layout import PAIR, ROW, SECOND
from gapless.play.sound.bank.vector import LANES, load, splat, store
from gapless.play.sound.unit import QUANTUM, Record
from gapless.realtime.native import samples_view
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]
f32 = np.float32

FRAME: Final = 1 << 32
"""Units of places."""
FASTEST: Final = 64.0
"""Frames per sample."""


@zone
def play_sample(own: Record, slot: int) -> bool:
    """Write a quantum to the rows ``PAIR`` (one channel, or the left one) and ``SECOND`` (the right one).

    Returns:
        Whether the sound has come to its end.
    """
    samples = samples_view(own.sound[slot], own.length[slot] * own.channels[slot])
    wait = max(-own.age[slot], 0)
    bends = own.age[slot] < own.bent[slot]
    step = int(own.speed[slot] * FRAME)
    if wait == 0 and not bends and _is_inside(own, slot, step, QUANTUM):
        for n in range(0, QUANTUM, LANES):
            _play_inside(own, samples, own.place[slot] + n * step, step, own.channels[slot], n)
        own.place[slot] += QUANTUM * step
        return False
    ended = False
    for n in range(0, QUANTUM, LANES):
        step = int(own.speed[slot] * FRAME)
        if ended or wait >= n + LANES:
            store(own.rows, PAIR * ROW + n, splat(f32(0)))
            store(own.rows, SECOND * ROW + n, splat(f32(0)))
        elif wait <= n and _is_inside(own, slot, step, LANES):
            _play_inside(own, samples, own.place[slot], step, own.channels[slot], n)
            own.place[slot] += LANES * step
        else:
            ended = _play_edge(own, slot, samples, n, max(wait - n, 0), step)
        if own.age[slot] + n < own.bent[slot]:
            bent = own.speed[slot] * own.bend[slot]
            own.speed[slot] = min(max(bent, -FASTEST), FASTEST)
    return ended


@zone
def _is_inside(own: Record, slot: int, step: int, count: int) -> bool:
    """Whether the next ``count`` samples need only frames that are there, and no fade."""
    begin = own.place[slot] >> 32
    end = (own.place[slot] + count * step) >> 32
    first, last = min(begin, end) - 1, max(begin, end) + 2
    if own.loops[slot] != 0:
        inside: bool = first >= own.low[slot] and last < own.high[slot]
        return inside
    inside = first >= 0 and last < own.length[slot]
    tail = int(own.tail[slot] * abs(own.speed[slot])) + 1
    if step > 0:
        return inside and end + tail < own.high[slot]
    return inside and end - tail >= own.low[slot]


@zone
def _play_inside(  # noqa: PLR0917  compiled code takes its arguments by position
    own: Record, samples: Floats, place: int, step: int, channels: int, n: int
) -> None:
    left, right = PAIR * ROW + n, SECOND * ROW + n
    if channels == 1:
        if step == FRAME and place & (FRAME - 1) == 0:
            heard = load(samples, place >> 32)
        else:
            y0, y1, y2, y3 = quads(samples, place - FRAME, step, 1, 0)
            heard = _between(y0, y1, y2, y3, fractions(place, step), own.linear)
        store(own.rows, left, heard)
        return
    # Two channels take turns.
    fraction = fractions(place, step)
    a0, b0, a1, b1 = quads(samples, place - FRAME, step, 2, 0)
    a2, b2, a3, b3 = quads(samples, place - FRAME, step, 2, 4)
    store(own.rows, left, _between(a0, a1, a2, a3, fraction, own.linear))
    store(own.rows, right, _between(b0, b1, b2, b3, fraction, own.linear))


@zone
def _between(  # noqa: PLR0917  compiled code takes its arguments by position
    y0: Any, y1: Any, y2: Any, y3: Any, fraction: Any, linear: int
) -> Any:
    if linear != 0:
        return y1 + fraction * (y2 - y1)
    half, one_half = splat(f32(0.5)), splat(f32(1.5))
    slope = half * (y2 - y0)
    third = half * (y3 - y0) + one_half * (y1 - y2)
    second = y2 - y1 - slope - third
    return ((third * fraction + second) * fraction + slope) * fraction + y1


@zone
def _play_edge(  # noqa: PLR0917  compiled code takes its arguments by position
    own: Record, slot: int, samples: Floats, n: int, wait: int, step: int
) -> bool:
    """Sixteen samples one by one, the first ``wait`` of them 0."""
    low, high = own.low[slot], own.high[slot]
    channels, tail = own.channels[slot], own.tail[slot] * abs(own.speed[slot])
    left, right = PAIR * ROW + n, SECOND * ROW + n
    ended = False
    for k in range(LANES):
        own.rows[left + k] = own.rows[right + k] = 0
        if ended or k < wait:
            continue
        place = own.place[slot]
        if own.loops[slot] != 0:
            place = low * FRAME + (place - low * FRAME) % ((high - low) * FRAME)
        frame = place >> 32
        if frame < low or frame >= high:
            ended = True
            continue
        remaining = (high - place / FRAME) if step > 0 else (place / FRAME - low + 1)
        gain = f32(min(remaining / tail, 1.0) if tail > 0 else 1.0)
        fraction = f32((place & (FRAME - 1)) / FRAME)
        own.rows[left + k] = gain * _at(own, slot, samples, frame, 0, fraction)
        own.rows[right + k] = gain * _at(own, slot, samples, frame, channels - 1, fraction)
        own.place[slot] = place + step
    return ended


@zone
def _at(  # noqa: PLR0917  compiled code takes its arguments by position
    own: Record, slot: int, samples: Floats, frame: int, channel: int, fraction: f32
) -> f32:
    y1 = _frame(own, slot, samples, frame, channel)
    if fraction == 0:
        return y1
    y2 = _frame(own, slot, samples, frame + 1, channel)
    if own.linear != 0:
        return y1 + fraction * (y2 - y1)
    y0 = _frame(own, slot, samples, frame - 1, channel)
    y3 = _frame(own, slot, samples, frame + 2, channel)
    slope = f32(0.5) * (y2 - y0)
    third = f32(0.5) * (y3 - y0) + f32(1.5) * (y1 - y2)
    second = y2 - y1 - slope - third
    return ((third * fraction + second) * fraction + slope) * fraction + y1


@zone
def _frame(own: Record, slot: int, samples: Floats, frame: int, channel: int) -> f32:
    """A recorded sample; in a loop what is behind its end is its begin."""
    low, high = own.low[slot], own.high[slot]
    if own.loops[slot] != 0:
        frame = low + (frame - low) % (high - low)
    if frame < 0 or frame >= own.length[slot]:
        return f32(0)
    return f32(samples[frame * own.channels[slot] + channel])
