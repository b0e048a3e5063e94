"""What operations of a database took.

In: operations, timed where they happen. Out: histograms. Invariants: what fails is counted as well: it took its time.
Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Literal, TypeAlias, final, get_args

import msgspec

from gapless.observe.histogram import Histogram, HistogramSnapshot

Operation: TypeAlias = Literal["get", "list", "search", "write", "commit"]
"""write: from asking until it is durable; commit: a transaction with all the writes that share it."""

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a store did since it was opened, and does now."""

    times: dict[Operation, HistogramSnapshot]
    """In seconds, waiting included."""
    waits: HistogramSnapshot
    """What reads waited for a connection, in seconds."""
    waiting_rows: int
    """To be written."""
    rows: int
    """Written."""
    refused: int
    """Rows for which the queue had no room."""
    connections: int
    """Open, for reads."""
    lent: int
    most_connections: int


@final
class Times:
    """See the module's head."""

    def __init__(self) -> None:
        self._of: Final = {operation: Histogram() for operation in OPERATIONS}
        self.waits: Final = Histogram()
        """For connections."""

    def add(self, operation: Operation, seconds: float) -> None:
        """An operation is over."""
        self._of[operation].add(seconds)

    @contextmanager
    def timed(self, operation: Operation) -> Iterator[None]:
        """Time an operation."""
        began_s = monotonic()
        try:
            yield
        finally:
            self.add(operation, monotonic() - began_s)

    def snapshot(self) -> dict[Operation, HistogramSnapshot]:
        """Everything so far."""
        return {operation: times.snapshot() for operation, times in self._of.items()}
