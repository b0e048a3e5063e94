"""``supersaw superpwm superfm superchip``: several oscillators as one.

In: hertz. Out: about -1 to 1. Invariants: band-limited as the oscillators that they are made of. Thread: the
callback's.

The supersaw has the detuning and mix of the Roland JP-8000, measured and fitted by A. Szabo, "How to Emulate the Super
Saw", KTH 2010: seven saws at fixed ratios, spread by a polynomial of the detune control; the middle one and the six
others are mixed by two more. It needs no high-pass filter, which hides aliases there; its level is that of one saw.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.numbers import step_of, turned, within, wrapped
from gapless.play.sound.oscillators.sines import modulated
from gapless.play.sound.oscillators.tables import LENGTH, level_of
from gapless.play.sound.oscillators.waves import HZ, pulse_at, saw_at, use_saws
from gapless.play.sound.unit import QUANTUM, Input, Record, unit, wire
from gapless.realtime.native import samples_view
from gapless.realtime.zone import zone

SAWS: Final = 7
OFFSETS: Final = np.array(
    [0.0, -0.11002313, -0.06288439, -0.01952356, 0.01991221, 0.06216538, 0.10745242]
)
"""Of their frequencies, in parts, at full detune; the middle one first."""
# fmt: off
SPREAD: Final = np.array([
    10028.7312891634, -50818.8652045924, 111363.4808729368, -138150.6761080548, 106649.6679158292, -53046.9642751875,
    17019.9518580080, -3425.0836591318, 404.2703938388, -24.1878824391, 0.6717417634, 0.0030115596,
])
# fmt: on
"""Detune control to share of the offsets, highest power first."""
STARTS: Final = np.array([0.0, 0.137, 0.711, 0.389, 0.853, 0.274, 0.566])
"""Phases at the start: spread, so that it begins as it goes on; the same each time."""


def _start_supersaw(record: npt.NDArray[np.void], rate_hz: float) -> None:
    use_saws(record, rate_hz)
    record["phases"] = STARTS
    record["detune"] = -1.0


@unit(
    "supersaw",
    fields=[
        ("copies", "i8"),
        ("phases", "f8", (SAWS,)),
        ("detune", "f8"),
        ("spread", "f8"),
    ],
    inputs=[
        HZ,
        Input("detune", 0.3, "how far the six others lie from the middle one, 0 to 1"),
        Input("mix", 0.75, "how loud they are, 0 to 1"),
    ],
    doc="seven saws, as loud as one",
    scaled=["hz"],
    prepare=_start_supersaw,
)
def supersaw(pointer: Any) -> None:
    """The levels of the highest saw serve for all."""
    own = carray(pointer, (1,))[0]
    hz, detune, mix = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    copies, phases = samples_view(own.copies, LENGTH), own.phases
    for n in range(QUANTUM):
        wanted = within(detune[n], 0.0, 1.0, 0.0)
        if wanted != own.detune:
            own.detune = wanted
            _set_spread(own, wanted)
        share = within(mix[n], 0.0, 1.0, 0.0)
        middle = 0.99785 - 0.55366 * share
        others = 0.044372 + (1.2841 - 0.73764 * share) * share
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step * (1 + OFFSETS[SAWS - 1] * own.spread))
        total = 0.0
        for k in range(1, SAWS):
            total += saw_at(copies, level, mixed, phases[k])
            phases[k] = wrapped(phases[k] + step * (1 + OFFSETS[k] * own.spread))
        total = others * total + middle * saw_at(copies, level, mixed, phases[0])
        phases[0] = wrapped(phases[0] + step)
        power = middle * middle + (SAWS - 1) * others * others
        out[n] = np.float32(total / np.sqrt(power))


@zone
def _set_spread(own: Record, detune: float) -> None:
    spread = 0.0
    for k in range(len(SPREAD)):
        spread = spread * detune + SPREAD[k]
    own.spread = spread


@unit(
    "superpwm",
    fields=[("copies", "i8"), ("phases", "f8", (2,)), ("swing", "f8")],
    inputs=[
        HZ,
        Input("rate", 0.5, "how often the widths go to and fro, Hz"),
        Input("depth", 0.5, "how far, 0 to 1"),
    ],
    doc="two pulses 7 cents apart, whose widths move against each other",
    scaled=["hz"],
    prepare=use_saws,
)
def superpwm(pointer: Any) -> None:
    """Two pulses, without the means that their widths give them."""
    own = carray(pointer, (1,))[0]
    hz, often, depth = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    copies, phases, swing = samples_view(own.copies, LENGTH), own.phases, own.swing
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step * 1.002)
        moved = 0.45 * within(depth[n], 0.0, 1.0, 0.0) * turned(swing)
        first = pulse_at(copies, level, mixed, phases[0], 0.5 + moved)
        second = pulse_at(copies, level, mixed, phases[1], 0.5 - moved)
        # The means, 2 * width - 1, are each other's opposites.
        out[n] = np.float32(0.5 * (first + second))
        phases[0] = wrapped(phases[0] + step * 1.002)
        phases[1] = wrapped(phases[1] + step * 0.998)
        swing = wrapped(swing + step_of(often[n], inverse_rate))
    own.swing = swing


@unit(
    "superfm",
    fields=[("phases", "f8", (4,))],
    inputs=[
        HZ,
        Input("ratio", 2.0, "the modulators' frequencies, times hz"),
        Input("index", 2.0, "depth, radians; lowered where it would alias"),
    ],
    doc="two fm a few cents apart, the second an octave higher and softer",
    scaled=["hz"],
)
def superfm(pointer: Any) -> None:
    """Two pairs of phases."""
    own = carray(pointer, (1,))[0]
    hz, ratio, index = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.inputs[2])
    out, inverse_rate, phases = wire(own.outputs[0]), 1 / own.rate, own.phases
    for n in range(QUANTUM):
        low, high = step_of(hz[n], inverse_rate), step_of(2.004 * hz[n], inverse_rate)
        low_modulator, high_modulator = step_of(low * ratio[n], 1.0), step_of(high * ratio[n], 1.0)
        deep = within(index[n], -1e3, 1e3, 0.0)
        first = modulated(low, low_modulator, phases[0], phases[1], deep)
        second = modulated(high, high_modulator, phases[2], phases[3], 0.5 * deep)
        out[n] = np.float32(0.75 * first + 0.25 * second)
        phases[0] = wrapped(phases[0] + low)
        phases[1] = wrapped(phases[1] + low_modulator)
        phases[2] = wrapped(phases[2] + high)
        phases[3] = wrapped(phases[3] + high_modulator)


@unit(
    "superchip",
    fields=[("copies", "i8"), ("phases", "f8", (2,)), ("swing", "f8")],
    inputs=[
        HZ,
        Input("rate", 5.0, "of the vibrato, Hz"),
        Input("depth", 0.2, "of the vibrato, semitones, at most 12"),
        Input("width", 0.25, "of the pulse, 0 to 1"),
    ],
    doc="a pulse with vibrato over a square an octave below, as of an old sound chip",
    scaled=["hz"],
    prepare=use_saws,
)
def superchip(pointer: Any) -> None:
    """Two pulses, the second at half the frequency of the first."""
    own = carray(pointer, (1,))[0]
    hz, often, depth, width = (
        wire(own.inputs[0]),
        wire(own.inputs[1]),
        wire(own.inputs[2]),
        wire(own.inputs[3]),
    )
    out, inverse_rate = wire(own.outputs[0]), 1 / own.rate
    copies, phases, swing = samples_view(own.copies, LENGTH), own.phases, own.swing
    for n in range(QUANTUM):
        # A straight line for the exponential: within 3 cents for a vibrato of a semitone.
        bend = 1 + 0.0594631 * within(depth[n], -12.0, 12.0, 0.0) * turned(swing)
        step = step_of(hz[n] * bend, inverse_rate)
        level, mixed = level_of(step)
        low_level, low_mixed = level_of(0.5 * step)
        wide = within(width[n], 0.0, 1.0, 0.25)
        mean = 2 * wide - 1 if level > 0 else 0.0
        upper = pulse_at(copies, level, mixed, phases[0], wide) - mean
        lower = pulse_at(copies, low_level, low_mixed, phases[1], 0.5)
        # What is too high is silent altogether.
        lower = lower if level > 0 else 0.0
        out[n] = np.float32(0.6 * upper + 0.25 * lower)
        phases[0] = wrapped(phases[0] + step)
        phases[1] = wrapped(phases[1] + 0.5 * step)
        swing = wrapped(swing + step_of(often[n], inverse_rate))
    own.swing = swing


UNITS: Final = (supersaw, superpwm, superfm, superchip)
