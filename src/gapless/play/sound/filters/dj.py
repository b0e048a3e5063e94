"""``djf``: the one knob of a mixing desk, low-pass to the left and high-pass to the right.

In: a sound. Out: it, filtered. Invariants: those of ``state_variable``; in the middle the sound passes unchanged, and
the way there has no step. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.state_variable import STATES, damping, prewarped, step
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

FROM_HZ: Final = 20.0
OCTAVES: Final = 10.0
"""The cutoff goes from 20 Hz to 20.48 kHz in each half."""
NEAR: Final = 0.02
"""Closer to the middle the sound itself is faded in."""


@unit(
    "djf",
    fields=[*STATES, ("high_band", "f8"), ("high_low", "f8"), ("position", "f8"), ("cutoff", "f8")],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("position", 0.5, "0..0.5 low-pass, 0.5..1 high-pass"),
        Input("q", 0.7, "quality factor, 0.05..100"),
    ],
    doc="low-pass to the left of the middle, high-pass to the right",
    tail_s=0.1,
)
def djf(pointer: Any) -> None:
    """Both filters run all the time, so that either has its state when its turn comes."""
    own = carray(pointer, (1,))[0]
    sound, knob, q = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    band, low, high_band, high_low = own.band, own.low, own.high_band, own.high_low
    position, cutoff = own.position, own.cutoff
    top = prewarped(FROM_HZ * 2.0**OCTAVES, own.rate)
    bottom = prewarped(FROM_HZ, own.rate)
    for n in range(QUANTUM):
        asked = held(float(knob[n]), 0.0, 1.0)
        # A record is zero at first, the cutoff too.
        if asked != position or cutoff == 0.0:
            position = asked
            turned = 2.0 * asked - math.floor(2.0 * asked)
            cutoff = prewarped(FROM_HZ * math.pow(2.0, OCTAVES * turned), own.rate)
        x = audible(float(sound[n]))
        k = damping(float(q[n]))
        left = position < 0.5
        _, below, band, low = step(x, band, low, cutoff if left else top, k)
        v1, v2, high_band, high_low = step(x, high_band, high_low, bottom if left else cutoff, k)
        filtered = below if left else x - k * v1 - v2
        out[n] = np.float32(x + held(abs(position - 0.5) / NEAR, 0.0, 1.0) * (filtered - x))
    own.position, own.cutoff = position, cutoff
    own.band, own.low = settled(band), settled(low)
    own.high_band, own.high_low = settled(high_band), settled(high_low)


UNITS: Final = (djf,)
