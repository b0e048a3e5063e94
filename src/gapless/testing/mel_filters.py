"""Mel filters from their published formulas, written plainly: what NeMo takes from librosa.

In: how many mels. Out: the weights of each in each bin of a spectrum. Thread: any (pure).

Source: Slaney 1998, "Auditory Toolbox", as librosa's ``filters.mel`` (``htk=False, norm="slaney"``) has it: 200/3 Hz a
mel up to 1000 Hz, then a factor of 6.4 for 27 mels; triangles of area 1 over Hz.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FIRST_HZ = 200.0 / 3.0
BREAK_HZ = 1000.0
STEP = np.log(6.4) / 27.0


def slaney_filters(n_mels: int, n_fft: int = 512, rate_hz: int = 16_000) -> npt.NDArray[np.float32]:
    """Filters from 0 Hz to half the rate, float32 [n_fft // 2 + 1, n_mels]."""
    highest = BREAK_HZ / FIRST_HZ + np.log(rate_hz / 2 / BREAK_HZ) / STEP
    mels = np.linspace(0.0, highest, n_mels + 2)
    edges = np.where(
        mels < BREAK_HZ / FIRST_HZ,
        mels * FIRST_HZ,
        BREAK_HZ * np.exp(STEP * (mels - BREAK_HZ / FIRST_HZ)),
    )
    bins = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: npt.NDArray[np.float32] = (triangles * 2.0 / (edges[2:] - edges[:-2])).astype(
        np.float32
    )
    return filters
