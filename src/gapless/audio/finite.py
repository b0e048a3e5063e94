"""Keep what is no sound out of the chain: one NaN would silence every filter behind it for good.

In: float32 samples from outside. Out: the same samples, all finite and within ``PEAK``.
Invariants: each sample is judged by itself. Thread: any.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.audio.types import Samples
from gapless.errors import InvalidAudioError

PEAK: Final = np.float32(16.0)
"""24 dB over full scale: no real recording goes there, and no filter behind it can overflow."""


def finite(samples: Samples) -> Samples:
    """Clip samples to ``PEAK``.

    Raises:
        InvalidAudioError: a sample is NaN or infinite.
    """
    if not np.isfinite(samples).all():
        where = tuple(np.argwhere(~np.isfinite(samples))[0])
        raise InvalidAudioError(
            f"sample {where[0]} of a block of {len(samples)} is {samples[where]}, not a finite number; "
            "check that the declared encoding is that of the audio",
            param="encoding",
        )
    return np.clip(samples, -PEAK, PEAK)
