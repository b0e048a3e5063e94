"""``saw square tri pulse``: the classic waves, band-limited, and ``phasor impulse``, which are not.

In: hertz. Out: -1 to 1 (band-limited edges overshoot that by 18 %). Invariants: see ``tables``; a frequency at or
above the Nyquist frequency, or NaN, is silent; a negative one runs backwards; at 0 Hz the wave stands still.
Below about 14 Hz at 44.1 kHz the shapes are exact, for use as slow movements. Thread: the callback's.

A pulse is the difference of two saws, the second later by the pulse's width, so it is as free of aliases as they are
while the width moves slowly; it has the mean that its width gives it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.audio.types import Samples
from gapless.play.sound.numbers import step_of, within, wrapped
from gapless.play.sound.oscillators.tables import (
    LENGTH,
    TOP,
    level_of,
    plain_share,
    read,
    read_top,
    saw_copies,
    triangle_copies,
)
from gapless.play.sound.unit import QUANTUM, Input, unit, wire
from gapless.realtime.native import samples_view
from gapless.realtime.zone import zone

HZ: Final = Input("hz", 440.0, "frequency, Hz")
FIELDS: Final = [("phase", "f8"), ("copies", "i8")]


def use_saws(record: npt.NDArray[np.void], _rate_hz: float) -> None:
    """Let a record read the saw's tables."""
    record["copies"] = saw_copies().ctypes.data


def use_triangles(record: npt.NDArray[np.void], _rate_hz: float) -> None:
    """Let a record read the triangle's tables."""
    record["copies"] = triangle_copies().ctypes.data


@zone
def saw_at(copies: Samples, level: int, mixed: float, phase: float) -> float:
    """A saw at a phase, from the saw's tables."""
    if level < TOP:
        return read(copies, level, mixed, phase)
    found = read_top(copies, phase)
    return found + plain_share(level, mixed) * (2 * phase - 1 - found)


@zone
def pulse_at(copies: Samples, level: int, mixed: float, phase: float, width: float) -> float:
    """A pulse at a phase, from the saw's tables."""
    later = phase - width
    later += 1.0 if later < 0.0 else 0.0
    mean = 2 * width - 1 if level > 0 else 0.0
    if level < TOP:
        return read(copies, level, mixed, later) - read(copies, level, mixed, phase) + mean
    found = read_top(copies, later) - read_top(copies, phase) + mean
    plain = 1.0 if phase < width else -1.0
    return found + plain_share(level, mixed) * (plain - found)


@unit(
    "saw",
    fields=FIELDS,
    inputs=[HZ],
    doc="a saw, rising, band-limited",
    scaled=["hz"],
    prepare=use_saws,
)
def saw(pointer: Any) -> None:
    """Read."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    copies, inverse_rate, phase = samples_view(own.copies, LENGTH), 1 / own.rate, own.phase
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step)
        out[n] = np.float32(saw_at(copies, level, mixed, phase))
        phase = wrapped(phase + step)
    own.phase = phase


@unit(
    "square",
    fields=FIELDS,
    inputs=[HZ],
    doc="a square wave, band-limited",
    scaled=["hz"],
    prepare=use_saws,
)
def square(pointer: Any) -> None:
    """A pulse half as wide as its period."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    copies, inverse_rate, phase = samples_view(own.copies, LENGTH), 1 / own.rate, own.phase
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step)
        out[n] = np.float32(pulse_at(copies, level, mixed, phase, 0.5))
        phase = wrapped(phase + step)
    own.phase = phase


@unit(
    "pulse",
    fields=FIELDS,
    inputs=[HZ, Input("width", 0.5, "share of the period in which it is 1; 0 to 1")],
    doc="a pulse of any width, band-limited",
    scaled=["hz"],
    prepare=use_saws,
)
def pulse(pointer: Any) -> None:
    """Read two saws."""
    own = carray(pointer, (1,))[0]
    hz, width, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    copies, inverse_rate, phase = samples_view(own.copies, LENGTH), 1 / own.rate, own.phase
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step)
        wide = within(width[n], 0.0, 1.0, 0.5)
        out[n] = np.float32(pulse_at(copies, level, mixed, phase, wide))
        phase = wrapped(phase + step)
    own.phase = phase


@unit(
    "tri",
    fields=FIELDS,
    inputs=[HZ],
    doc="a triangle wave, band-limited",
    scaled=["hz"],
    prepare=use_triangles,
)
def tri(pointer: Any) -> None:
    """Read."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    copies, inverse_rate, phase = samples_view(own.copies, LENGTH), 1 / own.rate, own.phase
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step)
        out[n] = np.float32(triangle_at(copies, level, mixed, phase))
        phase = wrapped(phase + step)
    own.phase = phase


@zone
def triangle_at(copies: Samples, level: int, mixed: float, phase: float) -> float:
    """A triangle at a phase, from the triangle's tables."""
    if level < TOP:
        return read(copies, level, mixed, phase)
    found = read_top(copies, phase)
    return found + plain_share(level, mixed) * (1 - 4 * abs(phase - 0.5) - found)


@unit(
    "phasor",
    fields=[("phase", "f8")],
    inputs=[Input("hz", 1.0, "frequency, Hz"), Input("shift", 0.0, "added to the phase, periods")],
    doc="a ramp from 0 to 1, for control: not band-limited",
    scaled=["hz"],
)
def phasor(pointer: Any) -> None:
    """The phase itself."""
    own = carray(pointer, (1,))[0]
    hz, shift, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    inverse_rate, phase = 1 / own.rate, own.phase
    for n in range(QUANTUM):
        out[n] = np.float32(wrapped(phase + within(shift[n], -1e6, 1e6, 0.0)))
        phase = wrapped(phase + step_of(hz[n], inverse_rate))
    own.phase = phase


@unit(
    "impulse",
    fields=[("left", "f8")],
    inputs=[Input("hz", 1.0, "impulses per second")],
    doc="a single sample of 1 in every period, from the first on; for triggers: not band-limited",
    scaled=["hz"],
)
def impulse(pointer: Any) -> None:
    """Count down what is left of the period."""
    own = carray(pointer, (1,))[0]
    hz, out = wire(own.inputs[0]), wire(own.outputs[0])
    inverse_rate, left = 1 / own.rate, own.left
    for n in range(QUANTUM):
        fires = left <= 0.0
        out[n] = np.float32(1.0) if fires else np.float32(0.0)
        left += (1.0 if fires else 0.0) - abs(step_of(hz[n], inverse_rate))
    own.left = left


UNITS: Final = (saw, square, tri, pulse, phasor, impulse)
