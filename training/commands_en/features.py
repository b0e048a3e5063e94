"""The model's front end in NumPy: log-mel features of 10 ms, exactly as ``model.json`` states them.

In: mono samples at 16 kHz. Out: float32 [frames, 40]. Invariants: frame k depends on samples
160k .. 160k+399 only: no padding, no statistics of the utterance. Thread: any.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

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


def features(samples: FloatArray) -> FloatArray:
    """float32 [frames, 40]; the frames are a multiple of 4, the rest is dropped."""
    frames = log_mel(mel_power(samples))
    return frames[: len(frames) // STACK * STACK]
