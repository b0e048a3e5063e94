"""``tremolo ring``: a sound times a sine.

In: a sound. Out: it, louder and softer, or with sums and differences of frequencies. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

PHASE: Final = [("phase", "f8")]


@unit(
    "tremolo",
    fields=PHASE,
    inputs=[
        Input("in", 0.0, "sound"),
        Input("hz", 5.0, "how often, 0..1000 Hz"),
        Input("depth", 0.5, "0..1: down to silence"),
    ],
    doc="louder and softer",
)
def tremolo(pointer: Any) -> None:
    """Between 1 and 1 - depth."""
    own = carray(pointer, (1,))[0]
    sound, hz, depth = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    phase = own.phase
    for n in range(QUANTUM):
        lost = held(float(depth[n]), 0.0, 1.0) * (0.5 - 0.5 * math.cos(2 * math.pi * phase))
        out[n] = np.float32(audible(float(sound[n])) * (1.0 - lost))
        phase += held(float(hz[n]), 0.0, 1000.0) / own.rate
        phase -= math.floor(phase)
    own.phase = phase


@unit(
    "ring",
    fields=PHASE,
    inputs=[
        Input("in", 0.0, "sound"),
        Input("hz", 440.0, "of the sine, Hz"),
        Input("mix", 1.0, "0 the sound alone, 1 the product alone"),
    ],
    doc="ring modulation by a sine",
)
def ring(pointer: Any) -> None:
    """What goes beyond half the rate comes back below it, as it must."""
    own = carray(pointer, (1,))[0]
    sound, hz, mix = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    phase = own.phase
    for n in range(QUANTUM):
        x = audible(float(sound[n]))
        product = x * math.sin(2 * math.pi * phase)
        out[n] = np.float32(x + held(float(mix[n]), 0.0, 1.0) * (product - x))
        phase += held(float(hz[n]), 0.0, 0.5 * own.rate) / own.rate
        phase -= math.floor(phase)
    own.phase = phase


UNITS: Final = (tremolo, ring)
