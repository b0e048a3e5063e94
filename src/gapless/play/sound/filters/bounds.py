"""What keeps a unit sound whatever comes in: bounds for arguments, for sounds and for states.

In: one number. Out: one that can be worked with. Invariants: not-a-number never passes. Thread: the callback's.
"""

from __future__ import annotations

from typing import Final

from gapless.realtime.zone import zone

LOUDEST: Final = 1e6
"""What is beyond is no sound but an accident, and is taken for silence: so it leaves no trace in a feedback."""
SILENT: Final = 1e-20
"""-400 dB; smaller numbers would become denormal, and slow, as they fade."""
SETTLED: Final = 1e30
"""No state of a filter that works is larger."""


@zone
def held(value: float, low: float, high: float) -> float:
    """``value`` within bounds; ``low`` if it is not a number."""
    # Numba's ``max`` would let not-a-number through.
    if value > high:
        return high
    if value > low:
        return value
    return low


@zone
def audible(value: float) -> float:
    """A sample that came in; 0 if it is not a number or beyond ``LOUDEST``."""
    return value if abs(value) <= LOUDEST else 0.0


@zone
def settled(state: float) -> float:
    """A number that is kept; 0 if it is about to become denormal, or is infinite or none."""
    return state if SILENT < abs(state) < SETTLED else 0.0
