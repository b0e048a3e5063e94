"""``comb``: a sound and its echoes, so close that they are a pitch.

In: a sound. Out: it and its past. Invariants: the feedback is below 1, so it always fades. Thread: the callback's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.delay_line import FADE_S, SHORTEST, TAP, faded_tap, glide
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

LONGEST_S: Final = 1.0
SAMPLES: Final = 1 << 17
"""1.36 s at 96 kHz."""
MOST: Final = 0.999


@unit(
    "comb",
    fields=[*TAP, ("line", "f4", (SAMPLES,))],
    inputs=[
        Input("in", 0.0, "sound"),
        Input("delay_s", 0.01, "between echoes, up to 1 s; the pitch is 1 / delay_s"),
        Input("feedback", 0.7, "-0.999..0.999"),
    ],
    doc="resonates at all multiples of 1 / delay_s",
    tail_s=0.3,
)
def comb(pointer: Any) -> None:
    """``y[n] = x[n] + feedback * y[n - delay]``."""
    own = carray(pointer, (1,))[0]
    sound, delay_s, feedback = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    line, at, now, old, fade = own.line, own.at, own.now, own.old, own.fade
    longest = min(LONGEST_S * own.rate, SAMPLES - 4.0)
    fade_step = 1.0 / (FADE_S * own.rate)
    for n in range(QUANTUM):
        target = held(delay_s[n] * own.rate, SHORTEST, longest)
        now, old, fade = glide(now, old, fade, target, fade_step)
        echo = faded_tap(line, at, now, old, fade)
        y = settled(audible(float(sound[n])) + held(float(feedback[n]), -MOST, MOST) * echo)
        line[at & (SAMPLES - 1)] = np.float32(y)
        out[n] = np.float32(y)
        at += 1
    own.at, own.now, own.old, own.fade = at, now, old, fade


UNITS: Final = (comb,)
