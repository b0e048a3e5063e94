"""The last stretch of a stream, by position: what segmenting may still reach back to.

In: samples as they come. Out: slices by absolute position. Invariants: holds only what was not dropped; the caller
bounds it by dropping. Thread: its listener's.
"""

from __future__ import annotations

import numpy as np

from gapless.audio.types import Samples


class History:
    """Recent samples of a stream, addressed by their position in it."""

    def __init__(self) -> None:
        self._samples: Samples = np.empty(0, np.float32)
        self._start = 0

    @property
    def end(self) -> int:
        """Position behind the newest sample."""
        return self._start + len(self._samples)

    def append(self, samples: Samples) -> None:
        """Add the next samples."""
        self._samples = np.concatenate((self._samples, samples))

    def slice(self, start: int, end: int) -> Samples:
        """A copy of the samples ``start <= position < end``; they must not have been dropped."""
        if start < self._start:
            raise IndexError(f"samples from {start} were dropped; the oldest kept is {self._start}")
        return self._samples[start - self._start : end - self._start].copy()

    def drop_before(self, position: int) -> None:
        """Forget everything before ``position``."""
        dropped = min(max(position - self._start, 0), len(self._samples))
        self._samples = self._samples[dropped:]
        self._start += dropped
