"""``distortion``: a soft clip with few aliases.

In: a sound. Out: ``f(drive x) / f(drive)`` of it, ``f(x) = x / sqrt(1 + x^2)``: full scale stays full scale.
Invariants: late by ``LATENCY`` samples (and a quarter, from the averages); the clip works at twice the rate, each
sample the exact average of ``f`` over the straight line from the one before, so its aliases fall off with their
frequency. Thread: the callback's.

Sources: J. Parker, V. Zavalishin, E. Le Bivic, Reducing the Aliasing of Nonlinear Waveshaping Using Continuous-Time
Convolution, DAFx 2016. With this ``f`` the average is ``(a + b) / (sqrt(1 + a^2) + sqrt(1 + b^2))``, which needs no
special case for equal samples.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

LATENCY: Final = 31
"""Samples: of the two half-band filters together."""
PAIRS: Final = (LATENCY + 1) // 2
BETA: Final = 7.0
LEAST: Final = 0.01
MOST: Final = 1000.0


def _half_band() -> npt.NDArray[np.float64]:
    """Every other tap of a half-band low-pass of 63, a windowed sinc; the rest are 0 but for the middle's 0.5."""
    place = np.arange(-LATENCY, LATENCY + 1, 2)
    taps = 0.5 * np.sinc(place / 2) * np.kaiser(2 * LATENCY + 1, BETA)[::2]
    return np.asarray(0.5 * taps / taps.sum())


TAPS: Final = _half_band()
KEPT: Final = len(TAPS) - 1


@zone
def _weigh(past: npt.NDArray[np.float64], gain: float, out: npt.NDArray[np.float64]) -> None:
    """``out[n]`` is what the taps make of ``past[n]`` to ``past[n + KEPT]``."""
    for n in range(QUANTUM):
        out[n] = 0.0
    for k in range(KEPT + 1):
        weight = gain * TAPS[k]
        for n in range(QUANTUM):
            out[n] += weight * past[n + k]


@zone
def _forget(past: npt.NDArray[np.float64]) -> None:
    """Keep what the next quantum needs."""
    for n in range(KEPT):
        past[n] = settled(past[n + QUANTUM])


@zone
def _clip(own: Record, drive: npt.NDArray[np.float32]) -> None:
    before, before_root = own.before, math.sqrt(1.0 + own.before * own.before)
    for n in range(QUANTUM):
        gain = held(float(drive[n]), LEAST, MOST)
        scale = math.sqrt(1.0 + gain * gain) / gain
        even = gain * own.doubled[n]
        even_root = math.sqrt(1.0 + even * even)
        own.even[KEPT + n] = scale * (even + before) / (even_root + before_root)
        # The half-band filter's middle tap is all that the odd samples see: a delay.
        odd = gain * own.given[KEPT + n - PAIRS + 1]
        odd_root = math.sqrt(1.0 + odd * odd)
        own.odd[KEPT + n] = scale * (odd + even) / (odd_root + even_root)
        before, before_root = odd, odd_root
    own.before = settled(before)


@unit(
    "distortion",
    fields=[
        ("before", "f8"),
        ("given", "f8", (KEPT + QUANTUM,)),
        ("even", "f8", (KEPT + QUANTUM,)),
        ("odd", "f8", (KEPT + QUANTUM,)),
        ("doubled", "f8", (QUANTUM,)),
        ("joined", "f8", (QUANTUM,)),
    ],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("drive", 4.0, "gain before the clip, 0.01..1000"),
    ],
    doc="a soft clip with few aliases",
    latency_samples=LATENCY,
    tail_s=0.01,
)
def distortion(pointer: Any) -> None:
    """Up to twice the rate, clipped, and down."""
    own = carray(pointer, (1,))[0]
    sound, drive, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        own.given[KEPT + n] = audible(float(sound[n]))
    _weigh(own.given, 2.0, own.doubled)
    _clip(own, drive)
    _weigh(own.even, 1.0, own.joined)
    for n in range(QUANTUM):
        out[n] = np.float32(own.joined[n] + 0.5 * own.odd[KEPT + n - PAIRS])
    _forget(own.given)
    _forget(own.even)
    _forget(own.odd)


UNITS: Final = (distortion,)
