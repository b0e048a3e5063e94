"""What waits to be written: first come, first served, and bounded in rows.

In: items with the number of rows they write; what writing took. Out: the next item; when to come back for who finds no
room. Invariants: never more rows wait than allowed, but for one item that is larger than all the room: it may wait
alone, or it could never be written. Thread: one at a time (the owner locks).
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar, final

from gapless.errors import OverloadError

Item = TypeVar("Item")

UNKNOWN_RETRY_MS: Final = 1000
"""When a refused caller may come back, as long as nothing was measured."""

LONGEST_RETRY_MS: Final = 30_000

WEIGHT_OF_THE_LAST: Final = 0.2
"""In the moving average of the time that a row takes."""


@final
class Backlog(Generic[Item]):
    """See the module's head.

    Args:
        max_waiting: rows that may wait.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._items: deque[tuple[Item, int]] = deque()
        self._row_ns: float | None = None
        self.rows = 0
        """That wait now."""
        self.refused = 0
        """Rows for which there was no room, since the start."""

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    def has_room(self, rows: int) -> bool:
        """Whether so many more may wait."""
        return not self._items or self.rows + rows <= self._max_waiting

    def offer(self, item: Item, rows: int) -> None:
        """Add an item that writes so many rows.

        Raises:
            OverloadError: there is no room for it.
        """
        if not self.has_room(rows):
            self.refused += rows
            raise self._refusal(rows)
        self._items.append((item, rows))
        self.rows += rows

    def next_rows(self) -> int | None:
        """What the next item writes; None if none waits."""
        return self._items[0][1] if self._items else None

    def take(self) -> Item:
        """The next item; there must be one."""
        item, rows = self._items.popleft()
        self.rows -= rows
        return item

    def learn(self, rows: int, step_ns: int) -> None:
        """So many rows were written in so much time."""
        row_ns = step_ns / max(1, rows)
        if self._row_ns is not None:
            row_ns = self._row_ns + WEIGHT_OF_THE_LAST * (row_ns - self._row_ns)
        self._row_ns = row_ns

    def _refusal(self, rows: int) -> OverloadError:
        retry_ms = UNKNOWN_RETRY_MS
        if self._row_ns is not None:
            drain_ms = (self.rows + rows) * self._row_ns / 1e6
            retry_ms = min(int(drain_ms) + 1, LONGEST_RETRY_MS)
        return OverloadError(
            f"{self.rows} rows wait to be written and {self._max_waiting} may; try again in {retry_ms} ms",
            retry_after_ms=retry_ms,
        )
