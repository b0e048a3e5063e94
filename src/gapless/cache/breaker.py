"""Whether the second tier is asked: a circuit breaker, without any server.

In: failures, outcomes of probes, and the time. Out: whether to ask, and when to probe. Invariants: after a failure
nobody's question is spent on finding out whether it is back; pauses double up to their bound. Thread: one at a time.

    closed ── a failure ──> open ── pause over ──> half-open ── the probe succeeded ──> closed
                             ^──────── the probe failed: twice the pause ───'

One failure is enough: what is not asked costs a miss, what hangs costs a timeout.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, final

BreakerState: TypeAlias = Literal["closed", "open", "half-open"]


@final
class Breaker:
    """See the module's head. Times are in seconds of any clock.

    Args:
        pause_s: the first one.
        max_pause_s: the longest.
    """

    def __init__(self, pause_s: float, max_pause_s: float) -> None:
        self._first_s = pause_s
        self._most_s = max_pause_s
        self._pause_s = pause_s
        self._until_s = 0.0
        self._state: BreakerState = "closed"
        self._opened = 0

    @property
    def state(self) -> BreakerState:
        """As drawn above."""
        return self._state

    @property
    def opened(self) -> int:
        """How often it opened after it had been closed."""
        return self._opened

    @property
    def until_s(self) -> float:
        """When the pause is over."""
        return self._until_s

    def failed(self, now_s: float) -> bool:
        """A question was not answered; True if that opened it. Of those that were asked together the first counts."""
        if self._state != "closed":
            return False
        self._opened += 1
        self._open(now_s)
        return True

    def probe(self, now_s: float) -> bool:
        """Whether to look now if it is back; whoever does tells ``probed`` what came of it."""
        if self._state != "open" or now_s < self._until_s:
            return False
        self._state = "half-open"
        return True

    def probed(self, now_s: float, *, healthy: bool) -> None:
        """What came of the probe."""
        if self._state != "half-open":
            return
        if healthy:
            self._state = "closed"
            self._pause_s = self._first_s
        else:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self._state = "open"
        self._until_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._most_s)
