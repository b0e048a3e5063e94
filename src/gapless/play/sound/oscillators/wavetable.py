"""``wavetable``: a row of waves, and every wave between two of them.

In: hertz and a place in the row. Out: about -1 to 1. Invariants: as of ``tables``; below about 15 Hz the waves keep the
1,024 harmonics that they have there. Thread: the callback's.

The row: sine, triangle, saw, square, a pulse of an eighth of its period, and a voice-like wave with two formants.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.audio.types import Samples
from gapless.play.sound.numbers import step_of, within, wrapped
from gapless.play.sound.oscillators.tables import (
    LENGTH,
    TOP,
    copies_of,
    harmonics_of,
    level_of,
    read,
    saw_copies,
    triangle_copies,
)
from gapless.play.sound.unit import QUANTUM, Input, unit, wire
from gapless.realtime.native import samples_view

WAVES: Final = 6
FORMANTS: Final = ((5.0, 1.5), (11.0, 2.0))
"""Middle and width, in harmonics."""


@cache
def row() -> Samples:
    """Copies of all waves, wave by wave, float32 [WAVES * LENGTH]."""
    k = np.arange(1, harmonics_of(TOP) + 1)
    only_first = np.where(k == 1, -1j, 0)
    square = np.where(k % 2, -4j / (np.pi * k), 0)
    narrow = 2 / (np.pi * k) * (np.exp(-0.25j * np.pi * k) * np.sin(np.pi * k / 8)) * 2
    voice = sum(np.exp(-0.5 * ((k - middle) / wide) ** 2) for middle, wide in FORMANTS) + 0.5 / k**2
    voice = -1j * voice / np.sqrt(np.sum(voice**2))
    spectra = [np.concatenate([[0j], one]) for one in (only_first, square, narrow, voice)]
    first, *others = (copies_of(one) for one in spectra)
    return np.concatenate([first, triangle_copies(), saw_copies(), *others])


def _use_row(record: npt.NDArray[np.void], _rate_hz: float) -> None:
    record["copies"] = row().ctypes.data


@unit(
    "wavetable",
    fields=[("phase", "f8"), ("copies", "i8")],
    inputs=[
        Input("hz", 440.0, "frequency, Hz"),
        Input("morph", 0.0, "0 sine, 0.2 triangle, 0.4 saw, 0.6 square, 0.8 narrow pulse, 1 voice"),
    ],
    doc="a wave between six, band-limited",
    scaled=["hz"],
    prepare=_use_row,
)
def wavetable(pointer: Any) -> None:
    """Read two waves."""
    own = carray(pointer, (1,))[0]
    hz, morph, out = wire(own.inputs[0]), wire(own.inputs[1]), wire(own.outputs[0])
    inverse_rate, phase = 1 / own.rate, own.phase
    copies = samples_view(own.copies, WAVES * LENGTH)
    for n in range(QUANTUM):
        step = step_of(hz[n], inverse_rate)
        level, mixed = level_of(step)
        if level >= TOP:
            level, mixed = TOP - 1, 1.0
        place = within(morph[n], 0.0, 1.0, 0.0) * (WAVES - 1)
        wave = min(int(place), WAVES - 2)
        # The list of copies is as long for each wave, so that the next wave's lie as many levels further on.
        first = read(copies, wave * (TOP + 1) + level, mixed, phase)
        second = read(copies, (wave + 1) * (TOP + 1) + level, mixed, phase)
        out[n] = np.float32(first + (place - wave) * (second - first))
        phase = wrapped(phase + step)
    own.phase = phase


UNITS: Final = (wavetable,)
