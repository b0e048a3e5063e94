"""Samples that a model can be given, whatever came in.

In: float32 samples from a device, a file or a caller. Out: the same number, all finite and within ``LOUDEST``.
Invariants: what is already so comes out bit for bit; each sample is judged by itself; the input stays as it was.
Thread: any.

A recurrent network keeps what it heard: one NaN would stay in its state to the end of the stream.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.audio.types import Samples

LOUDEST: Final = np.float32(2.0)
"""6 dB over full scale: nothing that was recorded goes there, and no network was trained on it."""


def repaired(samples: Samples) -> Samples:
    """Replace what is no sound: NaN by silence, and what is louder than ``LOUDEST`` (infinity too) by ``LOUDEST``.

    Args:
        samples: float32 [n_samples], anything.

    Returns:
        float32 [n_samples], the caller's own.
    """
    # Both keep NaN. np.clip does the same, for a frame in twice the time.
    bounded = np.minimum(samples, LOUDEST)
    np.maximum(bounded, -LOUDEST, out=bounded)
    bounded[np.isnan(bounded)] = 0
    return bounded
