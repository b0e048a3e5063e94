"""The paths put together: which share of each is heard, as loud as it shall be.

In: the path that was chosen. Out: a block. Invariants: shares and loudness move by small steps from sample to sample.
All paths say the same at the same time, so fades between them are of equal gain, not of equal power. Thread: the
callback's.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.audio.types import Samples
from gapless.clean.live.hear import DRY_ENERGY, MEASURED, OUTPUT_ENERGY, OUTPUT_PEAK
from gapless.clean.live.state import (
    AMOUNT,
    BYPASS,
    GATE,
    HEARD,
    MASK,
    MUTED,
    RATE_HZ,
    WARM,
    Record,
)
from gapless.realtime.atomics import load_relaxed
from gapless.realtime.breaker import CHEAPER, FULL
from gapless.realtime.zone import zone

ONE: Final = np.float32(1.0)
NONE: Final = np.float32(0.0)
GATED: Final = np.float32(0.05)
"""-26 dB: a closed gate is quiet, never digital silence."""
OPENS: Final = np.float32(1 / 240)
"""Per sample: a gate and a mute open within 5 ms ..."""
CLOSES: Final = np.float32(1 / 4800)
"""... and close within 100 ms."""
STALE: Final = RATE_HZ // 4
"""Samples after which the model's last word about a voice counts no more."""


@zone
def mix(state: Record, target: Samples, path: int) -> None:
    """Write a block.

    Args:
        state: a record of ``STATE``.
        target: float32 [n].
        path: from ``choose``.
    """
    frames = target.shape[0]
    heard = load_relaxed(state.told_by_callback, HEARD)
    start = heard - frames - state.latency
    before = heard - frames - state.latency_before
    full = state.quality != 0 and state.was_late == 0 and path == FULL
    wet = _wanted_wet(state, path, heard)
    step = ONE / np.float32(state.fade)
    loud = _wanted_loudness(state, heard)
    peak = NONE
    energy = dry_energy = 0.0
    for n in range(frames):
        state.full_share = _nudged(state.full_share, full, state.fade)
        state.wet = _towards(state.wet, wet, step, step)
        state.loudness = _towards(state.loudness, loud, OPENS, CLOSES)
        sample = _heard_at(state, start + n)
        if state.moved < state.fade:
            state.moved += 1
            old = _heard_at(state, before + n)
            sample = old + state.rises[state.moved] * (sample - old)
        sample *= state.loudness
        target[n] = sample
        peak = max(peak, abs(sample))
        energy += sample * sample
        dry = state.heard[(start + n) & MASK]
        dry_energy += dry * dry
    levels = state.levels
    levels[OUTPUT_PEAK] = max(levels[OUTPUT_PEAK], peak)
    levels[OUTPUT_ENERGY] += energy
    levels[DRY_ENERGY] += dry_energy
    levels[MEASURED] += frames


@zone
def _heard_at(state: Record, position: int) -> np.float32:
    """What is heard of input sample ``position``, with the shares of now."""
    index = position & MASK
    dry: np.float32 = state.heard[index]
    wet: np.float32 = state.quick[index]
    if state.full_share > 0:
        wet += state.rises[state.full_share] * (state.cleaned[index] - wet)
    share: np.float32 = state.wet
    return dry + share * (wet - dry)


@zone
def _wanted_wet(state: Record, path: int, heard: int) -> np.float32:
    trusted = path in (FULL, CHEAPER) and heard - state.awake_since >= WARM
    if trusted and load_relaxed(state.told, BYPASS) == 0:
        return np.float32(load_relaxed(state.told, AMOUNT) * 1e-6)
    return NONE


@zone
def _wanted_loudness(state: Record, heard: int) -> np.float32:
    if load_relaxed(state.told, MUTED) != 0:
        return NONE
    knows = state.has_model != 0 and heard - state.newest_gains < STALE
    if load_relaxed(state.told, GATE) != 0 and knows and heard > state.voice_until:
        return GATED
    return ONE


@zone
def _towards(value: np.float32, wanted: np.float32, up: np.float32, down: np.float32) -> np.float32:
    if value < wanted:
        return min(value + up, wanted)
    return max(value - down, wanted)


@zone
def _nudged(share: int, up: bool, most: int) -> int:  # noqa: FBT001
    return min(share + 1, most) if up else max(share - 1, 0)
