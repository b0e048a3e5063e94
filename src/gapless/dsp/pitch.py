"""Pitch by comparing a signal with itself, shifted.

In: float32 samples. Out: a period in samples, 0 where there is none. Invariants: the level does not matter; a periodic
signal gives its own period, not a multiple of it. Thread: any.
Source: de Cheveigné and Kawahara, YIN, Journal of the Acoustical Society of America 111 (4), 2002, steps 1 to 5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.dsp.kernel import kernel


@kernel
def yin_period(
    frame: npt.NDArray[np.float32], shortest: int, longest: int, threshold: np.float32
) -> np.float32:
    """The period of a frame.

    Args:
        frame: float32 [n]; ``n - longest - 1`` samples are compared, which should span a period of the lowest pitch.
        shortest: period in samples, at least 2.
        longest: period in samples.
        threshold: share of the frame's energy that may differ from one period to the next, about 0.1.

    Returns:
        The period in samples with its fraction; 0 if the frame has none.
    """
    differences = _differences(frame, longest + 2)
    # Before the first dip below the threshold lie no periods, only the slope down from shift 0.
    total = np.float32(0.0)
    for shift in range(1, longest + 1):
        total += differences[shift]
        if shift < shortest or differences[shift] * np.float32(shift) >= threshold * total:
            continue
        while shift < longest and differences[shift + 1] < differences[shift]:
            shift += 1  # noqa: PLW2901  down to the bottom of this dip, and no further
        if shift == longest and differences[shift + 1] < differences[shift]:
            return np.float32(0.0)
        return _bottom(differences, shift)
    return np.float32(0.0)


@kernel
def _differences(frame: npt.NDArray[np.float32], n_shifts: int) -> npt.NDArray[np.float32]:
    """Energy of what remains of the first samples when the frame shifted by 0, 1, 2 ... is taken away."""
    differences = np.zeros(n_shifts, np.float32)
    for i in range(frame.shape[0] - n_shifts + 1):
        shifted = frame[i : i + n_shifts]
        for shift in range(n_shifts):
            rest = frame[i] - shifted[shift]
            differences[shift] += rest * rest
    return differences


@kernel
def _bottom(values: npt.NDArray[np.float32], at: int) -> np.float32:
    """Where the parabola through three neighbours has its lowest point."""
    left, middle, right = values[at - 1], values[at], values[at + 1]
    bend = left - middle - middle + right
    if bend <= 0:
        return np.float32(at)
    return np.float32(at + np.float32(0.5) * (left - right) / bend)
