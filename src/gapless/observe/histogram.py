"""A histogram that costs little to fill: counts between fixed bounds, their sum, their number.

In: values, from any thread. Out: snapshots. Invariants: counts only grow; a bucket holds what is at most its bound, as
in Prometheus, so that a target that is a bound is judged exactly. Thread: any; one lock, held for an addition.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Final, final

import msgspec

LATENCY_BOUNDS_S: Final = (
    *(
        0.000_1,
        0.000_25,
        0.000_5,
        0.001,
        0.001_5,
        0.002_5,
        0.005,
        0.008,
        0.010,
        0.012,
        0.016,
        0.020,
    ),
    *(0.025, 0.032, 0.045, 0.050, 0.064, 0.080, 0.100, 0.150, 0.250, 0.500, 1.0, 2.5, 5.0, 10.0),
)
"""Of times, in seconds: among them every target (1.5, 10, 45, 50 ms ...) and the usual blocks (8, 16, 32, 64 ms)."""

BATCH_BOUNDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Of rows in a batch: the usual buckets."""


class HistogramSnapshot(msgspec.Struct, frozen=True):
    """What a histogram holds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """Of each bucket by itself; one more than bounds, for what is above the last."""
    sum: float

    @property
    def count(self) -> int:
        """Values in all."""
        return sum(self.counts)


@final
class Histogram:
    """See the module's head.

    Args:
        bounds: ascending.
    """

    __slots__ = ("_bounds", "_counts", "_lock", "_sum")

    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self._bounds: Final = bounds
        self._counts: Final = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock: Final = threading.Lock()

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, or several that are equal."""
        index = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[index] += times
            self._sum += value * times

    def snapshot(self) -> HistogramSnapshot:
        """Everything so far."""
        with self._lock:
            return HistogramSnapshot(self._bounds, tuple(self._counts), self._sum)
