"""The two-pole filter that most filters are made of: trapezoidal integrators in a loop without delay.

In: a sample and the states. Out: the band-pass and low-pass outputs and the new states. Invariants: the states' energy
does not grow when nothing comes in, however ``g`` >= 0 and ``k`` >= 0 change from sample to sample (the trapezoidal
rule keeps what holds for the analogue circuit); the response is that of the analogue filter, its frequency axis bent by
``tan``. Thread: the callback's.

Sources: V. Zavalishin, The Art of VA Filter Design, 2018, chapters 3 and 4; A. Simper, Solving the Continuous SVF
Equations Using Trapezoidal Integration and Equivalent Currents, 2013.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from gapless.play.sound.filters.bounds import audible, held, settled
from gapless.play.sound.unit import QUANTUM, Record, wire
from gapless.realtime.zone import zone

LOWEST_HZ: Final = 1.0
"""Below it, at 0 Hz too, cutoffs are taken for it: a filter that stands still would keep what is in it."""
HIGHEST: Final = 0.49
"""The highest cutoff, as a share of the rate."""
NARROWEST: Final = 100.0
"""The highest ``q``."""
WIDEST: Final = 0.05
"""The lowest ``q``."""

STATES: Final[list[tuple[Any, ...]]] = [("band", "f8"), ("low", "f8")]
"""Fields of a unit's record."""


@zone
def prewarped(hz: float, rate_hz: float) -> float:
    """``g``: the tangent of half the cutoff's angle, exact to 1e-7, of any ``hz``.

    With the tangent of a quarter from its continued fraction (Lambert 1768), and one division.
    """
    quarter = held(hz, LOWEST_HZ, HIGHEST * rate_hz) * (math.pi / 2) / rate_hz
    square = quarter * quarter
    above = quarter * (945.0 + square * (square - 105.0))
    below = 945.0 + square * (15.0 * square - 420.0)
    return 2.0 * above * below / (below * below - above * above)


@zone
def damping(q: float) -> float:
    """``k`` of a quality factor."""
    return 1.0 / held(q, WIDEST, NARROWEST)


@zone
def undamping(resonance: float) -> float:
    """``k`` of a resonance of 0 (none) .. 1 (``NARROWEST``, next to oscillation)."""
    return 2.0 + held(resonance, 0.0, 1.0) * (1.0 / NARROWEST - 2.0)


@zone
def step(
    x: float, band: float, low: float, g: float, k: float
) -> tuple[float, float, float, float]:
    """One sample.

    Returns:
        band-pass (peak gain 1 / k) and low-pass outputs, and the new ``band`` and ``low`` states.
    """
    v1 = (band + g * (x - low)) / (1.0 + g * (g + k))
    v2 = low + g * v1
    return v1, v2, 2.0 * v1 - band, 2.0 * v2 - low


@zone
def run_by_q(own: Record, dry: float, banded: float, lowered: float) -> None:
    """A quantum of a unit with the inputs ``in``, ``hz`` and ``q``: a weighted sum of what came in and the outputs."""
    sound, hz, q = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    band, low = own.band, own.low
    for n in range(QUANTUM):
        x = audible(float(sound[n]))
        k = damping(float(q[n]))
        v1, v2, band, low = step(x, band, low, prewarped(float(hz[n]), own.rate), k)
        out[n] = np.float32(dry * x + banded * k * v1 + lowered * v2)
    own.band, own.low = settled(band), settled(low)


@zone
def run_by_resonance(own: Record, dry: float, banded: float, lowered: float) -> None:
    """The same with the inputs ``in``, ``hz`` and ``resonance``."""
    sound, hz, resonance = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out = wire(own.outputs[0])
    band, low = own.band, own.low
    for n in range(QUANTUM):
        x = audible(float(sound[n]))
        k = undamping(float(resonance[n]))
        v1, v2, band, low = step(x, band, low, prewarped(float(hz[n]), own.rate), k)
        out[n] = np.float32(dry * x + banded * k * v1 + lowered * v2)
    own.band, own.low = settled(band), settled(low)
