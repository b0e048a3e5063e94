"""How many connections a pool may have: as many as keep callers from waiting, between two bounds.

In: how long each caller waited for a connection, and how many were lent at once; ``now_s`` of a monotonic clock.
Out: the size that the pool may grow to. Invariants: the size stays between the bounds; it grows at once when callers
wait, and shrinks one by one when it was not needed for long, so a load that comes in waves finds it ready.
Thread: one at a time.

More connections than a server has cores and disks to serve make all of them slower, so the pool begins small and grows
only where waiting was measured (https://wiki.postgresql.org/wiki/Number_Of_Database_Connections).
"""

from __future__ import annotations

from typing import Final, final

LONG_WAIT_MS: Final = 5.0
"""Waiting for a connection so long is worth another one."""

LONG_SHARE: Final = 0.05
"""Of the callers of a window; fewer who wait are chance."""

WINDOW_S: Final = 0.25
"""Waits are judged together for so long."""

QUIET_S: Final = 30.0
"""The pool shrinks by one when it was not needed in full for so long."""


@final
class PoolSizing:
    """See the module's head.

    Args:
        lower: connections at least, 1 or more.
        upper: connections at most.
        now_s: the time.
    """

    def __init__(self, lower: int, upper: int, now_s: float) -> None:
        if not 1 <= lower <= upper:
            raise ValueError(
                f"a pool of {lower} to {upper} connections cannot be; use 1 <= lower <= upper"
            )
        self._lower = lower
        self._upper = upper
        self.size = lower
        """Connections that there may be now."""
        self.grown = self.shrunk = 0
        """How often, since the start."""
        self._window_ends_s = now_s + WINDOW_S
        self._callers = self._waited = 0
        self._needed = 0
        self._quiet_since_s = now_s

    def limit(self, upper: int) -> None:
        """Allow more connections from now on, or fewer."""
        self._upper = max(upper, self._lower)
        self.size = min(self.size, self._upper)

    def learn(self, wait_ms: float, lent: int, now_s: float) -> bool:
        """A caller got a connection, or gave up.

        Args:
            wait_ms: how long it waited.
            lent: connections that are lent now, this one included.
            now_s: the time.

        Returns:
            Whether ``size`` changed.
        """
        self._callers += 1
        self._waited += wait_ms >= LONG_WAIT_MS
        self._needed = max(self._needed, lent)
        if now_s < self._window_ends_s:
            return False
        before = self.size
        self._judge(now_s)
        self._window_ends_s = now_s + WINDOW_S
        self._callers = self._waited = 0
        return self.size != before

    def _judge(self, now_s: float) -> None:
        if self._waited > LONG_SHARE * self._callers:
            if self.size < self._upper:
                self.size = min(self._upper, self.size + max(1, self.size // 2))
                self.grown += 1
            self._is_needed(now_s)
        elif self._needed >= self.size:
            self._is_needed(now_s)
        elif now_s - self._quiet_since_s >= QUIET_S:
            if self.size > self._lower:
                self.size -= 1
                self.shrunk += 1
            self._is_needed(now_s)

    def _is_needed(self, now_s: float) -> None:
        self._quiet_since_s = now_s
        self._needed = 0
