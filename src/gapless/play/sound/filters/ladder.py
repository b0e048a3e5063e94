"""``moog_ladder``: four poles in a row, fed back through one saturation.

In: a sound. Out: it, filtered. Invariants: what enters the row is within -1..1, so what leaves it is bounded, at any
setting and however it changes; quiet sounds see the linear ladder, ``1 / ((1 + jw)^4 + 4 resonance)``, with its loss of
bass at high resonance. From resonance 1 it oscillates by itself. Thread: the callback's.

Sources: V. Zavalishin, The Art of VA Filter Design, 2018, chapter 5 (the loop without delay, solved as if it were
linear, then saturated once); A. Huovilainen, Non-Linear Digital Implementation of the Moog Ladder Filter, DAFx 2004.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.state_variable import prewarped
from gapless.play.sound.unit import QUANTUM, Input, unit, wire
from gapless.realtime.zone import zone

HIGHEST: Final = 0.45
"""The highest cutoff, as a share of the rate: above, four poles together overshoot too far."""
SATURATED: Final = 4.97
"""Where the approximation of tanh reaches 1."""


@zone
def saturate(x: float) -> float:
    """The hyperbolic tangent, exact to 1e-4, from its continued fraction (Lambert 1768)."""
    held_x = held(x, -SATURATED, SATURATED)
    square = held_x * held_x
    above = held_x * (135135.0 + square * (17325.0 + square * (378.0 + square)))
    below = 135135.0 + square * (62370.0 + square * (3150.0 + square * 28.0))
    return above / below


@zone
def _pole(x: float, state: float, share: float) -> tuple[float, float]:
    """One low-pass pole: its output and its new state."""
    change = (x - state) * share
    return state + change, state + 2.0 * change


@unit(
    "moog_ladder",
    fields=[("states", "f8", (4,))],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("hz", 1000.0, "cutoff, Hz"),
        Input("resonance", 0.5, "0..1.2; it oscillates from 1"),
    ],
    doc="low-pass, 24 dB an octave, resonant and saturating",
    tail_s=0.1,
)
def moog_ladder(pointer: Any) -> None:
    """Four poles."""
    own = carray(pointer, (1,))[0]
    sound, hz, resonance = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    s1, s2, s3, s4 = own.states[0], own.states[1], own.states[2], own.states[3]
    for n in range(QUANTUM):
        x = audible(float(sound[n]))
        k = 4.0 * held(float(resonance[n]), 0.0, 1.2)
        g = prewarped(held(float(hz[n]), 0.0, HIGHEST * own.rate), own.rate)
        left = 1.0 / (1.0 + g)
        share = g * left
        # What the row would give if nothing came in, and the loop solved with it.
        rest = left * (s4 + share * (s3 + share * (s2 + share * s1)))
        row = share * share
        looped = 1.0 / (1.0 + k * row * row)
        u = saturate((x - k * rest) * looped)
        y, s1 = _pole(u, s1, share)
        y, s2 = _pole(y, s2, share)
        y, s3 = _pole(y, s3, share)
        y, s4 = _pole(y, s4, share)
        out[n] = np.float32(y)
    own.states[0], own.states[1] = settled(s1), settled(s2)
    own.states[2], own.states[3] = settled(s3), settled(s4)


UNITS: Final = (moog_ladder,)
