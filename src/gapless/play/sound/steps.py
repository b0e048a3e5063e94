"""``steps``: a pattern as a signal: each value from its sample on.

In: steps, from the scheduler. Out: a wire. Invariants: one posts, one takes, nobody waits; a step that finds no room is
refused and counted; one that comes too late counts at once. Thread: one that posts, the callback that takes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.dsp.kernel import kernel
from gapless.play.sound.unit import QUANTUM, Record, unit, wire, word_at
from gapless.realtime.atomics import load_acquire, load_relaxed, store_release

CAPACITY: Final = 512
"""Steps that wait, a power of two."""

STEP: Final = np.dtype([("at", "i8"), ("value", "f8")], align=True)


@unit(
    "steps",
    fields=[
        ("posted", "i8", (16,)),
        ("taken", "i8", (16,)),
        ("refused", "i8"),
        ("value", "f8"),
        ("queue", STEP, (CAPACITY,)),
    ],
    inputs=[],
    doc="a pattern as a signal",
)
def steps(pointer: Any) -> None:
    """Hold each value until the next one's sample."""
    own = carray(pointer, (1,))[0]
    start, out = word_at(own.clock), wire(own.outputs[0])
    n = 0
    taken = load_relaxed(own.taken, 0)
    posted = load_acquire(own.posted, 0)
    while n < QUANTUM:
        until = QUANTUM
        if taken != posted:
            until = min(max(own.queue[taken & (CAPACITY - 1)].at - start, n), QUANTUM)
        for k in range(n, until):
            out[k] = own.value
        n = until
        if n < QUANTUM:
            own.value = own.queue[taken & (CAPACITY - 1)].value
            taken += 1
    store_release(own.taken, 0, taken)


def post(record: npt.NDArray[np.void], waiting: npt.NDArray[np.void]) -> int:
    """Put steps into the queue.

    Args:
        record: of the unit, one element.
        waiting: ``STEP`` [n], in the order of ``at``.

    Returns:
        How many found room; the rest is counted as refused.
    """
    return _post(record[0], waiting)


@kernel
def _post(own: Record, waiting: npt.NDArray[np.void]) -> int:
    posted = load_relaxed(own.posted, 0)
    room = CAPACITY - (posted - load_acquire(own.taken, 0))
    count: int = min(room, waiting.shape[0])
    for n in range(count):
        own.queue[(posted + n) & (CAPACITY - 1)] = waiting[n]
    own.refused += waiting.shape[0] - count
    store_release(own.posted, 0, posted + count)
    return count
