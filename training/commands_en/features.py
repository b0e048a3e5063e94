"""The model's front end in NumPy: log-mel features of 10 ms, and how its encoder normalises them.

In: mono samples at 16 kHz. Out: float32 [frames, 40]. Invariants: frame k depends on samples up to
160k+399 only; log-mel features depend on no earlier frame. Thread: any.

For one of its towers the encoder's graph undoes the logarithm and divides each band by its own recent
mean (per-channel energy normalisation: Wang et al., Trainable Frontend For Robust and Far-Field Keyword
Spotting, ICASSP 2017).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

FloatArray = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16000
WINDOW: Final = 400
HOP: Final = 160
FFT: Final = 512
MELS: Final = 40
LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 7600.0
FLOOR: Final = 1e-6
OFFSET: Final = 6.0
SCALE: Final = 0.25
STACK: Final = 4
"""Frames of 10 ms that the encoder takes in one step."""

SMOOTHING: Final = 0.025
"""Weight of a frame in the mean: a time constant of 400 ms."""
GAIN: Final = 0.98
BIAS: Final = 2.0


def mel_filters() -> FloatArray:
    """Triangles on HTK's mel scale, peak 1: float32 [257, 40]."""
    edges_mel = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), MELS + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


_FILTERS: Final = mel_filters()
_HANN: Final = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def mel_power(samples: FloatArray) -> FloatArray:
    """Power in each mel band: float32 [frames, 40], for at least 400 samples."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    parts = []
    for start in range(0, len(frames), 4096):  # an hour of audio must not need an hour's spectra
        spectrum = np.fft.rfft(frames[start : start + 4096] * _HANN, FFT)
        parts.append((spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _FILTERS)
    return np.concatenate(parts)


def log_mel(power: FloatArray) -> FloatArray:
    """What the network sees of a power."""
    return ((np.log(power + FLOOR) + OFFSET) * SCALE).astype(np.float32)


def fronts(power: FloatArray, state: FloatArray | None = None) -> FloatArray:
    """What both towers are given: float32 [..., frames, 80], log-mel features, then normalised ones."""
    return np.concatenate([log_mel(power), normalised(power, state)], axis=-1)


def whole_steps(frames: FloatArray) -> FloatArray:
    """The frames without those that do not fill a step of the encoder."""
    return frames[: len(frames) // STACK * STACK]


def normalised(power: FloatArray, state: FloatArray | None = None) -> FloatArray:
    """What the encoder makes of a power.

    Args:
        power: [..., frames, 40].
        state: [..., 41]: each band's decaying sum, and that of as many ones; None: a beginning. The
            mean is one sum by the other, so that it is right from the first frame on.

    Returns:
        float32 [..., frames, 40].
    """
    counted = np.concatenate([power, np.ones_like(power[..., :1])], axis=-1)
    if state is None:
        state = np.zeros_like(counted[..., 0, :])
    decay = np.float32(1 - SMOOTHING)
    sums, _ = lfilter(
        np.array([SMOOTHING], np.float32),
        np.array([1, -decay], np.float32),
        counted,
        axis=-2,
        zi=decay * state[..., None, :],
    )
    mean = sums[..., :MELS] / sums[..., MELS:]
    ratio = power / (np.float32(FLOOR) + mean) ** np.float32(GAIN)
    return np.sqrt(ratio + np.float32(BIAS)) - np.sqrt(np.float32(BIAS))
