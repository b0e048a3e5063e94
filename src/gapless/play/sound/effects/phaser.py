"""``phaser``: notches that move, not evenly spaced as a flanger's are.

In: a sound. Out: it, and it through six all-pass poles that sweep. Invariants: each pole keeps all energy, however it
moves, and the feedback is below 1. Thread: the callback's. Source: V. Zavalishin, The Art of VA Filter Design, 2018,
chapters 3 and 10.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.state_variable import prewarped
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

POLES: Final = 6
MIDDLE_HZ: Final = 800.0
OCTAVES: Final = 2.0
"""To each side."""
MOST: Final = 0.95


@unit(
    "phaser",
    fields=[("states", "f8", (POLES,)), ("phase", "f8"), ("last", "f8")],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("hz", 0.4, "how often it sweeps, 0.01..100 Hz"),
        Input("depth", 0.7, "how far about 800 Hz, 0..1: two octaves to each side"),
        Input("feedback", 0.3, "-0.95..0.95"),
        Input("mix", 0.5, "0 the sound alone, 1 the turned one alone"),
    ],
    doc="three notches that sweep",
    tail_s=0.1,
)
def phaser(pointer: Any) -> None:
    """The last pole's output comes back one sample later."""
    own = carray(pointer, (1,))[0]
    sound, hz, depth, feedback, mix = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out = wire(own.outputs[0])
    states, phase, last = own.states, own.phase, own.last
    for n in range(QUANTUM):
        swept = held(float(depth[n]), 0.0, 1.0) * math.sin(2 * math.pi * phase)
        g = prewarped(MIDDLE_HZ * math.exp(OCTAVES * math.log(2.0) * swept), own.rate)
        share = g / (1.0 + g)
        x = audible(float(sound[n]))
        y = x + held(float(feedback[n]), -MOST, MOST) * last
        for pole in range(POLES):
            change = (y - states[pole]) * share
            low = states[pole] + change
            states[pole] = low + change
            y = 2.0 * low - y
        last = y
        out[n] = np.float32(x + held(float(mix[n]), 0.0, 1.0) * (y - x))
        phase += held(float(hz[n]), 0.01, 100.0) / own.rate
        phase -= math.floor(phase)
    for pole in range(POLES):
        states[pole] = settled(states[pole])
    own.phase, own.last = phase, settled(last)


UNITS: Final = (phaser,)
