"""Looks at the metrics again and again, and keeps a minute of them and an hour of the figures.

In: what collects the metrics. Out: windows on them, and the hour. Invariants: it holds at most ``MOST_SNAPSHOTS``
snapshots and an hour of figures; however often it is asked, the metrics are collected at most once in ``FRESH_S``; a
collection that fails costs one value, not the others. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

import structlog
from prometheus_client import Metric

from gapless.serve.metrics.declared import WORKERS
from gapless.serve.status.figures import FAMILIES
from gapless.serve.status.history import EVERY_S, Hour
from gapless.serve.status.window import Snapshot, Window, follow, take

WINDOW_S: Final = 60.0
MOST_SNAPSHOTS: Final = 1 + round(WINDOW_S / EVERY_S)
FRESH_S: Final = 1.0
"""So old the newest figures may be when they are asked for."""

Collect = Callable[[], Awaitable[Sequence[Metric]]]

log = structlog.get_logger(__name__)


@final
class Sampler:
    """See the module's head.

    Args:
        collect: gives all metrics of all workers.
        clock: seconds that never go back.
        every_s: from one look to the next.
    """

    def __init__(
        self,
        collect: Collect,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
    ) -> None:
        self._collect: Final = collect
        self._clock: Final = clock
        self._every_s: Final = every_s
        self._snapshots: Final[deque[Snapshot]] = deque(maxlen=MOST_SNAPSHOTS)
        """One every ``every_s`` seconds."""
        self._newest: Snapshot | None = None
        """The last that was asked for in between."""
        self._one: Final = asyncio.Lock()
        self.hour: Final = Hour()

    async def run(self) -> None:
        """Sample until cancelled."""
        due_s = self._clock()
        while True:
            try:
                await self.sample()
            except Exception:
                # The supervisor of all samples: there will be others.
                log.exception("the metrics could not be collected")
            # What a sample takes does not move the ones after it; those that were missed stay out.
            due_s = max(due_s + self._every_s, self._clock())
            await asyncio.sleep(due_s - self._clock())

    async def sample(self) -> None:
        """Take one now, and note what was measured since the last."""
        async with self._one:
            snapshot = await self._take()
            if self._snapshots:
                self.hour.add(Window([self._snapshots[-1], snapshot]))
            self._snapshots.append(snapshot)

    async def window(self) -> Window:
        """The last minute, or what there is of it, until now."""
        async with self._one:
            newest = self._newest
            # The very first look has nothing before it, and would tell nothing.
            first = not self._snapshots or newest is self._snapshots[0]
            if newest is None or first or self._clock() - newest.at_s >= FRESH_S:
                newest = await self._take()
            before = [each for each in self._snapshots if each.at_s < newest.at_s]
            return Window([*before, newest])

    async def _take(self) -> Snapshot:
        families = await self._collect()
        at_s, at_ms = self._clock(), time.time_ns() // 1_000_000
        before = self._snapshots[-1] if self._snapshots else None

        def read() -> Snapshot:
            snapshot = take(families, FAMILIES, at_s, at_ms)
            return snapshot if before is None else follow(before, snapshot, WORKERS.name)

        # Thousands of numbers: the event loop has other things to do meanwhile.
        self._newest = await asyncio.to_thread(read)
        return self._newest
