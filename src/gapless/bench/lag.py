"""How much later one sound is than another, by cross-correlation.

In: samples, what was played and what was heard. Out: samples. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.audio.types import Samples

MOST_LAG: Final = 9600
"""200 ms at 48 kHz."""
EARLY: Final = 1024
"""A negative lag, which cannot be, is looked for as well: it would show that the measurement is wrong."""
LEAST_ENERGY: Final = 1e-3
"""Share of all energy below which a place is as good as silent."""
QUIET: Final = 0.1
"""Loudness, as a share of the whole recording's, below which a piece tells no lag."""


def lag_samples(played: Samples, heard: Samples) -> int | None:
    """By how much ``heard`` is later than ``played``, where both were recorded at the same time.

    Args:
        played: float32 [MOST_LAG + n + EARLY]: from ``MOST_LAG`` samples before the piece that was heard to ``EARLY``
            samples behind it.
        heard: float32 [n].

    Returns:
        From ``-EARLY`` to ``MOST_LAG``; None: one of them is silent.
    """
    if not played.any() or not heard.any():
        return None
    size = 1 << (len(played) + len(heard) - 1).bit_length()
    spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size))
    # At s: how well `heard` fits on what begins at `played[s]`, which must not win by being loud.
    fits = np.fft.irfft(spectrum, size)[: MOST_LAG + EARLY + 1]
    sums = np.cumsum(played.astype(np.float64) ** 2)
    energies = sums[len(heard) - 1 :][: len(fits)] - np.pad(sums, (1, 0))[: len(fits)]
    return MOST_LAG - int(np.argmax(fits / np.sqrt(energies + sums[-1] * LEAST_ENERGY)))


def lags_samples(played: Samples, heard: Samples, piece: int) -> list[int]:
    """The lag of each piece of a recording that is loud enough to tell one.

    Args:
        played: float32 [MOST_LAG + n + EARLY], as for ``lag_samples``.
        heard: float32 [n].
        piece: samples.
    """
    whole = float(np.sqrt(np.mean(played.astype(np.float64) ** 2)))
    lags = []
    for start in range(0, len(heard) - piece + 1, piece):
        here = played[start : start + MOST_LAG + piece + EARLY]
        said = here[MOST_LAG : MOST_LAG + piece].astype(np.float64)
        if np.sqrt(np.mean(said**2)) < QUIET * whole:
            continue
        lag = lag_samples(here, heard[start : start + piece])
        if lag is not None:
            lags.append(lag)
    return lags
