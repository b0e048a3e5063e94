"""Single flight: one computation for all who ask for the same thing at the same time.

In: keys and functions that compute. Out: what they return or raise, to everybody who waits. Invariants: a computation
goes on while anybody waits for it, whoever began it, and is cancelled when nobody does; what it raises is raised for
all who wait, and not kept; no more than a bounded number at a time. Thread: one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar, final

from gapless.errors import OverloadError

Value = TypeVar("Value")


@final
class Flight(Generic[Value]):
    """A computation under way."""

    def __init__(self, task: asyncio.Task[Value], *, background: bool) -> None:
        self.task: Final = task
        self.waiters = 0
        self.background: Final = background
        """Whether it goes on without anybody who waits."""


@final
class Flights(Generic[Value]):
    """All computations under way.

    Args:
        most: at a time.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._flights: Final[dict[Hashable, Flight[Value]]] = {}
        self._tasks: Final[set[asyncio.Task[Value]]] = set()
        """Those that were abandoned, but have not ended yet, are among them."""

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def full(self) -> bool:
        """Whether there is no room for another."""
        return len(self._tasks) >= self._most

    def find(self, key: Hashable) -> Flight[Value] | None:
        """The one that computes this, if any does."""
        return self._flights.get(key)

    def begin(
        self, key: Hashable, compute: Callable[[], Awaitable[Value]], *, background: bool = False
    ) -> Flight[Value]:
        """Begin a computation that others can join; ask ``find`` and ``full`` before."""
        task = asyncio.get_running_loop().create_task(_run(compute))
        flight = Flight(task, background=background)
        self._flights[key] = flight
        self._tasks.add(task)

        def ended(task: asyncio.Task[Value]) -> None:
            self._tasks.discard(task)
            self._forget(key, flight)
            # Looked at, so that the loop does not complain where nobody waits any more.
            if not task.cancelled():
                task.exception()

        task.add_done_callback(ended)
        return flight

    async def wait(self, key: Hashable, flight: Flight[Value]) -> Value:
        """What it computes.

        Raises:
            OverloadError: it was cancelled from outside, for instance because the cache was closed.
            Exception: what it raised.
        """
        flight.waiters += 1
        landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def land(_: asyncio.Task[Value]) -> None:
            if not landed.done():
                landed.set_result(None)

        flight.task.add_done_callback(land)
        try:
            # Not the task itself: who stops waiting for it must not cancel it for the others.
            await landed
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.background and not flight.task.done():
                # Whoever asks from now on begins anew.
                self._forget(key, flight)
                flight.task.cancel()
        if flight.task.cancelled():
            raise OverloadError("the computation was cancelled; ask again", retry_after_ms=1000)
        return flight.task.result()

    async def close(self) -> None:
        """Cancel all of them."""
        self._flights.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, key: Hashable, flight: Flight[Value]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _run(compute: Callable[[], Awaitable[Value]]) -> Value:
    return await compute()
