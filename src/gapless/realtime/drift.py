"""How much faster or slower than its own clock a consumer must take samples to keep up with a producer's clock.

In: how far the delay between both is from what is wanted. Out: a share to add to the speed, +-``MOST``. Invariants:
it changes by at most ``SLEW_PER_S``, far below what can be heard as pitch (300 ppm are half a hundredth of a
semitone); a constant difference of the clocks leaves no lasting error; critically damped, so that a step is not
overshot twice. Thread: the consumer's.

    error -> one-pole smoothing -> proportional + integral -> bounds -> slew -> speed

Source: F. Adriaensen, "Controlling adaptive resampling", Linux Audio Conference 2012.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import numpy as np

from gapless.realtime.zone import zone

MOST: Final = 300e-6
"""Bound of the speed. Crystals differ by up to 200 ppm."""
SLEW_PER_S: Final = 30e-6
"""Bound of its change."""
SMOOTHING_S: Final = 1.0
"""Time constant that irregular wake-ups are averaged over."""
RADIANS_PER_S: Final = 0.1
"""Natural frequency of the loop: an error is down to a tenth in 40 s."""
WORST: Final = 240.0
"""Samples of error that count; what is farther off is not drift."""

DRIFT: Final = np.dtype(
    [
        ("error", np.float64),  # smoothed, in samples
        ("constant", np.float64),  # the integral part: the estimate of the clocks' difference
        ("speed", np.float64),  # in force
    ],
    align=True,
)

Drift: TypeAlias = Annotated[Any, DRIFT]
"""A record of it, as kernels see it."""


@zone
def steer(drift: Drift, error_samples: float, glide: float, block: int, rate_hz: float) -> float:
    """Take note of one measurement.

    Args:
        drift: a record of ``DRIFT``, changed; zeros are equal clocks.
        error_samples: delay that is there, less the one that is wanted.
        glide: share of a sample by which the wanted delay shrinks per sample: that is no drift.
        block: samples since the last measurement.
        rate_hz: nominal rate of both clocks.

    Returns:
        The share to add to the speed: with 1e-4 take 1.0001 samples where the own clock asks for one.
    """
    seconds = block / rate_hz
    error = min(max(error_samples, -WORST), WORST)
    drift.error += (error - drift.error) * min(1.0, seconds / SMOOTHING_S)
    # Of s^2 + rate * proportional * s + rate * integral, both roots at the natural frequency.
    proportional = 2.0 * RADIANS_PER_S / rate_hz
    integral = RADIANS_PER_S * RADIANS_PER_S / rate_hz
    # Bounded by itself, so that there is little to unwind.
    constant = drift.constant + integral * drift.error * seconds
    drift.constant = min(max(constant, -MOST), MOST)
    wish = drift.constant + proportional * drift.error + glide
    wish = min(max(wish, -MOST), MOST)
    most = SLEW_PER_S * seconds
    drift.speed += min(max(wish - drift.speed, -most), most)
    return drift.speed  # type: ignore[no-any-return]


@zone
def forgive(drift: Drift) -> None:
    """The delay was set right by other means: go on with the estimate of the clocks, without the error."""
    drift.error = 0.0
