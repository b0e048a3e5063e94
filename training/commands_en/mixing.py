"""Mixing samples as a microphone does: silence around speech, noise over all of it.

In: samples at 16 kHz. Out: samples. Invariants: the ratio of speech to noise is that of the mean
power of the speech alone, over the whole band. Thread: any.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from .features import SAMPLE_RATE

FloatArray = npt.NDArray[np.float32]

LEAD_S: Final = 0.3
TAIL_S: Final = 0.5
QUIET: Final = 1e-4
"""Root mean square of the noise of a clean recording: -80 dBFS."""


def padded(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The samples with 0.3 s before and 0.5 s after them, in almost silence."""
    total = np.pad(samples, (int(LEAD_S * SAMPLE_RATE), int(TAIL_S * SAMPLE_RATE)))
    return (total + QUIET * rng.standard_normal(total.size)).astype(np.float32)


def at_snr(
    recording: FloatArray, speech: FloatArray, noise: FloatArray, snr_db: float
) -> FloatArray:
    """The recording with noise of root mean square 1 added, ``snr_db`` under the speech."""
    scale = np.sqrt((speech**2).mean() / 10 ** (snr_db / 10))
    return (recording + noise * scale).astype(np.float32)
