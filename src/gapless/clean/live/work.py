"""What the thread beside the callback does: takes whole frames, has a model clean them, and puts down what came of it.

In: a record of ``STATE``. Out: gains, or clean sound, in it. Invariants: what the callback heard is only read, at most
``cap`` samples after it came: whoever is further behind leaves out the oldest. A result goes to the position of the
sound that it belongs to, so late ones do no harm. The kernels hold no lock of the interpreter. Thread: the worker's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.clean.live.state import (
    BANDS,
    BUSY_NS,
    CLEANED,
    FRAMES,
    GAIN_ROWS,
    GAINS,
    HEARD,
    LATE_NS,
    MASK,
    RATE_HZ,
    RESTS,
    SINCE,
    SKIPPED,
    STALL_NS,
    STOP,
    WARM,
    Record,
)
from gapless.dsp.kernel import kernel
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from gapless.realtime.clock import now_ns
from gapless.realtime.sleep import sleep_us

POLL_US: Final = 250
"""The shortest time between two looks for a frame."""
PATIENCE: Final = 4
"""It is looked for again after a quarter of the time until it is whole: soon enough, and with few wake-ups."""
REST_US: Final = 5000

STOPPED: Final = -1


@kernel
def next_frame(state: Record, taken: int, frame: Samples) -> int:
    """Wait for the next whole frame.

    Args:
        state: a record of ``STATE``.
        taken: input position up to which frames were taken.
        frame: float32 [n], written.

    Returns:
        The position behind the frame; ``STOPPED``: there will be no more.
    """
    size: int = frame.shape[0]
    while load_acquire(state.orders, STOP) == 0:
        _stall(state)
        behind = load_acquire(state.told_by_callback, HEARD) - taken
        if load_relaxed(state.told_by_callback, RESTS) != 0:
            taken += behind // size * size
            sleep_us(REST_US)
        elif behind < size:
            sleep_us(max(POLL_US, (size - behind) * 1_000_000 // RATE_HZ // PATIENCE))
        else:
            if behind > state.cap:
                left_out = (behind - size) // size * size
                taken += left_out
                _count(state, SKIPPED, left_out)
            for n in range(size):
                frame[n] = state.heard[(taken + n) & MASK]
            return taken + size
    return STOPPED


@kernel
def put_gains(state: Record, until: int, gains: npt.NDArray[np.float32], voice: float) -> None:
    """Give the callback gains of the bands.

    Args:
        state: a record of ``STATE``.
        until: input position up to which they take the sound into account.
        gains: float32 [32].
        voice: how likely it is one.
    """
    written = load_relaxed(state.told_by_worker, GAINS)
    row = written % GAIN_ROWS
    for band in range(gains.shape[0]):
        state.gains[row, band] = gains[band]
    state.gains[row, BANDS] = voice
    state.gains_at[row] = until
    store_release(state.told_by_worker, GAINS, written + 1)


@kernel
def put_sound(state: Record, until: int, clean: Samples) -> None:
    """Give the callback clean sound.

    Args:
        state: a record of ``STATE``.
        until: input position behind it.
        clean: float32 [n].
    """
    first = until - clean.shape[0]
    if first != load_relaxed(state.told_by_worker, CLEANED):
        # Behind a gap a model still remembers for a while what was before it.
        store_relaxed(state.told_by_worker, SINCE, first + WARM)
    for n in range(clean.shape[0]):
        state.cleaned[(first + n) & MASK] = clean[n]
    store_release(state.told_by_worker, CLEANED, until)


@kernel
def note_work(state: Record, until: int, began_ns: int) -> int:
    """Count a frame that is done.

    Args:
        state: a record of ``STATE``.
        until: input position behind the frame.
        began_ns: when it was begun.

    Returns:
        What it took, in nanoseconds.
    """
    took_ns = now_ns() - began_ns
    _count(state, BUSY_NS, took_ns)
    _count(state, FRAMES, 1)
    behind = load_acquire(state.told_by_callback, HEARD) - until
    store_relaxed(state.told_by_worker, LATE_NS, behind * 1_000_000_000 // RATE_HZ)
    return took_ns


@kernel
def heard_so_far(state: Record) -> int:
    """Input position up to which there is sound."""
    return load_acquire(state.told_by_callback, HEARD)


@kernel
def _stall(state: Record) -> None:
    stall_ns = load_acquire(state.orders, STALL_NS)
    if stall_ns:
        store_relaxed(state.orders, STALL_NS, 0)
        until_ns = now_ns() + stall_ns
        while now_ns() < until_ns and load_acquire(state.orders, STOP) == 0:
            sleep_us(POLL_US)


@kernel
def _count(state: Record, cell: int, more: int) -> None:
    cells = state.told_by_worker
    store_relaxed(cells, cell, load_relaxed(cells, cell) + more)
