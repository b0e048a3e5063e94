"""What is done to signals sample by sample, without memory: sums, products, limits, curves.

In: numbers. Out: numbers. Invariants: no state, so bad numbers that come in are gone with them; ``div mod pow mtof``
give a finite number for finite ones. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import within
from gapless.play.sound.unit import QUANTUM, Input, unit, wire

ZERO: Final = 1e-12
"""Nearer to 0 than this, it is 0 to divide by."""
GREATEST: Final = 1e30
"""Of a quotient or power."""
A: Final = Input("a", None, "one")
B: Final = Input("b", None, "the other")
IN: Final = Input("in", None, "signal")


@unit("add", fields=[], inputs=[A, B], doc="a + b")
def add(pointer: Any) -> None:
    """Add."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = first[n] + second[n]


@unit("sub", fields=[], inputs=[A, B], doc="a - b")
def sub(pointer: Any) -> None:
    """Take away."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = first[n] - second[n]


@unit("mul", fields=[], inputs=[A, B], doc="a * b")
def mul(pointer: Any) -> None:
    """Multiply."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = first[n] * second[n]


@unit("div", fields=[], inputs=[A, B], doc="a / b; 0 where b is 0")
def div(pointer: Any) -> None:
    """In double, for a float32 quotient could be infinite."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        below = np.float64(second[n])
        quotient = first[n] / below if abs(below) > ZERO else 0.0
        out[n] = np.float32(within(quotient, -GREATEST, GREATEST, 0.0))


@unit(
    "mod",
    fields=[],
    inputs=[A, B],
    doc="what is left of a after b was taken from it as often as it goes; 0 where b is 0",
)
def mod(pointer: Any) -> None:
    """Like Python: as the sign of b."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        below = np.float64(second[n])
        there = abs(below) > ZERO and abs(first[n] / below) < GREATEST
        out[n] = np.float32(first[n] - np.floor(first[n] / below) * below if there else 0.0)


@unit("pow", fields=[], inputs=[A, B], doc="|a| to the power of b, with the sign of a")
def pow_(pointer: Any) -> None:
    """Defined for all numbers."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        power = abs(np.float64(first[n])) ** within(second[n], -100.0, 100.0, 1.0)
        out[n] = np.float32(within(math.copysign(power, first[n]), -GREATEST, GREATEST, 0.0))


@unit("neg", fields=[], inputs=[IN], doc="-in")
def neg(pointer: Any) -> None:
    """Turn over."""
    own = carray(pointer, (1,))[0]
    signal, out = wire(own.inputs[0]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = -signal[n]


@unit("abs", fields=[], inputs=[IN], doc="how far from 0")
def abs_(pointer: Any) -> None:
    """Fold."""
    own = carray(pointer, (1,))[0]
    signal, out = wire(own.inputs[0]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = abs(signal[n])


@unit("floor", fields=[], inputs=[IN], doc="the next whole number below")
def floor(pointer: Any) -> None:
    """Round down."""
    own = carray(pointer, (1,))[0]
    signal, out = wire(own.inputs[0]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = np.floor(signal[n])


@unit("min", fields=[], inputs=[A, B], doc="the lesser of two")
def min_(pointer: Any) -> None:
    """Choose."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = min(second[n], first[n])


@unit("max", fields=[], inputs=[A, B], doc="the greater of two")
def max_(pointer: Any) -> None:
    """Choose."""
    own = carray(pointer, (1,))[0]
    first, second, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = max(second[n], first[n])


@unit(
    "clip",
    fields=[],
    inputs=[IN, Input("low", -1.0, "lower limit"), Input("high", 1.0, "upper limit")],
    doc="no less than one limit, no more than the other",
)
def clip(pointer: Any) -> None:
    """Cut off."""
    own = carray(pointer, (1,))[0]
    signal, low, high = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        raised = max(low[n], signal[n])
        out[n] = min(high[n], raised)


@unit(
    "wrap",
    fields=[],
    inputs=[IN, Input("low", 0.0, "lower limit"), Input("high", 1.0, "upper limit, not reached")],
    doc="what leaves at one limit comes back at the other",
)
def wrap(pointer: Any) -> None:
    """Take away the whole widths; at the lower limit if there is no width, or what comes is too far off."""
    own = carray(pointer, (1,))[0]
    signal, low, high = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        wide = np.float64(high[n]) - low[n]
        place = (signal[n] - low[n]) / wide if abs(wide) > ZERO else 0.0
        place = place - np.floor(place) if abs(place) < GREATEST else 0.0
        back = np.float32(low[n] + wide * place)
        # Rounded to a float32 it may be the upper limit.
        out[n] = low[n] if back == high[n] else back


@unit(
    "range",
    fields=[],
    inputs=[
        Input("in", None, "0 to 1"),
        Input("low", 0.0, "what becomes of 0"),
        Input("high", 1.0, "what becomes of 1"),
    ],
    doc="0 to 1 laid out from low to high",
)
def range_(pointer: Any) -> None:
    """A straight line."""
    own = carray(pointer, (1,))[0]
    signal, low, high = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = low[n] + signal[n] * (high[n] - low[n])


@unit(
    "mtof",
    fields=[],
    inputs=[Input("note", None, "MIDI note number; 69 is 440 Hz")],
    doc="the frequency of a note, Hz",
)
def mtof(pointer: Any) -> None:
    """Twelve equal steps to an octave; notes from -1000 to 1000. One that stays is not computed again."""
    own = carray(pointer, (1,))[0]
    note, out = wire(own.inputs[0]), wire(own.outputs[0])
    before, hz = np.float32(69.0), np.float32(440.0)
    for n in range(QUANTUM):
        if note[n] != before:
            before = note[n]
            hz = np.float32(440.0 * math.exp2((within(before, -1000.0, 1000.0, 69.0) - 69.0) / 12))
        out[n] = hz


UNITS: Final = (
    add,
    sub,
    mul,
    div,
    mod,
    pow_,
    neg,
    abs_,
    floor,
    min_,
    max_,
    clip,
    wrap,
    range_,
    mtof,
)
