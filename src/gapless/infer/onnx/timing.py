"""How long a model takes when it is loaded: to warm up, then call by call.

In: a way to call it. Out: times. Invariants: every size is run before any is timed; a slow model costs few calls, a
fast one few milliseconds. Thread: the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from gapless.infer.contract import LoadTimings

NS_PER_MS: Final = 1_000_000

MOST_CALLS: Final = 15
"""Calls whose median is taken, of one size."""

ENOUGH_NS: Final = 20 * NS_PER_MS
"""Calls of one size that took so long together are enough."""


def time_calls(
    call: Callable[[int], object],
    sizes: Sequence[int],
    create_ms: float,
    *,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> LoadTimings:
    """Run every size once, and then time it.

    Args:
        call: runs the model once on so many rows.
        sizes: of batches, ascending.
        create_ms: what came before, for the record.
        clock_ns: a monotonic clock.
    """

    def timed(size: int) -> int:
        begin = clock_ns()
        call(size)
        return clock_ns() - begin

    warm_up_ns = sum(timed(size) for size in sizes)
    first_ns = timed(sizes[0])
    steady_ms = {}
    for size in sizes:
        times: list[int] = []
        while len(times) < MOST_CALLS and sum(times) < ENOUGH_NS:
            times.append(timed(size))
        steady_ms[size] = median(times) / NS_PER_MS
    return LoadTimings(create_ms, warm_up_ns / NS_PER_MS, first_ns / NS_PER_MS, steady_ms)
