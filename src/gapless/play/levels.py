"""How loud a recording is: what ``gapless render`` prints of it.

In: blocks. Out: figures. Invariants: bounded memory. Thread: any.

Source of the true peak: ITU-R BS.1770-5, annex 2: the largest sample of the sound at four times its rate.
"""

from __future__ import annotations

import math
from typing import Final, final

import msgspec
import numpy as np
import soxr

from gapless.audio.types import Samples

OVERSAMPLED: Final = 4
FULL_SCALE: Final = 1.0
SILENCE_DB: Final = -200.0


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """Of a whole recording, all channels together; decibels are below full scale."""

    seconds: float
    rms_db: float
    peak_db: float
    true_peak_db: float
    dc: float
    """The mean that is furthest from 0."""
    clipped_samples: int
    """Louder than full scale."""


@final
class Meter:
    """Looks at blocks as they go by.

    Args:
        rate_hz: of the samples.
        channels: of them.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._count = 0
        self._sums = np.zeros(channels)
        self._energy = 0.0
        self._peak = 0.0
        self._true_peak = 0.0
        self._clipped = 0
        self._finer = soxr.ResampleStream(rate_hz, OVERSAMPLED * rate_hz, channels, dtype="float32")
        self._nothing = np.empty((0, channels), np.float32)

    def take(self, samples: Samples) -> None:
        """Look at a block: float32 [n, channels]."""
        self._count += len(samples)
        exact = samples.astype(np.float64)
        self._sums += exact.sum(axis=0)
        self._energy += float((exact**2).sum())
        loudness = np.abs(samples)
        self._peak = max(self._peak, float(loudness.max(initial=0.0)))
        self._clipped += int(np.count_nonzero(loudness > FULL_SCALE))
        self._see(self._finer.resample_chunk(samples))

    def levels(self) -> Levels:
        """Of all that went by; nothing may come after it."""
        self._see(self._finer.resample_chunk(self._nothing, last=True))
        count = max(self._count, 1)
        means = self._sums / count
        return Levels(
            seconds=self._count / self._rate_hz,
            rms_db=_decibels(math.sqrt(self._energy / (count * len(means)))),
            peak_db=_decibels(self._peak),
            true_peak_db=_decibels(max(self._true_peak, self._peak)),
            dc=float(means[np.abs(means).argmax()]),
            clipped_samples=self._clipped,
        )

    def _see(self, finer: Samples) -> None:
        self._true_peak = max(self._true_peak, float(np.abs(finer).max(initial=0.0)))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else SILENCE_DB
