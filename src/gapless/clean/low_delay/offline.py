"""A whole recording through the low-delay denoiser, as the callback and its worker would clean it.

In: samples at 48 kHz. Out: as many, where they were: the delay is taken out. Invariants: the very kernels of the
callback run, in its order; gains come as many hops late as they are told to. Thread: any; the interpreter lock is
released.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.clean.low_delay.bands import BANDS, HOP_SAMPLES
from gapless.clean.low_delay.floors import set_gains
from gapless.clean.low_delay.hop import process_hop
from gapless.clean.low_delay.network import Weights
from gapless.clean.low_delay.rnnoise_gains import SpeculativeRnnoise, speculate
from gapless.clean.low_delay.state import State, make_state
from gapless.clean.low_delay.weights import load_weights
from gapless.clean.rnnoise import FRAME_SAMPLES
from gapless.dsp.kernel import kernel
from gapless.errors import ConfigError

Floats = npt.NDArray[np.float32]

NEVER: Final = -1
"""Hops that gains are late by, when they do not come at all."""
FRAME_HOPS: Final = FRAME_SAMPLES // HOP_SAMPLES


def suppress(samples: Samples, *, with_rnnoise: bool = True, late_hops: int = 0) -> Samples:
    """Clean a recording.

    Args:
        samples: float32 [n] at 48 kHz, finite, at most 2.
        with_rnnoise: False: the network alone, as when the worker has no time.
        late_hops: how late RNNoise's gains come, in hops of 2 ms; 0: with the hop that ends with their frame.

    Returns:
        float32 [n], aligned with ``samples``.

    Raises:
        ConfigError: ``late_hops`` is negative.
        MissingDependencyError: RNNoise is not installed.
    """
    if late_hops < 0:
        raise ConfigError(
            f"late_hops = {late_hops} is not usable: give 0 or more", param="late_hops"
        )
    n_frames = len(samples) // FRAME_SAMPLES
    gains = np.zeros((n_frames, BANDS), np.float32)
    vad = np.zeros(n_frames, np.float32)
    late = np.full(n_frames, late_hops if with_rnnoise else NEVER)
    if with_rnnoise:
        gains, vad = speculative_gains(samples)
    return suppress_with(samples, gains, vad, late, load_weights())


def speculative_gains(samples: Samples) -> tuple[Floats, Floats]:
    """What RNNoise thinks of each whole frame of a recording.

    Args:
        samples: float32 [n] at 48 kHz.

    Returns:
        float32 [n // 480, BANDS], gains; and float32 [n // 480], probabilities of speech.

    Raises:
        MissingDependencyError: RNNoise is not installed.
    """
    n_frames = len(samples) // FRAME_SAMPLES
    gains = np.zeros((n_frames, BANDS), np.float32)
    vad = np.zeros(n_frames, np.float32)
    stream = SpeculativeRnnoise()
    try:
        _speculate_all(stream.record[0], stream.snapshot, samples, gains, vad)
    finally:
        stream.close()
    return gains, vad


def suppress_with(
    samples: Samples,
    gains: Floats,
    vad: Floats,
    late_hops: npt.NDArray[np.int64],
    weights: np.ndarray[tuple[int], Any],
) -> Samples:
    """Clean a recording with gains that are known already.

    Args:
        samples: float32 [n] at 48 kHz.
        gains: float32 [n // 480, BANDS], of each whole frame.
        vad: float32 [n // 480].
        late_hops: int64 [n // 480]: how late the gains of each frame come, or ``NEVER``.
        weights: of the network.

    Returns:
        float32 [n], aligned with ``samples``.
    """
    n_hops = -(-len(samples) // HOP_SAMPLES) + 1
    padded = np.zeros(n_hops * HOP_SAMPLES, np.float32)
    padded[: len(samples)] = samples
    cleaned = np.empty_like(padded)
    _suppress_all(make_state()[0], weights[0], padded, (gains, vad, late_hops), cleaned)
    return cleaned[HOP_SAMPLES : HOP_SAMPLES + len(samples)]


@kernel
def give_gains(state: State, hop: int, known: tuple[Floats, Floats, npt.NDArray[np.int64]]) -> None:
    """Give the state the gains that come before a hop.

    Args:
        state: a record of ``STATE``.
        hop: number of the hop, from 0, that is processed next.
        known: gains, probabilities of speech and lateness of each frame.
    """
    gains, vad, late_hops = known
    last = min(hop // FRAME_HOPS, gains.shape[0])
    for frame in range(max(last - 16, 0), last):
        if late_hops[frame] != NEVER and (frame + 1) * FRAME_HOPS + late_hops[frame] == hop:
            set_gains(state, gains[frame], vad[frame], (frame + 1) * FRAME_SAMPLES)


@kernel
def _suppress_all(
    state: State,
    weights: Weights,
    samples: Floats,
    known: tuple[Floats, Floats, npt.NDArray[np.int64]],
    cleaned: Floats,
) -> None:
    for hop in range(samples.shape[0] // HOP_SAMPLES):
        give_gains(state, hop, known)
        start = hop * HOP_SAMPLES
        block = slice(start, start + HOP_SAMPLES)
        process_hop(state, weights, samples[block], cleaned[block])


@kernel
def _speculate_all(
    rnnoise: Any, snapshot: npt.NDArray[np.uint8], samples: Floats, gains: Floats, vad: Floats
) -> None:
    cleaned = np.empty(FRAME_SAMPLES, np.float32)
    for frame in range(gains.shape[0]):
        start = frame * FRAME_SAMPLES
        heard = samples[start : start + FRAME_SAMPLES]
        vad[frame] = speculate(rnnoise, snapshot, heard, cleaned, gains[frame])
