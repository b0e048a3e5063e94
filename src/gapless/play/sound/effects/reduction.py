"""``bitcrush coarse``: fewer levels, fewer samples.

In: a sound. Out: it, as an old machine would have kept it. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

FINEST: Final = 24.0
LONGEST: Final = 4096.0


@unit(
    "bitcrush",
    fields=[("bits", "f8"), ("levels", "f8")],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("bits", 8.0, "1..24, fractions too"),
    ],
    doc="rounds to 2^bits levels between -1 and 1",
)
def bitcrush(pointer: Any) -> None:
    """Rounded to the nearest level; silence is one."""
    own = carray(pointer, (1,))[0]
    sound, bits, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    kept, levels = own.bits, own.levels
    for n in range(QUANTUM):
        asked = held(float(bits[n]), 1.0, FINEST)
        if asked != kept:
            kept = asked
            levels = math.pow(2.0, asked - 1.0)
        out[n] = np.float32(math.floor(audible(float(sound[n])) * levels + 0.5) / levels)
    own.bits, own.levels = kept, levels


@unit(
    "coarse",
    fields=[("left", "f8"), ("value", "f4")],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("n", 4.0, "samples, 1..4096, fractions too"),
    ],
    doc="holds one of every n samples",
    tail_s=0.1,
)
def coarse(pointer: Any) -> None:
    """Aliases are the point of it."""
    own = carray(pointer, (1,))[0]
    sound, count, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    left, value = own.left, own.value
    for n in range(QUANTUM):
        if left <= 0.0:
            value = np.float32(audible(float(sound[n])))
            left += held(float(count[n]), 1.0, LONGEST)
        left -= 1.0
        out[n] = value
    own.left, own.value = left, value


UNITS: Final = (bitcrush, coarse)
