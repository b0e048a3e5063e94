"""How a voice sounds, ten times a second: pitch, loudness, colour, and three traits that follow from them.

In: 16 kHz mono samples in any split. Out: one ``Voice`` for each whole 100 ms. Invariants: the result does not depend
on the split; a block's values depend on its own samples alone, except ``flux``, which compares it with the one before.
Thread: one at a time.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import median
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.dsp.fft import n_bins, power_spectra, roots_of_unity
from gapless.dsp.pitch import yin_period
from gapless.dsp.spectral import mean_square, spectral_shape

BLOCK_SAMPLES: Final = LISTEN_RATE_HZ // 10

QUIETEST_DBFS: Final = -120.0
"""What digital silence is told as; 16-bit samples reach down to about -98."""

PITCH_HZ: Final = (50.0, 1100.0)
"""Lowest and highest pitch that is looked for."""

PITCH_THRESHOLD: Final = 0.15
"""Share of the energy that may change from one period to the next in a voiced sound."""

UNVOICED_DBFS: Final = -60.0
"""Sounds below it have no pitch: hum of the mains is periodic too."""

_SHORTEST: Final = int(LISTEN_RATE_HZ / PITCH_HZ[1])
_LONGEST: Final = int(LISTEN_RATE_HZ / PITCH_HZ[0])
_PITCH_FRAME: Final = 832
_PITCH_HOP: Final = 384
"""Three frames of 52 ms cover a block."""

_N_FFT: Final = 512
_SPECTRUM_HOP: Final = 272
_SPECTRA: Final = 5
"""Five frames of 32 ms cover a block."""


class Traits(NamedTuple):
    """Ethos, logos and pathos of a voice, each 0..1."""

    ethos: float
    """Loud, low and steady."""
    logos: float
    """Clear: tonal, near the middle of the speaking range."""
    pathos: float
    """Restless: noisy, changing, away from a calm pitch."""


class Voice(msgspec.Struct, frozen=True):
    """How 100 ms of a stream sound."""

    at_ms: int
    """Where the 100 ms begin."""
    pitch_hz: float | None
    """None: unvoiced."""
    loudness_dbfs: float
    """Root mean square; a sine of full scale is at -3.01, silence at -120."""
    centroid_hz: float
    """Mean frequency, weighted by magnitude; 0 for silence."""
    flux: float
    """0..1: the share of the spectrum that was elsewhere 100 ms ago; 0 at first."""
    flatness: float
    """0..1: about 0 for a tone, near 1 for white noise."""
    elp: Traits
    flux_position: int
    """0-9: see ``flux_position``."""


class VoiceFeatures:
    """Describes the voice of one stream, or of one utterance of it.

    Args:
        start: position in the stream of the first sample that will be fed.
    """

    def __init__(self, start: int = 0) -> None:
        self._tables = _tables()
        self.reset(start)

    def reset(self, start: int = 0) -> None:
        """Forget everything, a begun block included; what follows begins at ``start``."""
        self._position = start
        """Of the first kept sample."""
        self._kept: Samples = np.empty(0, np.float32)
        self._shape = np.zeros(n_bins(_N_FFT), np.float32)
        """Of the block before; zeros if there was none."""

    def process(self, samples: Samples) -> list[Voice]:
        """Take the next samples, return what is known of every 100 ms that are complete."""
        self._kept = np.concatenate((self._kept, samples))
        voices = []
        done = 0
        while done + BLOCK_SAMPLES <= len(self._kept):
            voices.append(self._describe(self._kept[done : done + BLOCK_SAMPLES]))
            done += BLOCK_SAMPLES
        self._kept = self._kept[done:].copy()
        return voices

    def _describe(self, block: Samples) -> Voice:
        loudness_dbfs = _dbfs(mean_square(block))
        centroid_hz, flux, flatness = self._spectrum(block)
        pitch_hz = _pitch_hz(block) if loudness_dbfs >= UNVOICED_DBFS else None
        traits = elp(pitch_hz, loudness_dbfs, flux, flatness)
        at_ms = samples_to_ms(self._position, LISTEN_RATE_HZ)
        self._position += BLOCK_SAMPLES
        return Voice(
            at_ms=at_ms,
            pitch_hz=pitch_hz,
            loudness_dbfs=loudness_dbfs,
            centroid_hz=centroid_hz,
            flux=flux,
            flatness=flatness,
            elp=traits,
            flux_position=flux_position(traits),
        )

    def _spectrum(self, block: Samples) -> tuple[float, float, float]:
        window, roots = self._tables
        power = np.empty((n_bins(_N_FFT), _SPECTRA), np.float32)
        power_spectra(block, _SPECTRUM_HOP, window, False, np.float32(0.0), roots, power)
        shape = np.empty_like(self._shape)
        centroid, flux, flatness = spectral_shape(power, self._shape, shape)
        self._shape = shape
        return centroid * LISTEN_RATE_HZ / _N_FFT, flux, flatness


def elp(pitch_hz: float | None, loudness_dbfs: float, flux: float, flatness: float) -> Traits:
    """Ethos, logos and pathos of a sound; unvoiced sounds have none of what belongs to a pitch.

    Args:
        pitch_hz: None if unvoiced.
        loudness_dbfs: root mean square.
        flux: 0..1.
        flatness: 0..1.
    """
    loud = _unit((loudness_dbfs + 60.0) / 60.0)
    steady = (1.0 - flux) / 2.0
    grave = clear = tense = 0.0
    if pitch_hz is not None:
        grave = _unit(1.0 - abs(pitch_hz - 120.0) / 200.0)
        clear = _unit(1.0 - abs(pitch_hz - 220.0) / 250.0)
        tense = _unit(abs(pitch_hz - 180.0) / 100.0)
    return Traits(
        ethos=_unit(0.5 * loud + 0.3 * grave + 0.2 * steady),
        logos=_unit(0.5 * clear + 0.5 * (1.0 - flatness)),
        pathos=_unit(0.4 * flatness + 0.3 * flux + 0.3 * tense),
    )


def flux_position(traits: Traits) -> int:
    """Which trait leads: 0 if they are in balance, 3, 6 or 9 if one stands out, or else one of 1 2 4 5 7 8.

    In balance: all within 0.05 of their mean. Standing out: the largest exceeds 0.7; 3 is ethos, 6 pathos, 9 logos.
    Otherwise the largest and the second decide. Of equals, the first of ethos, logos, pathos counts as the larger.
    """
    values = {"ethos": traits.ethos, "logos": traits.logos, "pathos": traits.pathos}
    mean = sum(values.values()) / 3.0
    if all(abs(value - mean) <= _BALANCED for value in values.values()):
        return 0
    largest, second, _ = sorted(values, key=lambda name: -values[name])
    if values[largest] > _OUTSTANDING:
        return _ANCHORS[largest]
    return _FLOW[largest, second]


_BALANCED: Final = 0.05
_OUTSTANDING: Final = 0.7
_ANCHORS: Final = {"ethos": 3, "pathos": 6, "logos": 9}
_FLOW: Final = {
    ("ethos", "logos"): 1,
    ("ethos", "pathos"): 2,
    ("pathos", "ethos"): 4,
    ("pathos", "logos"): 5,
    ("logos", "pathos"): 7,
    ("logos", "ethos"): 8,
}


def _pitch_hz(block: Samples) -> float | None:
    """The middle one of three pitches; None if most of the block is unvoiced."""
    starts = range(0, BLOCK_SAMPLES - _PITCH_FRAME + 1, _PITCH_HOP)
    frames = [block[start : start + _PITCH_FRAME] for start in starts]
    threshold = np.float32(PITCH_THRESHOLD)
    periods = [float(yin_period(frame, _SHORTEST, _LONGEST, threshold)) for frame in frames]
    voiced = [period for period in periods if period > 0]
    if 2 * len(voiced) <= len(periods):
        return None
    return LISTEN_RATE_HZ / median(voiced)


def _dbfs(mean_of_squares: float) -> float:
    if mean_of_squares <= 0.0:
        return QUIETEST_DBFS
    return max(10.0 * math.log10(mean_of_squares), QUIETEST_DBFS)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


@cache
def _tables() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The window and the roots of the spectra, shared by all streams."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_N_FFT) / _N_FFT)
    return hann.astype(np.float32), roots_of_unity(_N_FFT)
