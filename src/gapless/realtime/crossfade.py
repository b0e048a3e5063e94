"""From one signal to another without a step: both are heard for a while, one fading as the other comes.

In: float32 samples of both, aligned in time. Out: the mixture. Invariants: before the fade it is the old signal's bits,
behind it the new one's; in between the gains' squares add up to one, so that signals that have nothing in common keep
their power. Thread: the callback's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.realtime.zone import zone


def fade_in_gains(length: int) -> npt.NDArray[np.float32]:
    """Gains of the new signal, a quarter of a sine, neither 0 nor 1; the old one's are the same backwards.

    Args:
        length: of the fade in samples, at least 1.
    """
    return np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / length).astype(np.float32)


@zone
def crossfade(
    old: npt.NDArray[np.float32],
    new: npt.NDArray[np.float32],
    gains: npt.NDArray[np.float32],
    done: int,
    out: npt.NDArray[np.float32],
) -> int:
    """Mix a block of a fade.

    Args:
        old: float32 [n].
        new: float32 [n].
        gains: from ``fade_in_gains``.
        done: samples of the fade that lie before this block.
        out: float32 [n], written; may be either of the two.

    Returns:
        Samples of the fade that are done then, at most its length.
    """
    length: int = gains.shape[0]
    for n in range(out.shape[0]):
        at = done + n
        if at < length:
            out[n] = old[n] * gains[length - 1 - at] + new[n] * gains[at]
        else:
            out[n] = new[n]
    after: int = done + out.shape[0]
    return min(after, length)
