"""The bands in which gains are made, and what lies between a band and a frequency of the transform.

In: nothing. Out: tables, constants of the kernels. Invariants: every frequency belongs to one band or to two
neighbours, with weights that add up to one; the bands are RNNoise's, so that its gains fit. Thread: any.

Source of the edges: RNNoise 0.2, ``src/denoise.c`` (BSD).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 48_000
HOP_SAMPLES: Final = 96
"""2 ms: from one look at the sound to the next."""
WINDOW_SAMPLES: Final = 1024
"""What is looked at: 21.3 ms."""
BINS: Final = WINDOW_SAMPLES // 2 + 1
SHORT_SAMPLES: Final = 256
"""The newest 5.3 ms, looked at for themselves, because a window of 21 ms sees an onset late."""
SHORT_BINS: Final = SHORT_SAMPLES // 2 + 1
BANDS: Final = 32

# In steps of 50 Hz. Band i has its middle at the edge i + 1.
EDGES: Final = (
    *(0, 2, 4, 6, 8, 10, 12, 15, 18, 21, 24, 28, 32, 36, 41, 47, 53, 60, 68, 77, 87, 98, 110),
    *(124, 140, 157, 176, 198, 223, 251, 282, 317, 356, 400),
)


class BandTable(NamedTuple):
    """Where each frequency lies between the middles of two bands."""

    lower: npt.NDArray[np.int64]
    """int64 [bins]: the band below, at most ``BANDS - 2``."""
    share: npt.NDArray[np.float32]
    """float32 [bins]: weight of the band above; the band below has the rest."""
    scale: npt.NDArray[np.float32]
    """float32 [bands]: one over the sum of a band's weights."""


def band_table(n_fft: int) -> BandTable:
    """The table for a transform.

    Args:
        n_fft: its length in samples at 48 kHz.
    """
    middles = np.array(EDGES[1 : BANDS + 1]) * 50.0
    bins_hz = np.arange(n_fft // 2 + 1) * RATE_HZ / n_fft
    place = np.interp(bins_hz, middles, np.arange(BANDS))
    lower = np.minimum(place.astype(np.int64), BANDS - 2)
    share = place - lower
    sums = np.bincount(lower, 1 - share, BANDS) + np.bincount(lower + 1, share, BANDS)
    return BandTable(
        lower, share.astype(np.float32), (1 / np.maximum(sums, 1e-3)).astype(np.float32)
    )
