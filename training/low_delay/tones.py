"""Noises with pitch: music and sirens.

In: a length in samples at 48 kHz and a seeded generator, from which every parameter is drawn. Out: float64 samples at a
root mean square of 1. Invariants: the same generator gives the same samples. Thread: any.
"""

from __future__ import annotations

import numpy as np
import soxr
from scipy.signal import sawtooth

from commands_en import noise
from commands_en.features import SAMPLE_RATE

from .shaping import RATE_HZ, Signal, coloured, seconds_of, unit


def music(length: int, rng: np.random.Generator) -> Signal:
    """Chords, tunes, a bass and drums, or a telephone, as ``commands_en.noise`` plays them; up to 8 kHz."""
    played = noise.music(length / RATE_HZ + 0.1, rng)
    return unit(soxr.resample(played, SAMPLE_RATE, RATE_HZ)[:length])


def siren(length: int, rng: np.random.Generator) -> Signal:
    """An ambulance: two notes in turn, or one that wails or yelps, over the noise of a street."""
    time_s = seconds_of(length)
    low_hz = rng.uniform(400, 800)
    high_hz = low_hz * rng.uniform(1.2, 2.2)
    kind = rng.integers(3)
    if kind == 0:
        high = np.mod(time_s, rng.uniform(0.8, 1.6)) < rng.uniform(0.4, 0.7)
        position = high.astype(np.float64)
    else:
        rate_hz = rng.uniform(0.15, 0.4) if kind == 1 else rng.uniform(2, 5)
        position = 0.5 + 0.5 * sawtooth(2 * np.pi * rate_hz * time_s, rng.uniform(0.3, 0.9))
    phase = 2 * np.pi * np.cumsum(low_hz + (high_hz - low_hz) * position) / RATE_HZ
    tone = sum(rng.uniform(0.05, 1) / k * np.sin(k * phase) for k in range(1, 8))
    near = 0.3 + np.exp(-(((time_s - rng.uniform(0, time_s[-1])) / rng.uniform(2, 6)) ** 2))
    return unit(unit(np.asarray(tone) * near) + rng.uniform(0.1, 0.5) * coloured(length, 0.9, rng))
