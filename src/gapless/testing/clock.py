"""A clock that goes when it is told to.

In: ``advance``. Out: the time. Invariants: never goes back. Thread: one.
"""

from __future__ import annotations

from typing import final


@final
class ManualClock:
    """Milliseconds that pass only by ``advance``; call it like the real ones."""

    def __init__(self, start_ms: int = 0) -> None:
        self._now_ms = start_ms

    def __call__(self) -> int:
        """The time."""
        return self._now_ms

    def advance(self, ms: int) -> int:
        """Let ``ms`` pass; return the time.

        Raises:
            ValueError: ``ms`` is negative.
        """
        if ms < 0:
            raise ValueError(f"time does not go back by {-ms} ms; advance by 0 or more")
        self._now_ms += ms
        return self._now_ms
