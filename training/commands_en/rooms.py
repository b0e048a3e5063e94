"""Rooms, as impulse responses: a direct sound, a few early reflections, a noise tail that decays.

In: a random generator. Out: an impulse response, or speech in that room. Invariants: the direct
sound arrives at once, so word times stay true. Thread: any.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from .features import SAMPLE_RATE

FloatArray = npt.NDArray[np.float32]


def impulse_response(rng: np.random.Generator) -> FloatArray:
    """A room with a reverberation time of 0.15 to 0.7 s and a direct sound 0 to 15 dB above the tail."""
    rt60_s = rng.uniform(0.15, 0.7)
    length = int(min(rt60_s, 0.5) * SAMPLE_RATE)
    time_s = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * 10 ** (-3 * time_s / rt60_s)
    # The tail loses its high notes as it decays; a running mean that it turns into does that.
    dull = np.convolve(tail, np.ones(4) / 2, mode="same")
    fade = np.minimum(1, time_s / rt60_s)
    tail = tail * (1 - fade) + dull * fade
    tail[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0
    response = tail / np.sqrt((tail**2).sum()) * 10 ** (-rng.uniform(0, 15) / 20)
    response[0] = 1.0
    for _ in range(rng.integers(2, 8)):
        response[rng.integers(16, 640)] += rng.choice([-1, 1]) * rng.uniform(0.05, 0.4)
    return response.astype(np.float32)


def in_room(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The samples in a room, as loud as before, with 0.2 s more for the tail."""
    wet = fftconvolve(samples, impulse_response(rng))[: samples.size + SAMPLE_RATE // 5]
    loudness = np.sqrt((samples**2).sum() / max(1e-9, (wet**2).sum()))
    return (wet * loudness).astype(np.float32)
