"""How many gaps and clicks a long recording has, looked for piece by piece.

In: samples. Out: counts. Invariants: a flaw at the edge of two pieces counts once; memory is bounded by the piece.
Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.testing.detectors import find_flaws

RATE_HZ: Final = 48_000
PIECE: Final = 30 * RATE_HZ
OVERLAP: Final = RATE_HZ
"""Of a piece and its neighbours, each side: what is judged has its surroundings."""


SOME: Final = 32
"""Blocks at the begin and at the end, of which one is taken to be in time."""


class Counts(NamedTuple):
    """Of a recording."""

    gaps: int
    """Holes in the sound, and samples that are no numbers."""
    clicks: int


def count_flaws(samples: Samples) -> Counts:
    """Look for them.

    Args:
        samples: float32 [n] at 48 kHz, a sound without sharp attacks of its own.
    """
    gaps = clicks = 0
    for start in range(0, len(samples), PIECE):
        before = min(start, OVERLAP)
        piece = samples[start - before : start + PIECE + OVERLAP]
        found = find_flaws(piece, RATE_HZ)
        gaps += _inside(found.dropouts, before) + _inside(found.not_finite, before)
        clicks += _inside(found.clicks, before)
    return Counts(gaps, clicks)


def lost_blocks(came_ns: npt.NDArray[np.int64], block_frames: int) -> int:
    """How many blocks never came, of a stream that the clock drives.

    Args:
        came_ns: int64 [n], when those that came did, at least two.
        block_frames: of each, at 48 kHz.
    """
    period_ns = block_frames * 1e9 / RATE_HZ
    late_ns = came_ns - came_ns[0] - np.arange(len(came_ns)) * period_ns
    # A block that is only late is followed by some that are less so.
    some = min(SOME, len(came_ns) // 2)
    first, last = float(late_ns[:some].min()), float(late_ns[-some:].min())
    return max(round((last - first) / period_ns), 0)


def step_ratio(heard: Samples, played: Samples) -> float:
    """The largest step from sample to sample of what was heard, over the largest of what was played.

    Args:
        heard: float32 [n].
        played: float32 [m], of the same time.

    Raises:
        ValueError: nothing was played.
    """
    largest = np.abs(np.diff(played)).max(initial=0.0)
    if largest == 0:
        raise ValueError("there is no sound to compare the steps with; play something")
    return float(np.abs(np.diff(heard)).max(initial=0.0) / largest)


def _inside(positions: npt.NDArray[np.int64], before: int) -> int:
    return int(np.count_nonzero((positions >= before) & (positions < before + PIECE)))
