"""A graph run as ``image.run`` and the live callback do, with the clock read between its calls.

In: an image, a position. Out: the nanoseconds that each call took, added up. Invariants: the same calls in the same
order; every nanosecond from the first call of a quantum to the last is some call's, the reading of the clock too, so
that the parts are the whole. Thread: whoever measures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.play.sound.image import Image, call_unit
from gapless.play.sound.unit import QUANTUM
from gapless.realtime.clock import now_ns
from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.zone import zone


@zone
def run_timed(
    image: Image,
    clock: npt.NDArray[np.int64],
    quanta: int,
    calls_ns: npt.NDArray[np.int64],
) -> None:
    """Run quanta and add up what their calls take.

    Args:
        image: int64 [2 * calls].
        clock: int64 [1], the position, moved on.
        quanta: how many.
        calls_ns: int64 [calls], added to.
    """
    mode = flush_denormals()
    for _ in range(quanta):
        before = now_ns()
        for call in range(calls_ns.shape[0]):
            call_unit(image[2 * call], image[2 * call + 1])
            after = now_ns()
            calls_ns[call] += after - before
            before = after
        clock[0] += QUANTUM
    restore_denormals(mode)


@zone
def clock_ns(readings: int) -> int:
    """What so many readings of the clock take: nanoseconds."""
    began = now_ns()
    last = began
    for _ in range(readings):
        last = now_ns()
    return last - began
