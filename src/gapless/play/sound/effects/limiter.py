"""``limiter``: no sample above a ceiling, by looking ahead.

In: left and right. Out: both, ``LOOK`` samples late, times one gain. Invariants: no sample that comes out is above the
ceiling that held when it came in; what stays below it comes out as it was. Thread: the callback's.

How: the gain that each sample needs; the least of the last ``LOOK + 1`` of them (kept as a queue of rising values: D.
Lemire, Streaming Maximum-Minimum Filter, 2006); a release that never rises above that; and the average of ``LOOK`` of
those, none of which is above what the sample that leaves now needs.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.filters.bounds import audible, held
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

LOOK: Final = 64
"""Samples, a power of two: 1.5 ms at 44.1 kHz."""
ROUNDING: Final = 1.0 - 2.0**-22
"""By so much less than the ceiling, that rounding to float32 does not lift a sample above it."""
FIELDS: Final = [
    ("ceiling_db", "f8"),
    ("ceiling", "f8"),
    ("release_s", "f8"),
    ("release", "f8"),
    ("at", "i8"),
    ("first", "i8"),  # the queue is from here
    ("end", "i8"),  # to here
    ("when", "i8", (2 * LOOK,)),
    ("needed", "f8", (2 * LOOK,)),
    ("gain", "f8"),
    ("gains", "f8", (LOOK,)),
    ("left", "f8", (LOOK,)),
    ("right", "f8", (LOOK,)),
]


def _prepare(record: npt.NDArray[np.void], _rate_hz: float) -> None:
    record["gain"] = 1.0
    record["gains"] = 1.0
    record["ceiling"] = ROUNDING


@zone
def _least(own: Record, at: int, needed: float) -> float:
    """The least gain that the samples up to this one, ``LOOK`` before it and all between need."""
    first, end, mask = own.first, own.end, 2 * LOOK - 1
    if first < end and own.when[first & mask] < at - LOOK:
        first += 1
    while first < end and own.needed[(end - 1) & mask] >= needed:
        end -= 1
    own.when[end & mask] = at
    own.needed[end & mask] = needed
    own.first, own.end = first, end + 1
    least: float = own.needed[first & mask]
    return least


@unit(
    "limiter",
    fields=FIELDS,
    inputs=[
        Input("in", 0.0, "sound, left"),
        Input("in2", 0.0, "right"),
        Input("ceiling_db", -0.3, "of samples, -60..24 dB"),
        Input("release_s", 0.1, "time constant, up to 10 s"),
    ],
    outputs=2,
    doc="no sample above a ceiling",
    prepare=_prepare,
    latency_samples=LOOK,
    tail_s=0.002,
)
def limiter(pointer: Any) -> None:
    """One gain for both sides."""
    own = carray(pointer, (1,))[0]
    left, right = wire(own.inputs[0]), wire(own.inputs[1])
    ceiling_db, release_s = wire(own.inputs[2]), wire(own.inputs[3])
    out_left, out_right = wire(own.outputs[0]), wire(own.outputs[1])
    at, gain = own.at, own.gain
    total = 0.0
    for n in range(LOOK):
        total += own.gains[n]
    for n in range(QUANTUM):
        asked = held(float(ceiling_db[n]), -60.0, 24.0)
        if asked != own.ceiling_db:
            own.ceiling_db = asked
            own.ceiling = math.pow(10.0, asked / 20.0) * ROUNDING
        asked = held(float(release_s[n]), 1e-5, 10.0)
        if asked != own.release_s:
            own.release_s = asked
            own.release = 1.0 - math.exp(-1.0 / (asked * own.rate))
        x_left, x_right = audible(float(left[n])), audible(float(right[n]))
        peak = max(abs(x_left), abs(x_right))
        least = _least(own, at, own.ceiling / peak if peak > own.ceiling else 1.0)
        gain = min(least, gain + (1.0 - gain) * own.release)
        place = at & (LOOK - 1)
        total += gain - own.gains[place]
        own.gains[place] = gain
        # A sum that went up and down a million times can be off in its last bits.
        applied = min(total / LOOK, 1.0)
        out_left[n] = np.float32(applied * own.left[place])
        out_right[n] = np.float32(applied * own.right[place])
        own.left[place], own.right[place] = x_left, x_right
        at += 1
    own.at, own.gain = at, gain


UNITS: Final = (limiter,)
