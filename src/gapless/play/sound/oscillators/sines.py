"""``sine``, ``fm`` and ``additive``: sines alone, one inside another, and in rows.

In: hertz. Out: -1 to 1. Invariants: a frequency at or above the Nyquist frequency, or NaN, is silent. Thread: the
callback's.

Frequency modulation has side bands at ``hz +- n * hz * ratio``, of the height of the Bessel functions J_n(index) (J.
Chowning, "The Synthesis of Complex Audio Spectra by Means of Frequency Modulation", JAES 1973). The index is lowered
to where those that would lie above the Nyquist frequency are below -66 dB each. Harmonics in a row come from
Chebyshev's recurrence: sin(k x) = 2 cos(x) sin((k-1) x) - sin((k-2) x).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import step_of, turned, within, wrapped
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.zone import zone

HZ: Final = Input("hz", 440.0, "frequency, Hz")

# fmt: off
QUIET: Final = np.array([
    0.0, 0.002, 0.064, 0.29, 0.666, 1.154, 1.718, 2.34, 3.02, 3.72, 4.44, 5.2, 5.96, 6.74, 7.54, 8.36, 9.18, 10.0,
    10.84, 11.68, 12.54, 13.4, 14.26, 15.12, 16.0, 16.88, 17.76, 18.64, 19.52, 20.42, 21.3, 22.2, 23.1, 24.0,
])
# fmt: on
"""At place n, the index at which the side bands from number n on are all below 5e-4."""
DEEPER: Final = 0.9
"""By how much the index may grow per side band beyond the list."""

MOST: Final = 64
"""Harmonics."""


@unit(
    "sine",
    fields=[("phase", "f8")],
    inputs=[HZ, Input("phase", 0.0, "added to its own, periods")],
    doc="a sine",
    scaled=["hz"],
)
def sine(pointer: Any) -> None:
    """Exact to the last bit of a float32, from a double phase."""
    own = carray(pointer, (1,))[0]
    hz, shift, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    inverse_rate, phase = 1 / own.rate, own.phase
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        heard = 1.0 if step < 0.5 else 0.0
        out[n] = np.float32(heard * turned(phase + within(shift[n], -1e6, 1e6, 0.0)))
        phase = wrapped(phase + step)
    own.phase = phase


@zone
def index_limit(carrier: float, modulator: float) -> float:
    """The greatest index without aliases, for two frequencies in periods per sample."""
    room = (0.5 - abs(carrier)) / max(abs(modulator), 1e-9)
    within_list = min(room, len(QUIET) - 1.001)
    place = int(within_list)
    part = within_list - place
    found: float = QUIET[place] + part * (QUIET[place + 1] - QUIET[place])
    return found + DEEPER * (room - within_list)


@zone
def modulated(
    carrier: float, modulator: float, carrier_phase: float, modulator_phase: float, index: float
) -> float:
    """One sine in another, at given steps and phases; silent if the carrier is too high."""
    limit = index_limit(carrier, modulator)
    deep = min(max(index, -limit), limit) / (2 * math.pi)
    heard = 1.0 if carrier < 0.5 else 0.0
    return heard * turned(carrier_phase + deep * turned(modulator_phase))


@unit(
    "fm",
    fields=[("carrier", "f8"), ("modulator", "f8")],
    inputs=[
        HZ,
        Input("ratio", 2.0, "the modulator's frequency, times hz"),
        Input("index", 1.0, "greatest change of phase, radians; lowered where it would alias"),
    ],
    doc="a sine whose phase another one moves",
    scaled=["hz"],
)
def fm(pointer: Any) -> None:
    """Two phases."""
    own = carray(pointer, (1,))[0]
    hz, ratio, index = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    carrier_phase, modulator_phase = own.carrier, own.modulator
    for n in range(QUANTUM):
        carrier = step_of(hz[n], inverse_rate)
        modulator = step_of(carrier * ratio[n], 1.0)
        deep = within(index[n], -1e3, 1e3, 0.0)
        out[n] = np.float32(modulated(carrier, modulator, carrier_phase, modulator_phase, deep))
        carrier_phase = wrapped(carrier_phase + carrier)
        modulator_phase = wrapped(modulator_phase + modulator)
    own.carrier, own.modulator = carrier_phase, modulator_phase


@unit(
    "additive",
    fields=[
        ("phase", "f8"),
        ("tilt", "f8"),
        ("powers", "f8", (MOST,)),
        ("weights", "f8", (MOST,)),
        ("wanted", "f8", (MOST,)),
        ("double_cosine", "f8", (QUANTUM,)),
        ("current", "f8", (QUANTUM,)),
        ("previous", "f8", (QUANTUM,)),
        ("total", "f8", (QUANTUM,)),
    ],
    inputs=[
        HZ,
        Input("n", 16.0, "how many harmonics, 1 to 64; of a fraction the last is softer"),
        Input(
            "tilt", 1.0, "harmonic k has the height k^-tilt; heard 64 samples at a time, gliding"
        ),
    ],
    doc="harmonics in a row, no louder than 1 together",
    scaled=["hz"],
)
def additive(pointer: Any) -> None:
    """Harmonic by harmonic, all samples of the quantum at a time."""
    own = carray(pointer, (1,))[0]
    hz, count, tilt, out = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.outputs[0]),
    )
    inverse_rate, phase, highest = 1 / own.rate, own.phase, 0.0
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        highest = max(highest, abs(step))
        own.double_cosine[n] = 2 * turned(phase + 0.25)
        own.current[n] = turned(phase)
        own.previous[n] = own.total[n] = 0.0
        phase = wrapped(phase + step)
    own.phase = phase
    last = _weigh(
        own,
        within(count[QUANTUM - 1], 1.0, MOST, 1.0),
        within(tilt[QUANTUM - 1], -8.0, 8.0, 1.0),
        highest,
    )
    for k in range(last):
        _add(own, own.weights[k], (own.wanted[k] - own.weights[k]) / QUANTUM)
        own.weights[k] = own.wanted[k]
    for n in range(QUANTUM):
        out[n] = np.float32(own.total[n])


@zone
def _weigh(own: Record, count: float, tilt: float, highest: float) -> int:
    """Say how high each harmonic shall be at the end of the quantum; gives how many are to be heard in it."""
    if tilt != own.tilt or own.powers[0] == 0.0:
        own.tilt = tilt
        for k in range(MOST):
            own.powers[k] = math.exp2(-tilt * math.log2(k + 1.0))
    fits = min(count, 0.5 / max(highest, 1e-9) - 1.0)
    total = 0.0
    for k in range(MOST):
        own.wanted[k] = own.powers[k] * min(max(fits - k, 0.0), 1.0)
        total += own.powers[k] * min(max(count - k, 0.0), 1.0)
    last = 0
    for k in range(MOST):
        own.wanted[k] /= total
        # What would alias now is not faded out, but gone.
        own.weights[k] = own.weights[k] if (k + 1) * highest < 0.5 else 0.0
        last = k + 1 if own.wanted[k] > 0.0 or own.weights[k] > 0.0 else last
    return last


@zone
def _add(own: Record, weight: float, growth: float) -> None:
    """Add a harmonic, and go on to the next."""
    double_cosine, current, previous, total = (
        own.double_cosine,
        own.current,
        own.previous,
        own.total,
    )
    for n in range(QUANTUM):
        now = current[n]
        total[n] += (weight + n * growth) * now
        current[n] = double_cosine[n] * now - previous[n]
        previous[n] = now


UNITS: Final = (sine, fm, additive)
