"""A bounded number of places at a scarce thing, given out first come, first served.

In: requests, from any thread. Out: a future each, done once a place is free. Things (decoders,
slots of a model) are made when they are first needed, up to a bound, and kept.
Invariants: never more than ``most`` things exist; nobody overtakes; a request that was cancelled
while it waited costs nobody a place, and one that was granted is never lost: whoever fails to
cancel a future owns its place. Thread: any; nothing blocks except making a thing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from gapless.errors import GaplessError, ModelError, OverloadError

T = TypeVar("T")
R = TypeVar("R")

RETRY_AFTER_MS: Final = 1000
"""What a caller is told when the queue is full: about the length of a short utterance."""


class PlacesStats(msgspec.Struct, frozen=True):
    """A snapshot of who has what."""

    most: int
    made: int
    """Things that exist, or are being made."""
    busy: int
    """Things that are given out, or are being made for somebody."""
    waiting: int


class _Waiter(NamedTuple, Generic[T]):
    future: Future[Any]
    begin: Callable[[T], Any]

    def serve(self, thing: T) -> None:
        self.future.set_result(self.begin(thing))


class Places(Generic[T]):
    """A pool of things of one kind, with a queue before it.

    Args:
        make: makes one more thing; called without any lock held. Its ``GaplessError`` goes to
            the future that the thing was made for.
        free: disposes of a thing after ``close``.
        most: how many things may exist.
        max_waiting: how many requests may wait.
    """

    def __init__(
        self, make: Callable[[], T], free: Callable[[T], None], *, most: int, max_waiting: int
    ) -> None:
        self._make = make
        self._free = free
        self._most = most
        self._max_waiting = max_waiting
        self._lock = Lock()
        # All below is guarded by the lock. Waiters and idle things never exist at the same time.
        self._made = 0
        self._idle: list[T] = []
        self._waiting: deque[_Waiter[T]] = deque()
        self._closed = False

    def request(self, begin: Callable[[T], R]) -> Future[R]:
        """Ask for a place.

        The future is done at once if a thing is idle or may still be made. Its result is
        ``begin(thing)``; ``begin`` must be quick and must not raise, for it may run in the thread
        that releases.

        Raises:
            OverloadError: as many requests wait as may wait.
            ModelError: the pool is closed.
        """
        future: Future[R] = Future()
        waiter = _Waiter[T](future, begin)
        with self._lock:
            if self._closed:
                raise ModelError("the model has been closed; open it again")
            if self._idle:
                thing = self._idle.pop()
            elif self._made < self._most:
                self._made += 1
                thing = None
            else:
                self._enqueue(waiter)
                return future
            future.set_running_or_notify_cancel()
        if thing is None:
            self._make_for(waiter)
        else:
            waiter.serve(thing)
        return future

    def release(self, thing: T) -> None:
        """Give a thing back: it goes to the first who waits, if anybody does."""
        with self._lock:
            if self._closed:
                self._made -= 1
                waiter = None
            else:
                waiter = self._next_waiter()
                if waiter is None:
                    self._idle.append(thing)
                    return
        if waiter is None:
            self._free(thing)
        else:
            waiter.serve(thing)

    def close(self) -> None:
        """Dispose of idle things and cancel all who wait. Idempotent.

        What is given out is disposed of when it is released.
        """
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            waiting = list(self._waiting)
            self._waiting.clear()
            self._made -= len(idle)
        for thing in idle:
            self._free(thing)
        for waiter in waiting:
            waiter.future.cancel()
            waiter.future.set_running_or_notify_cancel()

    def stats(self) -> PlacesStats:
        """How many things exist, are busy, and are waited for."""
        with self._lock:
            waiting = sum(not waiter.future.cancelled() for waiter in self._waiting)
            return PlacesStats(self._most, self._made, self._made - len(self._idle), waiting)

    def _enqueue(self, waiter: _Waiter[T]) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._drop_cancelled()
        if len(self._waiting) >= self._max_waiting:
            raise OverloadError(
                f"all {self._most} places are taken and {self._max_waiting} utterances wait "
                "already; try again shortly, or raise the setting `decoders`",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._waiting.append(waiter)

    def _next_waiter(self) -> _Waiter[T] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            # From here on the future cannot be cancelled any more: its place will be taken.
            if waiter.future.set_running_or_notify_cancel():
                return waiter
        return None

    def _drop_cancelled(self) -> None:
        for _ in range(len(self._waiting)):
            waiter = self._waiting.popleft()
            if waiter.future.cancelled():
                waiter.future.set_running_or_notify_cancel()
            else:
                self._waiting.append(waiter)

    def _make_for(self, first: _Waiter[T]) -> None:
        """Make a thing; if that fails, the right to make one passes on to the next who waits."""
        waiter: _Waiter[T] | None = first
        while waiter is not None:
            try:
                thing = self._make()
            except GaplessError as error:
                failed = waiter.future
                with self._lock:
                    waiter = self._next_waiter()
                    if waiter is None:
                        self._made -= 1
                failed.set_exception(error)
            else:
                waiter.serve(thing)
                return
