"""The words that every room uses for sound.

Samples are float32 in -1..1, mono unless a name says otherwise; a position is a count of samples from 0.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_samples], mono, nominal range -1..1."""

LISTEN_RATE_HZ: Final = 16_000
"""The rate that voice activity detection and recognition run at."""

DENOISE_RATE_HZ: Final = 48_000
"""The rate that RNNoise runs at."""


def ms_to_samples(ms: float, rate_hz: int) -> int:
    """Nearest whole number of samples in ``ms`` milliseconds."""
    return round(ms * rate_hz / 1000)


def samples_to_ms(samples: int, rate_hz: int) -> int:
    """Nearest whole millisecond of a position in samples (integer arithmetic: exact at any length)."""
    return (samples * 1000 + rate_hz // 2) // rate_hz
