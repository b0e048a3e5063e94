"""Who sends which request when: free connections on one side, requests that are due on the other.

In: times at which requests are due, connections that become free, now. Out: pairs of a connection and a request. No
I/O. Invariants: a request keeps the time it was due, however long it waits for a connection; at most ``most_waiting``
wait, and what finds no place is given up and counted. Thread: one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar, final

C = TypeVar("C")


@final
class Dispatch(Generic[C]):
    """See the module's head.

    Args:
        due_s: when requests are due, ascending.
        most_waiting: requests that may wait for a connection.
        patience_s: who has waited so long is given up too.
    """

    def __init__(self, due_s: Iterator[float], *, most_waiting: int, patience_s: float) -> None:
        self._due_s = due_s
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._free: deque[C] = deque()
        self._waiting: deque[float] = deque()
        self.next_s: float | None = next(due_s, None)
        """When the next request is due; None: there are no more."""
        self.given_up: deque[float] = deque()
        """When those were due that found no place, or waited too long; whoever counts them takes them out."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is due any more, and nothing waits."""
        return self.next_s is None and not self._waiting

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return len(self._waiting)

    def free(self, connection: C, now_s: float) -> float | None:
        """A connection has nothing to do: the request that it sends at once; None: it is kept for the next."""
        self.forget_late(now_s)
        if self._waiting:
            return self._waiting.popleft()
        self._free.append(connection)
        return None

    def lost(self, connection: C) -> None:
        """A connection is gone; nothing happens if it was not free."""
        if connection in self._free:
            self._free.remove(connection)

    def due(self, now_s: float) -> Iterator[tuple[float, C | None]]:
        """What is due now, with the connection that sends it: each free one in turn, so that all are used alike.

        None: all are taken; it waits, or is given up.
        """
        while self.next_s is not None and self.next_s <= now_s:
            due_s = self.next_s
            self.next_s = next(self._due_s, None)
            if self._free:
                yield due_s, self._free.popleft()
                continue
            if len(self._waiting) < self._most_waiting:
                self._waiting.append(due_s)
            else:
                self.given_up.append(due_s)
            yield due_s, None

    def forget_late(self, now_s: float) -> None:
        """Give up those who have waited too long."""
        while self._waiting and now_s - self._waiting[0] > self._patience_s:
            self.given_up.append(self._waiting.popleft())
