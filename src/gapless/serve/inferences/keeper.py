"""Rows of calls of models on their way into the store: durable before the answer, and never in its way for long.

In: records. Out: whether each is kept. Invariants: rows that come while others are written go together, so that one
wait for the disk and one message between threads serve them all; none waits for more to come. A row that the store does
not take in time is given up: it is counted, its call is told, and its answer goes out. What waits is bounded.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, final

import msgspec

from gapless.errors import GaplessError
from gapless.store.contract import Store
from gapless.store.inferences import InferenceRecord

PATIENCE_S: Final = 1.0
"""How long an answer may wait for its row. While a write takes longer, no row is taken."""

Report = Callable[[bool], None]
"""Is told whether the row is kept. Rows that were given up late may turn up in the store all the same."""


class InferencesStats(msgspec.Struct, frozen=True):
    """Rows so far."""

    waiting: int
    kept: int
    dropped: int
    """Given up, because the store could not take them, or not in time."""


@final
class InferenceKeeper:
    """See the module's head.

    Args:
        store: where rows are kept; None: nowhere, all of them are dropped.
        max_waiting: rows that may wait.
        patience_s: how long a row may.
    """

    def __init__(
        self, store: Store | None, *, max_waiting: int, patience_s: float = PATIENCE_S
    ) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._patience_s = patience_s
        self._next = _Batch()
        """Takes rows."""
        self._flying: _Batch | None = None
        """Is being written."""
        self._late = False
        """What is being written takes too long."""
        self._alarm: asyncio.TimerHandle | None = None
        self._kept = self._dropped = 0

    def stats(self) -> InferencesStats:
        """A snapshot; may be taken from any thread."""
        flying = self._flying
        waiting = len(self._next.records) + (len(flying.records) if flying else 0)
        return InferencesStats(waiting=waiting, kept=self._kept, dropped=self._dropped)

    async def keep(self, record: InferenceRecord) -> bool:
        """Keep a row; whether it is durable now."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def report(kept: bool) -> None:  # noqa: FBT001 - the outcome
            if not waiter.done():
                waiter.set_result(kept)

        self.add(record, report)
        return await waiter

    def add(self, record: InferenceRecord, report: Report | None = None) -> None:
        """Keep a row without waiting for it.

        Args:
            record: the row.
            report: see ``Report``; called once, at the latest when patience is at an end.
        """
        if self._late or len(self._next.records) >= self._max_waiting:
            self._dropped += 1
            if report is not None:
                report(False)
            return
        self._next.records.append(record)
        if report is not None:
            self._next.reports.append(report)
        if self._flying is None:
            self._write()

    def _write(self) -> None:
        batch, self._next = self._next, _Batch()
        loop = asyncio.get_running_loop()
        if self._store is None:
            self._settle(batch, kept=False)
            return
        try:
            written = self._store.add_inferences(batch.records)
        except GaplessError:
            self._settle(batch, kept=False)
            return
        self._flying = batch
        self._alarm = loop.call_later(self._patience_s, self._give_up)

        def tell(future: Future[None]) -> None:
            kept = not future.cancelled() and future.exception() is None
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._written, batch, kept)

        written.add_done_callback(tell)

    def _written(self, batch: _Batch, kept: bool) -> None:  # noqa: FBT001 - the outcome
        self._flying = None
        self._late = False
        if self._alarm is not None:
            self._alarm.cancel()
        self._settle(batch, kept=kept)
        if self._next.records:
            self._write()

    def _give_up(self) -> None:
        """The store takes too long: let go of all that wait, and take no more until it is back."""
        self._late = True
        if self._flying is not None:
            self._flying.tell(kept=False)
        waiting, self._next = self._next, _Batch()
        self._settle(waiting, kept=False)

    def _settle(self, batch: _Batch, *, kept: bool) -> None:
        if kept:
            self._kept += len(batch.records)
        else:
            self._dropped += len(batch.records)
        batch.tell(kept=kept)


@final
class _Batch:
    """Rows that are written together, and who waits for them."""

    __slots__ = ("records", "reports")

    def __init__(self) -> None:
        self.records: list[InferenceRecord] = []
        self.reports: list[Report] = []

    def tell(self, *, kept: bool) -> None:
        """Tell all who wait, once."""
        reports, self.reports = self.reports, []
        for report in reports:
            report(kept)
