"""Times in a bounded number of counters: percentiles of a load of any length, which several processes can add up.

In: whole microseconds. Out: percentiles. Invariants: a percentile is never smaller than the value it stands for, and
larger by less than 1/128; the largest value is exact; memory does not grow with the number of values. Thread: one.

Source: Gil Tene's HdrHistogram, whose buckets these are: as wide as 1/128 of the power of two that they lie in.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, final

import msgspec

SUB_BITS: Final = 7
"""Each power of two has 128 buckets; below 256 us, each value has its own."""


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of times."""

    count: int
    p50_us: int
    p95_us: int
    p99_us: int
    p999_us: int
    max_us: int


@final
class Times:
    """See the module's head."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.max_us = 0

    def add(self, value_us: int) -> None:
        """Count a value; negative ones count as 0."""
        value_us = max(value_us, 0)
        shift = max(value_us.bit_length() - SUB_BITS - 1, 0)
        bucket = (shift << SUB_BITS) + (value_us >> shift)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.max_us = max(self.max_us, value_us)

    def dump(self) -> tuple[int, dict[int, int]]:
        """What another process can add to its own: the largest value, and counts by bucket."""
        return self.max_us, self._counts

    def merge(self, max_us: int, counts: dict[int, int]) -> None:
        """Add what another process counted."""
        for bucket, many in counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + many
        self.count += sum(counts.values())
        self.max_us = max(self.max_us, max_us)

    def percentile_us(self, share: float, *, never: int = 0) -> int | None:
        """The time that at least ``share`` of all took at most.

        Args:
            share: over 0, at most 1.
            never: so many more are counted that took for ever.

        Returns:
            None: it is one of those that took for ever, or there are no values at all.
        """
        rank = ceil(share * (self.count + never))
        for value_us, many in self.ascending():
            rank -= many
            if rank <= 0:
                return value_us
        return None

    def percentiles(self) -> Percentiles | None:
        """The usual ones; None without values."""
        if not self.count:
            return None
        p50, p95, p99, p999 = (self.percentile_us(share) or 0 for share in (0.5, 0.95, 0.99, 0.999))
        return Percentiles(
            count=self.count, p50_us=p50, p95_us=p95, p99_us=p99, p999_us=p999, max_us=self.max_us
        )

    def ascending(self) -> Iterator[tuple[int, int]]:
        """The largest value that each bucket can hold, and how many it holds."""
        for bucket in sorted(self._counts):
            yield min(_largest_in(bucket), self.max_us), self._counts[bucket]


def _largest_in(bucket: int) -> int:
    shift = max((bucket >> SUB_BITS) - 1, 0)
    return (((bucket - (shift << SUB_BITS)) + 1) << shift) - 1
