"""``eq low_shelf high_shelf``: raise or lower a part of the spectrum and leave the rest as it is.

In: a sound. Out: it, equalised. Invariants: those of ``state_variable``; a gain of 0 dB changes nothing; a gain and its
negative undo each other. Thread: the callback's. Source: A. Simper, as in ``state_variable``; the curves are those of
R. Bristow-Johnson, Cookbook Formulae for Audio EQ Biquad Filter Coefficients.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.state_variable import STATES, damping, prewarped, step
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

TAIL_S: Final = 0.1
MOST_DB: Final = 60.0
FIELDS: Final = [*STATES, ("gain_db", "f8"), ("root", "f8")]
INPUTS: Final = (
    Input("in", 0.0, "sound"),
    Input("hz", 1000.0, "centre, or middle of the slope, Hz"),
    Input("gain_db", 0.0, "-60..60 dB"),
    Input("q", 0.7, "quality factor, 0.05..100: higher is narrower, or steeper"),
)

BELL: Final = 0
LOW: Final = 1
HIGH: Final = 2


@zone
def _run(own: Record, shape: int) -> None:
    sound, hz, gain_db, q = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out = wire(own.outputs[0])
    band, low, decibels, root = own.band, own.low, own.gain_db, own.root
    for n in range(QUANTUM):
        asked = held(float(gain_db[n]), -MOST_DB, MOST_DB)
        # A record is zero at first, root too.
        if asked != decibels or root == 0.0:
            decibels = asked
            root = math.pow(10.0, asked / 40.0)
        x = audible(float(sound[n]))
        g, k = prewarped(float(hz[n]), own.rate), damping(float(q[n]))
        if shape == BELL:
            k /= root
            dry, banded, lowered = 1.0, k * (root * root - 1.0), 0.0
        elif shape == LOW:
            g /= math.sqrt(root)
            dry, banded, lowered = 1.0, k * (root - 1.0), root * root - 1.0
        else:
            g *= math.sqrt(root)
            dry, banded, lowered = root * root, k * (1.0 - root) * root, 1.0 - root * root
        v1, v2, band, low = step(x, band, low, g, k)
        out[n] = np.float32(dry * x + banded * v1 + lowered * v2)
    own.gain_db, own.root = decibels, root
    own.band, own.low = settled(band), settled(low)


@unit("eq", fields=FIELDS, inputs=INPUTS, doc="raises or lowers a band", tail_s=TAIL_S)
def eq(pointer: Any) -> None:
    """A bell, hz / q wide."""
    _run(carray(pointer, (1,))[0], BELL)


@unit("low_shelf", fields=FIELDS, inputs=INPUTS, doc="raises or lowers all below", tail_s=TAIL_S)
def low_shelf(pointer: Any) -> None:
    """What is below the slope."""
    _run(carray(pointer, (1,))[0], LOW)


@unit("high_shelf", fields=FIELDS, inputs=INPUTS, doc="raises or lowers all above", tail_s=TAIL_S)
def high_shelf(pointer: Any) -> None:
    """What is above the slope."""
    _run(carray(pointer, (1,))[0], HIGH)


UNITS: Final = (eq, low_shelf, high_shelf)
