"""Which path is heard, and how long the model is waited for.

In: how far the model has come. Out: a path of the breaker, and in quality mode a latency. Invariants: a model that is
late is never waited for; the latency grows when it is late again and again, shrinks when it never is, and stays
between its bounds. Thread: the callback's.
"""

from __future__ import annotations

import math
from typing import Final

from gapless.clean.live.state import (
    CLEANED,
    FAR,
    GAINS_EVERY,
    HEARD,
    LATE,
    MASK,
    PATH,
    RATE_HZ,
    SINCE,
    WARM,
    Record,
)
from gapless.clean.rnnoise import FRAME_SAMPLES
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed
from gapless.realtime.breaker import CHEAPER, FULL, judge
from gapless.realtime.breaker import PATH as BREAKER_PATH
from gapless.realtime.zone import zone

STEP: Final = 240
"""By how much the latency grows or shrinks at a time, about: 5 ms."""
LONGEST_STEP: Final = 360
WATCH: Final = 10 * RATE_HZ
"""Samples over which the model is watched before the latency shrinks."""
SLACK: Final = 480
"""Samples that gains may come late before they count as missing: the network makes up for that and more."""
MISSES: Final = 3
"""How often the model may be late in that time before the latency grows."""


@zone
def choose(state: Record, frames: int) -> int:
    """The path of this block: one of the breaker's.

    Args:
        state: a record of ``STATE``.
        frames: of the block, which has been heard.
    """
    if state.has_model == 0:
        return CHEAPER
    heard = load_relaxed(state.told_by_callback, HEARD)
    if heard - state.rested_until < WARM:
        # Nobody hears the model: while it rests it is not late, nor when it begins again.
        state.was_late = 1
        return CHEAPER
    if state.quality != 0:
        reserve = load_acquire(state.told_by_worker, CLEANED) - (heard - state.latency)
        whole = heard - frames - state.latency >= load_relaxed(state.told_by_worker, SINCE)
        in_time = reserve >= state.fade and whole
        _fit_latency(state, reserve, heard, frames)
    else:
        in_time = heard - state.newest_gains <= GAINS_EVERY * FRAME_SAMPLES + frames + SLACK
    state.was_late = 0 if in_time else 1
    if not in_time:
        late = load_relaxed(state.told_by_callback, LATE)
        store_relaxed(state.told_by_callback, LATE, late + 1)
    # The other paths do not need the model: only a callback that takes too long stops them.
    calm = state.took_too_long == 0 and (in_time or not model_trusted(state))
    path = judge(state.breaker, state.late_limit, state.pause, heard, calm)
    store_relaxed(state.told_by_callback, PATH, path)
    return path


@zone
def model_trusted(state: Record) -> bool:
    """Whether the breaker lets the model be heard."""
    return load_relaxed(state.breaker, BREAKER_PATH) == FULL


@zone
def _fit_latency(state: Record, reserve: int, heard: int, frames: int) -> None:
    """Note how near the model was to being late, and now and then take a step."""
    if reserve < state.fade and state.was_late == 0:
        state.misses += 1
    state.least_reserve = min(state.least_reserve, reserve)
    if state.moved < state.fade:
        return
    least = state.model_latency + state.fade + frames + state.least_fill
    most = max(least, state.model_latency + state.most_fill)
    start = heard - frames - state.latency
    if state.latency < least:
        _move(state, least, heard)
    elif state.misses >= MISSES:
        _move(state, min(state.latency + _inaudible_step(state, start, -1), most), heard)
    elif heard - state.watched_since > WATCH:
        shorter = state.latency
        # What is left may be less than a step, and must not stay for want of the reserve for a whole one.
        if state.least_reserve > state.fade + min(LONGEST_STEP, state.latency - least):
            shorter = max(state.latency - _inaudible_step(state, start, 1), least)
        _move(state, shorter, heard)


@zone
def _inaudible_step(state: Record, start: int, direction: int) -> int:
    """About a step: the one after which the sound goes on most like it does now, so that their fade is none.

    Args:
        state: a record of ``STATE``.
        start: position that would be heard next.
        direction: 1 for a shorter latency, -1 for a longer one.
    """
    best, chosen = -1.0, STEP
    for step in range(STEP // 2, LONGEST_STEP, 2):
        product = energy = 1e-12
        for n in range(0, STEP, 2):
            here = state.heard[(start + n) & MASK]
            there = state.heard[(start + n + direction * step) & MASK]
            product += here * there
            energy += there * there
        likeness = product / math.sqrt(energy)
        if likeness > best:
            best, chosen = likeness, step
    return chosen


@zone
def _move(state: Record, latency: int, heard: int) -> None:
    """Go to another latency, which is faded to, and watch anew."""
    if latency != state.latency:
        state.latency_before = state.latency
        state.latency = latency
        state.moved = 0
    state.misses = 0
    state.least_reserve = FAR
    state.watched_since = heard
