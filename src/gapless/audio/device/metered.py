"""Call a block function and take note of it: how many blocks, how long each took, how late they came.

In: a block of samples and the function's address. Out: its output, and counts that anybody may read. Invariants: the
record has one writer, the device's thread; what readers see is whole, though not all of one moment. Thread: kernels
the device's, the others any.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.audio.device.server import StreamCounts
from gapless.realtime.atomics import load_relaxed, store_relaxed
from gapless.realtime.clock import now_ns
from gapless.realtime.counters import BUCKETS, record, spread
from gapless.realtime.native import call_block
from gapless.realtime.zone import zone

# Indices into the words.
BLOCKS: Final = 0
FRAMES: Final = 1
"""Of the last block."""
LOST: Final = 2
"""What the server says was lost or late."""
SEEN_NS: Final = 3
"""When the device called last."""

METER: Final = np.dtype(
    [
        ("words", np.int64, (8,)),
        ("took", np.int64, (BUCKETS + 1,)),
        ("late", np.int64, (BUCKETS + 1,)),
    ],
    align=True,
)
"""One record, zeros at first."""


@zone
def arrived(meter: Any, frames: int, rate_hz: int) -> None:
    """The device called: note how much longer than its sound it was since it called before."""
    now = now_ns()
    before = load_relaxed(meter.words, SEEN_NS)
    if before:
        record(meter.late, now - before - frames * 1_000_000_000 // rate_hz)
    store_relaxed(meter.words, SEEN_NS, now)


@zone
def run_block(  # noqa: PLR0917  compiled code takes its arguments by position
    meter: Any, address: int, state: int, source: Any, target: Any, frames: int
) -> None:
    """Call the function; ``source`` and ``target`` are pointers to float32 [frames]."""
    begun = now_ns()
    call_block(address, state, source, target, frames)
    record(meter.took, now_ns() - begun)
    store_relaxed(meter.words, BLOCKS, load_relaxed(meter.words, BLOCKS) + 1)
    store_relaxed(meter.words, FRAMES, frames)


@zone
def lost(meter: Any) -> None:
    """The server says that something was lost or late."""
    store_relaxed(meter.words, LOST, load_relaxed(meter.words, LOST) + 1)


def meter_counts(meter: npt.NDArray[np.void]) -> StreamCounts:
    """What became of the stream so far.

    Args:
        meter: a record of ``METER``.
    """
    words = meter["words"]
    return StreamCounts(
        blocks=int(words[BLOCKS]),
        xruns=int(words[LOST]),
        took=spread(meter["took"]),
        late=spread(meter["late"]),
    )
