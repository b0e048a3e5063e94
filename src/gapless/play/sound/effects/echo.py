"""``delay pingpong``: a sound again and again.

In: a sound; of ``pingpong`` left and right. Out: it and its echoes. Invariants: the feedback is below 1, so they fade;
the time may change at any sample without a click (``filters.delay_line``). Thread: the callback's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.filters.delay_line import FADE_S, SHORTEST, TAP, faded_tap, glide
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

LONGEST_S: Final = 4.0
SAMPLES: Final = 1 << 19
"""5.4 s at 96 kHz."""
MOST: Final = 0.99

TIME: Final = Input("time_s", 0.25, "to the first echo, up to 4 s")
FEEDBACK: Final = Input("feedback", 0.3, "of each echo into the next, -0.99..0.99")
MIX: Final = Input("mix", 0.5, "0 the sound alone, 1 the echoes alone")


@unit(
    "delay",
    fields=[*TAP, ("line", "f4", (SAMPLES,))],
    inputs=[Input("in", 0.0, "sound"), TIME, FEEDBACK, MIX],
    doc="echoes",
    tail_s=2.25,
)
def delay(pointer: Any) -> None:
    """One line, fed back."""
    own = carray(pointer, (1,))[0]
    sound, time_s, feedback, mix = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out = wire(own.outputs[0])
    line, at, now, old, fade = own.line, own.at, own.now, own.old, own.fade
    longest = min(LONGEST_S * own.rate, SAMPLES - 4.0)
    fade_step = 1.0 / (FADE_S * own.rate)
    for n in range(QUANTUM):
        target = held(time_s[n] * own.rate, SHORTEST, longest)
        now, old, fade = glide(now, old, fade, target, fade_step)
        echo = faded_tap(line, at, now, old, fade)
        x = audible(float(sound[n]))
        line[at & (SAMPLES - 1)] = np.float32(
            settled(x + held(float(feedback[n]), -MOST, MOST) * echo)
        )
        out[n] = np.float32(x + held(float(mix[n]), 0.0, 1.0) * (echo - x))
        at += 1
    own.at, own.now, own.old, own.fade = at, now, old, fade


@unit(
    "pingpong",
    fields=[*TAP, ("left", "f4", (SAMPLES,)), ("right", "f4", (SAMPLES,))],
    inputs=[Input("in", 0.0, "sound, left"), Input("in2", 0.0, "right"), TIME, FEEDBACK, MIX],
    outputs=2,
    doc="echoes, in turn left and right",
    tail_s=2.25,
)
def pingpong(pointer: Any) -> None:
    """Both sides of the sound go into the left line, that into the right one, and that into the left."""
    own = carray(pointer, (1,))[0]
    in_left, in_right, time_s, feedback, mix = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
        wire(own.inputs[4]),
    )
    out_left, out_right = wire(own.outputs[0]), wire(own.outputs[1])
    left, right, at, now, old, fade = own.left, own.right, own.at, own.now, own.old, own.fade
    longest = min(LONGEST_S * own.rate, SAMPLES - 4.0)
    fade_step = 1.0 / (FADE_S * own.rate)
    for n in range(QUANTUM):
        target = held(time_s[n] * own.rate, SHORTEST, longest)
        now, old, fade = glide(now, old, fade, target, fade_step)
        back = held(float(feedback[n]), -MOST, MOST)
        wet = held(float(mix[n]), 0.0, 1.0)
        left_echo = faded_tap(left, at, now, old, fade)
        right_echo = back * faded_tap(right, at, now, old, fade)
        x_left, x_right = audible(float(in_left[n])), audible(float(in_right[n]))
        place = at & (SAMPLES - 1)
        left[place] = np.float32(settled(0.5 * (x_left + x_right) + back * right_echo))
        right[place] = np.float32(settled(left_echo))
        out_left[n] = np.float32(x_left + wet * (left_echo - x_left))
        out_right[n] = np.float32(x_right + wet * (right_echo - x_right))
        at += 1
    own.at, own.now, own.old, own.fade = at, now, old, fade


UNITS: Final = (delay, pingpong)
