"""The ladder: how large a batch may be before its live rows wait too long, learnt from what steps took.

In: how long a step of each bucket took. Out: the largest bucket that fits the budget, and how long waiting rows will
take. Invariants:

- Never below the smallest bucket, never more than one step above the largest that is known to fit.
- One slow step among fast ones changes nothing: a bucket is judged by the median of its last few steps.
- A bucket that was too slow is tried again after ``RETRY_STEPS`` full batches of the one below it. So a machine that
  was busy for a while does not leave the ladder low for good, and one batch in so many stays out of the 99th
  percentile even if it is too slow again.

Thread: one at a time; the caller locks.
"""

from __future__ import annotations

from collections import deque
from statistics import median_high
from typing import Final, final

WINDOW_STEPS: Final = 5
"""Steps of a bucket that are remembered; two stalls among them do not count."""

RETRY_STEPS: Final = 256
"""Full batches of the largest bucket that fits until larger ones are given another chance."""


@final
class Ladder:
    """See the module's head.

    Args:
        buckets: sizes that are run, ascending.
        budget_ns: what a step may take; None: whatever it takes.
    """

    def __init__(self, buckets: tuple[int, ...], budget_ns: int | None) -> None:
        self._buckets = buckets
        self._budget_ns = budget_ns
        self._steps_ns: dict[int, deque[int]] = {}
        self._typical_ns: dict[int, int] = {}
        self._full_steps = 0
        self.admitted = self._largest_admitted()
        """The largest bucket to run with live rows."""

    def learn(self, bucket: int, step_ns: int) -> None:
        """A step of this bucket took so long."""
        steps = self._steps_ns.setdefault(bucket, deque(maxlen=WINDOW_STEPS))
        steps.append(step_ns)
        self._typical_ns[bucket] = median_high(steps)
        if bucket == self.admitted:
            self._full_steps = (self._full_steps + 1) % RETRY_STEPS
            if self._full_steps == 0:
                self._forget_above(bucket)
        admitted = self._largest_admitted()
        if admitted != self.admitted:
            self._full_steps = 0
            self.admitted = admitted

    def drain_ns(self, rows: int) -> int | None:
        """How long so many rows take, one batch after the other; None while nothing was measured."""
        return min(
            (-(-rows // bucket) * step_ns for bucket, step_ns in self._typical_ns.items()),
            default=None,
        )

    def _largest_admitted(self) -> int:
        if self._budget_ns is None:
            return self._buckets[-1]
        fitting = [
            index
            for index, bucket in enumerate(self._buckets)
            if self._typical_ns.get(bucket, self._budget_ns + 1) <= self._budget_ns
        ]
        if not fitting:
            return self._buckets[0]
        one_up = self._buckets[min(fitting[-1] + 1, len(self._buckets) - 1)]
        return self._buckets[fitting[-1]] if one_up in self._typical_ns else one_up

    def _forget_above(self, bucket: int) -> None:
        """What is not known may be tried, one step at a time: the next chance for those that were too slow."""
        for larger in self._buckets:
            if larger > bucket:
                self._steps_ns.pop(larger, None)
                self._typical_ns.pop(larger, None)
