"""What is done to every number that comes in by a wire, for it may be anything: NaN, infinite, or far off.

In: numbers. Out: numbers that can do no harm. Invariants: nothing that these give is NaN; no branches. Thread: any.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types

from gapless.realtime.zone import Code, instruction, zone

MOST_S: Final = 1e4
"""The longest time that is told from forever."""
FAINTEST: Final = 1e-15
LOUDEST: Final = 1e6
"""What is greater is no sound."""


@zone
def within(value: float, low: float, high: float, otherwise: float) -> float:
    """The value, no less than ``low`` and no more than ``high``; ``otherwise`` if it is NaN."""
    return otherwise if math.isnan(value) else min(max(value, low), high)


@zone
def sane(value: float) -> float:
    """A sample: 0 if it is NaN or no sound."""
    return value if abs(value) <= LOUDEST else 0.0


@zone
def audible(value: float) -> float:
    """0 for what is far too small to be heard: a state that dies away would end among the slow denormal numbers."""
    return value if abs(value) > FAINTEST else 0.0


@zone
def samples_of(seconds: float, rate: float) -> float:
    """A time in samples: at least one."""
    return max(within(seconds, 0.0, MOST_S, 0.0) * rate, 1.0)


@zone
def step_of(hz: float, inverse_rate: float) -> float:
    """A frequency in periods per sample, negative backwards; 0.5, which is silent, for what is too high or NaN."""
    step = hz * inverse_rate
    return step if abs(step) < 0.5 else 0.5


@zone
def wrapped(phase: float) -> float:
    """A phase in periods, from 0 to 1."""
    whole: float = np.floor(phase)
    return phase - whole


@zone
def turned(periods: float) -> float:
    """The sine of an angle in periods, within 4e-11 of the truth; of |angle| < 1e9.

    Source: a polynomial in the squared angle, times what is 0 where the sine is, fitted at 4,000 Chebyshev points.
    """
    whole: float = np.floor(periods + 0.5)
    angle = periods - whole
    square = angle * angle
    rest = 0.6094077737333576
    rest = rest * square - 3.6186615096366976
    rest = rest * square + 14.178212828149581
    rest = rest * square - 38.512542765637185
    rest = rest * square + 67.07760378635811
    rest = rest * square - 64.83584377966046
    rest = rest * square + 25.13274122803809
    return angle * (0.25 - square) * rest


@zone
def rises(before: float, now: float) -> bool:
    """Whether this is the sample in which a trigger comes: above 0 after one that was not."""
    return now > 0.0 and not before > 0.0


@instruction
def bits_of(_: Any, value: Any) -> Code[int]:
    """The 32 bits of a float32."""
    del value

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return Code(types.int32(types.float32), generate)
