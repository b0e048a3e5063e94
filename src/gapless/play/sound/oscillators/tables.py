"""One period of a wave in many copies, each with as many harmonics as fit below the Nyquist frequency.

In: spectra; frequencies and phases. Out: samples without aliases. Invariants: no harmonic is read that lies above the
Nyquist frequency; while a frequency moves, its harmonics come and go gradually; below about 14 Hz at 44.1 kHz the plain
shape is read, whose first alias is its 1,280th harmonic. Thread: tables are made when the first record that
needs them is; they are read in the callback.

Copies have 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20 ... 1,024 harmonics, four to an octave, because then the place
in the list is a part of the bits of a float. Between two copies, and two samples of them, lie straight lines: with
4,096 samples a period that leaves aliases below -90 dB, measured at nine frequencies from 27.5 Hz to 16 kHz.

Source: bandlimited wavetables as in R. Bristow-Johnson, "Wavetable Synthesis 101", AES 1996; the spacing and the way
copies are mixed are chosen here by measurement. (Of the other ways: polynomial steps of 4 points leave -35 dB at
19.1 kHz for a saw of 5 kHz, by their spectrum sinc^4; longer steps add delay.)
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.play.sound.numbers import bits_of
from gapless.realtime.zone import zone

SIZE: Final = 4096
"""Samples of a period."""
ROW: Final = SIZE + 16
"""Samples of a copy, with some of the next period."""
TOP: Final = 41
"""The copy with the most harmonics; copy 0 has none."""
LENGTH: Final = (TOP + 1) * ROW

ONE: Final = 127 << 2
"""The bits of 1.0 that are used: its exponent and the first two of its fraction."""
PLAIN: Final = 1536.0
"""Harmonics that would fit from which on the shape is plain; from 1,280 on it is mixed in."""


def harmonics_of(copy: int) -> int:
    """How many harmonics a copy has."""
    octave, quarter = divmod(copy - 1, 4)
    return int(2**octave * (1 + quarter / 4)) if copy else 0


def copies_of(spectrum: npt.NDArray[np.complex128]) -> Samples:
    """All copies of a wave.

    Args:
        spectrum: [1025] amplitudes: the wave is the real part of the sum of ``spectrum[k] * exp(2 pi i k phase)``.

    Returns:
        float32 [LENGTH], copy by copy.
    """
    bins = np.zeros((TOP + 1, SIZE // 2 + 1), np.complex128)
    for copy in range(TOP + 1):
        count = harmonics_of(copy) + 1
        bins[copy, :count] = spectrum[:count]
    bins[:, 0] *= 2
    periods = np.fft.irfft(bins * (SIZE / 2), axis=1)
    return np.hstack([periods, periods[:, : ROW - SIZE]]).astype(np.float32).ravel()


@cache
def saw_copies() -> Samples:
    """Of what rises from -1 to 1."""
    k = np.arange(1, harmonics_of(TOP) + 1)
    return copies_of(np.concatenate([[0.0], 2j / (np.pi * k)]))


@cache
def triangle_copies() -> Samples:
    """Of what rises from -1 to 1 and falls again."""
    k = np.arange(1, harmonics_of(TOP) + 1)
    return copies_of(np.concatenate([[0.0], np.where(k % 2, -8 / (np.pi * k) ** 2, 0.0)]) + 0j)


@zone
def level_of(step: float) -> tuple[int, float]:
    """Which two copies are mixed, and how much of the second, for so many periods per sample."""
    fits = np.float32(min(0.5 / max(abs(step), 1e-9), PLAIN))
    bits = bits_of(fits)
    copy = (bits >> 21) - ONE
    mixed = (bits & 0x1FFFFF) * (1.0 / 0x200000)
    return (copy, mixed) if copy >= 0 else (0, 0.0)


@zone
def read(copies: Samples, level: int, mixed: float, phase: float) -> float:
    """The wave at a phase, 0 to 1; ``level`` below ``TOP``."""
    place = phase * SIZE
    index = int(place)
    part = place - index
    at = level * ROW + index
    first: float = copies[at] + part * (copies[at + 1] - copies[at])
    at += ROW
    second: float = copies[at] + part * (copies[at + 1] - copies[at])
    return first + mixed * (second - first)


@zone
def read_top(copies: Samples, phase: float) -> float:
    """The wave at a phase with all its harmonics."""
    place = phase * SIZE
    index = int(place)
    part = place - index
    at = TOP * ROW + index
    found: float = copies[at] + part * (copies[at + 1] - copies[at])
    return found


@zone
def plain_share(level: int, mixed: float) -> float:
    """How much of the plain shape there is, for a level of ``TOP`` or more."""
    return mixed * 2 if level == TOP else 1.0
