"""What steers other units, and what mixes signals: ``lag sample_hold schmidt xfade mix select pan2``.

In: signals. Out: signals. Invariants: a sample that is NaN or no sound never stays in a state. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import audible, rises, samples_of, sane, turned, within
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

FALL_60_DB: Final = -6.907755278982137
"""The natural logarithm of a thousandth."""
CHOICES: Final = 8
IN: Final = Input("in", None, "signal")


@unit(
    "lag",
    fields=[("level", "f8"), ("seconds", "f8"), ("kept", "f8"), ("started", "i8")],
    inputs=[IN, Input("seconds", 0.1, "until all but a thousandth of the way is gone, s")],
    doc="follows a signal with delay: a one-pole low-pass filter; begins where the signal does",
)
def lag(pointer: Any) -> None:
    """The coefficient is computed when the time changes."""
    own = carray(pointer, (1,))[0]
    signal, seconds, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    level = own.level
    if own.started == 0:
        own.started = 1
        own.seconds = -1.0
        level = sane(signal[0])
    for n in range(QUANTUM):
        if seconds[n] != own.seconds:
            own.seconds = seconds[n]
            lasts = samples_of(seconds[n], own.rate)
            own.kept = math.exp(FALL_60_DB / lasts) if lasts > 1.0 else 0.0
        wanted = sane(signal[n])
        level = wanted + audible(own.kept * (level - wanted))
        out[n] = np.float32(level)
    own.level = level


@unit(
    "sample_hold",
    fields=[("level", "f4"), ("trig", "f4")],
    inputs=[IN, Input("trig", None, "takes a sample when it rises above 0")],
    doc="the signal as it was when the trigger came",
)
def sample_hold(pointer: Any) -> None:
    """Take and keep."""
    own = carray(pointer, (1,))[0]
    signal, trig, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    level, before = own.level, own.trig
    for n in range(QUANTUM):
        if rises(before, trig[n]):
            level = np.float32(sane(signal[n]))
        before = trig[n]
        out[n] = level
    own.level, own.trig = level, before


@unit(
    "schmidt",
    fields=[("high", "i8")],
    inputs=[
        IN,
        Input("low", 0.25, "where it goes back to 0, below"),
        Input("high", 0.75, "where it goes to 1, above"),
    ],
    doc="1 after the signal was above the higher limit, 0 after it was below the lower",
)
def schmidt(pointer: Any) -> None:
    """Remember on which side it was."""
    own = carray(pointer, (1,))[0]
    signal, low, high = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, is_high = wire(own.outputs[0]), own.high
    for n in range(QUANTUM):
        is_high = 1 if signal[n] > high[n] else (0 if signal[n] < low[n] else is_high)
        out[n] = np.float32(is_high)
    own.high = is_high


@unit(
    "xfade",
    fields=[],
    inputs=[
        Input("a", None, "one signal"),
        Input("b", None, "the other"),
        Input("place", 0.5, "0: all of a, 1: all of b"),
    ],
    doc="from one signal to the other, along a straight line",
)
def xfade(pointer: Any) -> None:
    """Mix."""
    own = carray(pointer, (1,))[0]
    first, second, place = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        share = np.float32(within(place[n], 0.0, 1.0, 0.5))
        out[n] = first[n] + share * (second[n] - first[n])


@unit(
    "mix",
    fields=[],
    inputs=[Input(chr(ord("a") + k), None if k == 0 else 0.0, "signal") for k in range(CHOICES)],
    doc="the sum of up to eight signals",
)
def mix(pointer: Any) -> None:
    """Add, one wire after the other."""
    own = carray(pointer, (1,))[0]
    out, first = wire(own.outputs[0]), wire(own.inputs[0])
    for n in range(QUANTUM):
        out[n] = first[n]
    for k in range(1, CHOICES):
        one = wire(own.inputs[k])
        for n in range(QUANTUM):
            out[n] += one[n]


@unit(
    "select",
    fields=[],
    inputs=[
        Input("which", None, "number, from 0; rounded down, kept within 0 to 7"),
        *(Input(chr(ord("a") + k), None if k == 0 else 0.0, "signal") for k in range(CHOICES)),
    ],
    doc="one of up to eight signals",
)
def select(pointer: Any) -> None:
    """Look where to look."""
    own = carray(pointer, (1,))[0]
    which, out = wire(own.inputs[0]), wire(own.outputs[0])
    for n in range(QUANTUM):
        chosen = int(within(which[n], 0.0, CHOICES - 1.0, 0.0))
        out[n] = wire(own.inputs[1 + chosen])[n]


@unit(
    "pan2",
    fields=[],
    inputs=[IN, Input("pos", 0.0, "-1 left, 0 middle, 1 right")],
    doc="a place between left and right, of equal power",
    outputs=2,
)
def pan2(pointer: Any) -> None:
    """A quarter of a circle: the sine for the right, the cosine for the left."""
    own = carray(pointer, (1,))[0]
    signal, pos = wire(own.inputs[0]), wire(own.inputs[1])
    left, right = wire(own.outputs[0]), wire(own.outputs[1])
    for n in range(QUANTUM):
        angle = (within(pos[n], -1.0, 1.0, 0.0) + 1) / 8
        sound = signal[n]
        left[n] = np.float32(sound * turned(angle + 0.25))
        right[n] = np.float32(sound * turned(angle))


UNITS: Final = (lag, sample_hold, schmidt, xfade, mix, select, pan2)
