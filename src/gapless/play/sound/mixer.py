"""What puts signals together: ``copy``, and ``mix``, which sums the outputs of a program.

In: wires. Out: wires. Invariants: an output that comes or goes is faded;
from one way to keep the sum within bounds to another it goes by a fade. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

MOST: Final = 64
"""Outputs of a program."""
PLACES: Final = 3 * MOST
"""For those, for as many that ring out, and for as many that fade."""
FADE_QUANTA: Final = 8
"""10 ms at 48 kHz."""

# Ways to sum.
NONE: Final = 0
GAIN: Final = 1
SQRT: Final = 2
TANH: Final = 3
HARD: Final = 4

# What becomes of the sum.
STRAIGHT: Final = 0
BENT: Final = 1
CUT: Final = 2
SHAPES: Final = 3


@zone
def _rise(share: float) -> np.float32:
    """From 0 to 1 without corners."""
    return np.float32(share * share * (3.0 - 2.0 * share))


@unit("copy", fields=[], inputs=[Input("in", None, "what is copied")], doc="the same again")
def copy(pointer: Any) -> None:
    """Give what comes in."""
    own = carray(pointer, (1,))[0]
    source, out = wire(own.inputs[0]), wire(own.outputs[0])
    for n in range(QUANTUM):
        out[n] = source[n]


@unit(
    "fade_in",
    fields=[("passed", "i8")],
    inputs=[Input("in", None, "what fades in")],
    doc="the same again, from silence on",
)
def fade_in(pointer: Any) -> None:
    """Give what comes in, louder and louder for 10 ms, then as it is."""
    own = carray(pointer, (1,))[0]
    source, out = wire(own.inputs[0]), wire(own.outputs[0])
    whole = FADE_QUANTA * QUANTUM
    for n in range(QUANTUM):
        out[n] = source[n] * _rise(min(own.passed + n, whole) / whole)
    own.passed = min(own.passed + QUANTUM, whole)


@unit(
    "blend",
    fields=[("passed", "i8")],
    inputs=[Input("a", None, "at first"), Input("b", None, "then")],
    doc="from one to the other",
)
def blend(pointer: Any) -> None:
    """Go from one input to the other in 10 ms."""
    own = carray(pointer, (1,))[0]
    old, new, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    whole = FADE_QUANTA * QUANTUM
    for n in range(QUANTUM):
        share = _rise(min(own.passed + n, whole) / whole)
        out[n] = old[n] + share * (new[n] - old[n])
    own.passed = min(own.passed + QUANTUM, whole)


def is_done(record: npt.NDArray[np.void]) -> bool:
    """Whether a ``blend`` has come to its end."""
    return int(record["passed"][0]) >= FADE_QUANTA * QUANTUM


@unit(
    "mix",
    fields=[
        ("count", "i8"),  # of outputs that are summed, for those ways that ask
        ("way", "i8"),
        ("scale", "f8"),  # now; 0: nothing was heard yet
        ("generation", "i8"),  # of the graph that was put in last
        ("shares", "f8", (SHAPES,)),  # now, of each way to bound; all 0: nothing was heard yet
        ("left", "i8", (PLACES,)),  # addresses of wires; 0: nobody has this place
        ("right", "i8", (PLACES,)),
        ("gain", "f8", (PLACES,)),  # now
        ("wanted", "f8", (PLACES,)),
    ],
    inputs=[],
    outputs=2,
    doc="the sum of a program's outputs",
)
def mix(pointer: Any) -> None:
    """Sum, and keep within bounds as told; what is not finite is silence."""
    own = carray(pointer, (1,))[0]
    left, right = wire(own.outputs[0]), wire(own.outputs[1])
    wanted = 1.0
    if own.way == GAIN and own.count > 0:
        wanted = 1.0 / own.count
    elif own.way == SQRT and own.count > 0:
        wanted = 1.0 / math.sqrt(own.count)
    scale = own.scale if own.scale > 0 else wanted
    # As much in a quantum as the gain of one that comes, at most.
    own.scale = scale + min(max(wanted - scale, -1.0 / FADE_QUANTA), 1.0 / FADE_QUANTA)
    change = (own.scale - scale) / QUANTUM
    for n in range(QUANTUM):
        left[n] = right[n] = np.float32(0.0)
    for k in range(PLACES):
        if own.left[k] == 0:
            continue
        from_left, from_right = wire(own.left[k]), wire(own.right[k])
        gain = own.gain[k]
        # What is reached in the last sample of a quantum is where the next one begins.
        most = 1.0 / FADE_QUANTA
        step = min(max(own.wanted[k] - gain, -most), most) / QUANTUM
        for n in range(QUANTUM):
            gain += step
            heard = np.float32(scale + (n + 1) * change) * _rise(gain)
            left[n] += heard * from_left[n]
            right[n] += heard * from_right[n]
        reached = abs(own.wanted[k] - own.gain[k]) <= most
        own.gain[k] = own.wanted[k] if reached else gain
    _bound(own, left, right)


@zone
def _bound(own: Record, left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> None:
    """Keep a quantum within bounds: where the way is another one now, from one to the other."""
    shape = STRAIGHT
    if own.way == TANH:
        shape = BENT
    elif own.way == HARD:
        shape = CUT
    shares = own.shares
    if shares[STRAIGHT] + shares[BENT] + shares[CUT] == 0:
        shares[shape] = 1.0
    if shares[shape] >= 1.0:
        for n in range(QUANTUM):
            left[n] = _bounded(left[n], shape)
            right[n] = _bounded(right[n], shape)
        return
    before = shares[shape]
    after = before + 1.0 / FADE_QUANTA
    if after > 1.0 - 0.5 / FADE_QUANTA:
        after = 1.0
    for n in range(QUANTUM):
        # So much is left of the others, of which there may be two.
        share = before + (after - before) * (n + 1) / QUANTUM
        rest = (1.0 - share) / (1.0 - before)
        new_left = share * _bounded(left[n], shape)
        new_right = share * _bounded(right[n], shape)
        for other in range(SHAPES):
            if other != shape and shares[other] > 0:
                new_left += rest * shares[other] * _bounded(left[n], other)
                new_right += rest * shares[other] * _bounded(right[n], other)
        left[n], right[n] = np.float32(new_left), np.float32(new_right)
    for other in range(SHAPES):
        shares[other] *= (1.0 - after) / (1.0 - before)
    shares[shape] = after


@zone
def _bounded(sample: np.float32, shape: int) -> np.float32:
    if not math.isfinite(sample):
        return np.float32(0.0)
    if shape == BENT:
        return np.float32(math.tanh(sample))
    if shape == CUT:
        return min(max(sample, np.float32(-1.0)), np.float32(1.0))
    return sample
