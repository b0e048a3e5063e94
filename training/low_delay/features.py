"""What the network learns from: features and ideal gains, made by the product's own kernels.

In: a clean and a noisy recording, RNNoise's gains and how late each comes. Out: arrays by hop. Invariants: training
and product cannot differ, for both run ``gapless.clean.low_delay``. Thread: any.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gapless.clean.low_delay.analysis import TABLE, analyse
from gapless.clean.low_delay.bands import BANDS, BINS, HOP_SAMPLES
from gapless.clean.low_delay.features import describe
from gapless.clean.low_delay.floors import follow_quiet
from gapless.clean.low_delay.offline import NEVER, give_gains
from gapless.clean.low_delay.state import FEATURES, make_state
from gapless.dsp.kernel import kernel

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

SILENCE = 1e-11


class Heard(NamedTuple):
    """A recording, hop by hop."""

    features: FloatArray
    """[hops, FEATURES]."""
    magnitudes: FloatArray
    """[hops, BANDS] of the noisy sound."""
    ratios: FloatArray
    """[hops, BANDS]: magnitude of the clean sound over that of the noisy one, 0..1."""
    aligned: FloatArray
    """[hops, BANDS]: the gain that leaves the least error, phases counted, 0..1."""


def hear(
    clean: FloatArray, noisy: FloatArray, gains: FloatArray, vad: FloatArray, late_hops: IntArray
) -> Heard:
    """Run the product's front end over a pair.

    Args:
        clean: float32 [n] at 48 kHz.
        noisy: float32 [n].
        gains: RNNoise's, of each frame of ``noisy``.
        vad: its probabilities of speech.
        late_hops: of each frame's gains; ``NEVER`` for those that do not come.
    """
    hops = noisy.size // HOP_SAMPLES
    heard = Heard(
        np.empty((hops, FEATURES), np.float32),
        *(np.empty((hops, BANDS), np.float32) for _ in "123"),
    )
    _hear(make_state()[0], make_state()[0], (clean, noisy), (gains, vad, late_hops), heard)
    return heard


@kernel
def _hear(
    state: Any,
    clean_state: Any,
    pair: tuple[FloatArray, FloatArray],
    known: tuple[FloatArray, FloatArray, IntArray],
    heard: Heard,
) -> None:
    clean, noisy = pair
    together = np.empty(BINS, np.float32)
    for hop in range(heard.features.shape[0]):
        give_gains(state, hop, known)
        start = hop * HOP_SAMPLES
        analyse(state, noisy[start : start + HOP_SAMPLES])
        analyse(clean_state, clean[start : start + HOP_SAMPLES])
        follow_quiet(state)
        describe(state)
        heard.features[hop] = state["features"]
        x, s = state["spectrum"], clean_state["spectrum"]
        for k in range(BINS):
            together[k] = x[0, k] * s[0, k] + x[1, k] * s[1, k]
        for b in range(BANDS):
            heard.magnitudes[hop, b] = heard.ratios[hop, b] = heard.aligned[hop, b] = 0.0
        for k in range(BINS):
            _add(heard.magnitudes[hop], k, x[0, k] ** 2 + x[1, k] ** 2)
            _add(heard.ratios[hop], k, s[0, k] ** 2 + s[1, k] ** 2)
            _add(heard.aligned[hop], k, together[k])
        for b in range(BANDS):
            energy = heard.magnitudes[hop, b] + SILENCE
            heard.ratios[hop, b] = min(np.sqrt(heard.ratios[hop, b] / energy), 1.0)
            heard.aligned[hop, b] = min(max(heard.aligned[hop, b] / energy, 0.0), 1.0)
            heard.magnitudes[hop, b] = np.sqrt(energy)


@kernel
def _add(bands: FloatArray, k: int, value: float) -> None:
    bands[TABLE.lower[k]] += value * (1 - TABLE.share[k])
    bands[TABLE.lower[k] + 1] += value * TABLE.share[k]


def draw_lateness(frames: int, rng: np.random.Generator) -> IntArray:
    """How late gains come in a recording: mostly at once, in some late, in some not at all, in some with holes.

    Args:
        frames: of the recording.
        rng: what decides.

    Returns:
        int64 [frames] in hops.
    """
    kind = rng.random()
    if kind < 0.25:
        return np.full(frames, NEVER)
    if kind < 0.75:
        return rng.choice([0, 0, 0, 1, 1, 2], frames)
    if kind < 0.9:
        return rng.integers(0, 9, frames) // rng.integers(1, 3)
    late = rng.choice([0, 0, 1], frames)
    for _ in range(frames // 100):
        start = rng.integers(frames)
        late[start : start + rng.integers(5, 120)] = NEVER
    return late
