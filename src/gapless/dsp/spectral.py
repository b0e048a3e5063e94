"""What a spectrum looks like, in three numbers; and how loud a signal is.

In: float32 power spectra, bins by frames; float32 samples. Out: numbers. Invariants: the level does not matter to the
shape; silence has a shape of zeros. Thread: any. Source of centroid and flatness: Peeters, A large set of audio
features for sound description, IRCAM, 2004, sections 6.1.1 and 9.1.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gapless.dsp.kernel import kernel


@kernel
def spectral_shape(
    power: npt.NDArray[np.float32],
    before: npt.NDArray[np.float32],
    shape: npt.NDArray[np.float32],
) -> tuple[float, float, float]:
    """Describe the mean of some spectra.

    Args:
        power: float32 [n_bins, n_frames], at least one frame.
        before: float32 [n_bins], the ``shape`` of the spectra before; zeros where there are none.
        shape: float32 [n_bins], written: magnitudes as shares of their sum; zeros for silence.

    Returns:
        The centroid in bins (mean frequency, weighted by magnitude).
        The flux, 0..1: the share of the magnitudes that is elsewhere than before; 0 next to silence.
        The flatness, 0..1: geometric mean of the power without 0 Hz, as a share of the arithmetic one; 0 for silence.
    """
    n_bins, n_frames = power.shape
    magnitudes = 0.0
    powers = 0.0
    for k in range(n_bins):
        mean = np.float32(0.0)
        for f in range(n_frames):
            mean += power[k, f]
        mean /= np.float32(n_frames)
        shape[k] = math.sqrt(mean)
        magnitudes += float(shape[k])
        if k > 0:
            powers += float(mean)
    if magnitudes == 0.0 or powers == 0.0:
        shape[:] = np.float32(0.0)
        return 0.0, 0.0, 0.0
    mean_power = powers / (n_bins - 1)
    centroid = moved = logarithms = known = 0.0
    for k in range(n_bins):
        if k > 0:
            # One empty bin alone would make the geometric mean zero.
            power_share = float(shape[k]) * float(shape[k]) / mean_power
            logarithms += math.log(max(power_share, 1e-10))
        shape[k] = shape[k] / magnitudes
        centroid += k * float(shape[k])
        moved += abs(float(shape[k]) - float(before[k]))
        known += float(before[k])
    flux = min(0.5 * moved, 1.0) if known > 0.0 else 0.0
    return centroid, flux, min(math.exp(logarithms / (n_bins - 1)), 1.0)


@kernel
def mean_square(samples: npt.NDArray[np.float32]) -> float:
    """Mean of the squared samples; 0.5 for a sine of full scale. At least one sample."""
    total = 0.0
    for sample in samples:
        total += float(sample) * float(sample)
    return float(total / samples.shape[0])
