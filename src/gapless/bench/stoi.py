"""STOI: how well processed speech is still understood, 0 to 1, by how its loudness follows that of the clean speech.

In: clean and processed speech, aligned. Out: a score. Thread: any (pure functions).

Source: C. H. Taal, R. C. Hendriks, R. Heusdens, J. Jensen, "An Algorithm for Intelligibility Prediction of
Time-Frequency Weighted Noisy Speech", IEEE Transactions on Audio, Speech, and Language Processing 19, 2011.
"""

from __future__ import annotations

import itertools
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 10_000
FRAME: Final = 256
HOP: Final = FRAME // 2
FFT: Final = 512
BANDS: Final = 15
LOWEST_HZ: Final = 150
"""Centre of the lowest third of an octave."""
SEGMENT: Final = 30
"""Frames over which loudness is compared: 384 ms."""
SILENT_DB: Final = 40
"""Frames so much quieter than the loudest of the clean speech do not count."""
CLIP: Final = 1 + 10 ** (15 / 20)
"""One band of one frame can be wrong by -15 dB of signal to distortion at most."""
TINY: Final = float(np.finfo(np.float64).eps)

Array: TypeAlias = npt.NDArray[np.float64]


def stoi(clean: npt.NDArray[np.floating], processed: npt.NDArray[np.floating]) -> float:
    """The score.

    Args:
        clean: [n] at 10 kHz.
        processed: [n] at 10 kHz, where ``clean`` is.

    Raises:
        ValueError: there is less than 0.4 s of speech.
    """
    kept = _without_silence(clean.astype(np.float64), processed.astype(np.float64))
    ours, theirs = (_segments(_thirds(signal)) for signal in kept)
    theirs *= _norm(ours) / (_norm(theirs) + TINY)
    theirs = np.minimum(theirs, ours * CLIP)
    return float(np.mean(np.sum(_normalised(ours) * _normalised(theirs), axis=2)))


def _without_silence(clean: Array, processed: Array) -> tuple[Array, Array]:
    ours, theirs = _frames(clean), _frames(processed)
    level_db = 20 * np.log10(np.linalg.norm(ours, axis=1) + TINY)
    loud = level_db > np.max(level_db, initial=-np.inf) - SILENT_DB
    if np.count_nonzero(loud) <= SEGMENT:
        raise ValueError("there is too little speech; give at least 0.4 s that is not silent")
    return _joined(ours[loud]), _joined(theirs[loud])


def _frames(signal: Array) -> Array:
    window = np.hanning(FRAME + 2)[1:-1]
    cut = np.lib.stride_tricks.sliding_window_view(signal[:-1], FRAME)[::HOP]
    windowed: Array = cut * window
    return windowed


def _joined(frames: Array) -> Array:
    """Frames laid over each other by half."""
    joined = np.zeros((len(frames) + 1, HOP))
    joined[:-1] += frames[:, :HOP]
    joined[1:] += frames[:, HOP:]
    return joined.ravel()


def _thirds(signal: Array) -> Array:
    """Root of the energy in thirds of an octave: [BANDS, n_frames]."""
    power = np.abs(np.fft.rfft(_frames(signal), FFT)) ** 2
    bin_hz = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    edges_hz = LOWEST_HZ * 2.0 ** ((2 * np.arange(BANDS + 1) - 1) / 6)
    edges = [int(np.argmin((bin_hz - edge) ** 2)) for edge in edges_hz]
    bands = [power[:, low:high].sum(axis=1) for low, high in itertools.pairwise(edges)]
    thirds: Array = np.sqrt(np.array(bands))
    return thirds


def _segments(bands: Array) -> Array:
    """[n_segments, BANDS, SEGMENT], one beginning at each frame."""
    if bands.shape[1] < SEGMENT:
        raise ValueError("there is too little speech; give at least 0.4 s that is not silent")
    segments = np.lib.stride_tricks.sliding_window_view(bands, SEGMENT, axis=1)
    return np.ascontiguousarray(segments.transpose(1, 0, 2))


def _norm(segments: Array) -> Array:
    norm: Array = np.linalg.norm(segments, axis=2, keepdims=True)
    return norm


def _normalised(segments: Array) -> Array:
    centred = segments - segments.mean(axis=2, keepdims=True)
    unit: Array = centred / (_norm(centred) + TINY)
    return unit
