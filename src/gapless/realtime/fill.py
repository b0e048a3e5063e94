"""How long samples should wait between two clocks, and what to do when they wait longer or shorter.

In: block lengths of both sides, how many samples were left after each block, the delay that is there. Out: the delay
that is wanted; a surplus or lack that lasts. Invariants: the target is the longest blocks of both sides and a reserve
for late wake-ups; the reserve grows by one step for each late wake-up (one in a standing time), at most to its bound,
and shrinks slowly after a calm time if what was left over allows it; what only passes (a late wake-up that is caught
up) is no surplus. Thread: the consumer's.

Why the blocks of both sides: just before a push the whole of it is still outside, just after a pull the whole of that
is gone. The two instants slide past each other when the clocks differ, so sooner or later both are true at once.

Source of the surplus that lasts: K. Nichols and V. Jacobson, "Controlling Queue Delay", 2012: not the length of a
queue tells that it is too long, but its shortest length over some time.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np

from gapless.realtime.interpolate import AHEAD
from gapless.realtime.zone import zone

GLIDE: Final = 100e-6
"""Samples by which the reserve shrinks per sample: so slow that the drift control follows without a splice."""
STANDING_PULLS: Final = 4
"""A surplus is not believed before as many measurements."""


class FillOptions(NamedTuple):
    """How much may wait. All in samples."""

    min_reserve_samples: int = 96
    """Lateness of a wake-up that is always allowed for: 2 ms at 48 kHz."""
    max_reserve_samples: int = 4_800
    growth_samples: int = 96
    """A step of the reserve."""
    near_miss_samples: int = 24
    """A block that leaves less than this behind came late, though nobody heard it."""
    calm_samples: int = 480_000
    """Time without late wake-ups after which the reserve shrinks: 10 s."""
    tolerance_samples: int = 72
    """Difference from the target that is left to the drift control; a larger one is spliced."""
    standing_samples: int = 2_400
    """How long a difference must last before it is spliced: 50 ms."""


FILL: Final = np.dtype(
    [
        *((name, np.int64) for name in FillOptions._fields),
        ("reserve", np.float64),
        ("glide", np.float64),  # by how much the target shrinks per sample now
        ("pushed", np.int64),  # longest block of the producer in this calm time, and the last one
        ("pushed_before", np.int64),
        ("pulled", np.int64),  # the same of the consumer
        ("pulled_before", np.int64),
        ("least", np.int64),  # fewest samples left over in this calm time, and in the last one
        ("least_before", np.int64),
        ("window", np.int64),  # samples since this calm time began
        ("calm", np.int64),  # samples since the last late wake-up
        ("standing_ns", np.int64),  # standing_samples as a time
        ("beyond_ns", np.int64),  # since when the delay is out of tolerance, and measurements since
        ("beyond_pulls", np.int64),
        ("beyond_least", np.float64),  # smallest difference meanwhile; its sign tells the side
    ],
    align=True,
)

Fill: TypeAlias = Annotated[Any, FILL]
"""A record of it, as kernels see it."""

PLENTY: Final = 1 << 40
"""More samples than ever wait."""


@zone
def begin_fill(fill: Fill) -> None:
    """Make a record that holds the options ready."""
    fill.reserve = float(fill.min_reserve_samples)
    fill.least = PLENTY
    fill.least_before = PLENTY
    fill.calm = fill.standing_samples


@zone
def target_samples(fill: Fill) -> float:
    """The delay that is wanted."""
    blocks = max(fill.pushed, fill.pushed_before) + max(fill.pulled, fill.pulled_before)
    return blocks + AHEAD + fill.reserve  # type: ignore[no-any-return]


@zone
def note_blocks(fill: Fill, pushed: int, pulled: int) -> None:
    """Take note of the last block of each side, in samples."""
    fill.pushed = max(fill.pushed, pushed)
    fill.pulled = max(fill.pulled, pulled)


@zone
def note_late(fill: Fill) -> bool:
    """Take note of a late wake-up; tells whether the reserve grew.

    One soon after another is part of the same trouble, but trouble that lasts is told of again and again.
    """
    if fill.calm < fill.standing_samples:
        return False
    fill.calm = 0
    if fill.reserve >= fill.max_reserve_samples:
        return False
    grown = fill.reserve + fill.growth_samples
    fill.reserve = min(grown, float(fill.max_reserve_samples))
    return True


@zone
def note_left(fill: Fill, left: int, block: int) -> None:
    """Take note of the samples that were left after a block, and let time pass."""
    fill.least = min(fill.least, left)
    fill.window += block
    fill.calm += block
    if fill.window >= fill.calm_samples:
        fill.pushed_before, fill.pushed = fill.pushed, 0
        fill.pulled_before, fill.pulled = fill.pulled, 0
        fill.least_before, fill.least = fill.least, PLENTY
        fill.window = 0
    spare = min(fill.least, fill.least_before) - fill.near_miss_samples
    fill.glide = 0.0
    if (
        fill.calm >= fill.calm_samples
        and 2 * spare > fill.growth_samples
        and fill.reserve > fill.min_reserve_samples
    ):
        fill.glide = GLIDE
        fill.reserve = max(fill.reserve - GLIDE * block, float(fill.min_reserve_samples))


@zone
def lasting_difference(fill: Fill, difference: float, now_ns: int) -> float:
    """What of a difference from the target has lasted, in samples; 0: nothing that must be spliced.

    Args:
        fill: changed.
        difference: of the delay from the target, now.
        now_ns: the time; not counted by blocks, for those that were missed may be caught up at once.
    """
    if abs(difference) <= fill.tolerance_samples or difference * fill.beyond_least < 0.0:
        forget_difference(fill)
        return 0.0
    if fill.beyond_pulls == 0:
        fill.beyond_ns = now_ns
        fill.beyond_least = difference
    fill.beyond_pulls += 1
    if abs(difference) < abs(fill.beyond_least):
        fill.beyond_least = difference
    if now_ns - fill.beyond_ns < fill.standing_ns or fill.beyond_pulls < STANDING_PULLS:
        return 0.0
    return fill.beyond_least  # type: ignore[no-any-return]


@zone
def forget_difference(fill: Fill) -> None:
    """The delay was set right, or is: begin anew to watch it."""
    fill.beyond_pulls = 0
    fill.beyond_least = 0.0
