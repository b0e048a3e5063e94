"""A sound in memory that native voices read.

In: samples. Out: where they lie. Invariants: the address is valid, and the samples stay as they are, for as long as
somebody holds the object. Thread: any (nothing changes).
"""

from __future__ import annotations

from typing import Final, final

import numpy as np
import numpy.typing as npt


@final
class Sound:
    """One sound.

    Args:
        samples: float32 [n, 1] or [n, 2], contiguous, at the engine's rate; it is made read-only.
    """

    __slots__ = ("__weakref__", "address", "channels", "length", "samples")

    def __init__(self, samples: npt.NDArray[np.float32]) -> None:
        self.samples: Final = np.ascontiguousarray(samples, np.float32)
        self.samples.flags.writeable = False
        self.address: Final = self.samples.ctypes.data
        self.length: Final = self.samples.shape[0]
        """Frames."""
        self.channels: Final = self.samples.shape[1]
        """1 or 2."""

    @property
    def size_bytes(self) -> int:
        """Of the samples."""
        return self.samples.nbytes
