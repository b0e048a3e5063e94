"""The windows: a long look back, a short way out.

In: nothing. Out: windows, constants of the kernels. Invariants: analysis times synthesis over the last two hops is
a Hann window, whose halves add up to one, so that unit gains give the input back. Thread: any.

Source: the idea of unequal windows is that of D. Mauler, R. Martin, "A low delay, variable resolution, perfect
reconstruction spectral analysis-synthesis system", EUSIPCO 2007.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def analysis_window(length: int, hop: int) -> npt.NDArray[np.float32]:
    """Rises slowly over all but the last hop, falls over the last.

    Args:
        length: in samples.
        hop: in samples.

    Returns:
        float32 [length].
    """
    rise = length - hop
    up = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise)
    down = np.cos(0.5 * np.pi * (np.arange(hop) + 0.5) / hop)
    return np.concatenate((up, down)).astype(np.float32)


def synthesis_window(length: int, hop: int) -> npt.NDArray[np.float32]:
    """Makes a Hann window of the end of the analysis window.

    Args:
        length: of the analysis window in samples.
        hop: in samples.

    Returns:
        float32 [2 * hop], for the last samples of a frame.
    """
    hann = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)) ** 2
    return (hann / analysis_window(length, hop)[-2 * hop :]).astype(np.float32)


def sine_window(length: int) -> npt.NDArray[np.float32]:
    """Half a sine: float32 [length]."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length).astype(np.float32)
