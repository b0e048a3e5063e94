"""What the callback does with a block before anything is cleaned: repair it, measure it, remember it.

In: samples as a device gives them. Out: the same in ``state.heard``, finite and within ``LOUDEST``. Invariants: what
cannot be sound is counted; the position is published behind the samples. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gapless.audio.types import Samples
from gapless.clean.live.state import (
    BLOCKS,
    HEARD,
    INVALID,
    LOOKED,
    MASK,
    Record,
)
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from gapless.realtime.zone import zone

LOUDEST: Final = np.float32(2.0)
"""6 dB over full scale: what is louder is a fault of a driver, and is clipped there."""

# What is measured since somebody looked.
INPUT_PEAK: Final = 0
INPUT_ENERGY: Final = 1
OUTPUT_PEAK: Final = 2
OUTPUT_ENERGY: Final = 3
DRY_ENERGY: Final = 4
"""Of the input that belongs to the output."""
MEASURED: Final = 5
"""Samples."""


@zone
def hear(state: Record, source: Samples) -> None:
    """Take a block."""
    looked = load_acquire(state.told, LOOKED)
    if looked != state.looked:
        state.looked = looked
        state.levels[:] = 0.0
    position = load_relaxed(state.told_by_callback, HEARD)
    heard, levels = state.heard, state.levels
    invalid = 0
    peak = np.float32(0.0)
    energy = 0.0
    for n in range(source.shape[0]):
        sample = source[n]
        if not math.isfinite(sample):
            sample = np.float32(0.0)
            invalid += 1
        elif abs(sample) > LOUDEST:
            sample = math.copysign(LOUDEST, sample)
            invalid += 1
        heard[(position + n) & MASK] = sample
        peak = max(peak, abs(sample))
        energy += sample * sample
    levels[INPUT_PEAK] = max(levels[INPUT_PEAK], peak)
    levels[INPUT_ENERGY] += energy
    position += source.shape[0]
    _count(state, INVALID, invalid)
    _count(state, BLOCKS, 1)
    store_release(state.told_by_callback, HEARD, position)


@zone
def _count(state: Record, cell: int, more: int) -> None:
    cells = state.told_by_callback
    store_relaxed(cells, cell, load_relaxed(cells, cell) + more)
