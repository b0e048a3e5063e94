"""The pool of channels to one server, carried out.

In: calls from any thread that want a channel. Out: a ``Lease``, or why there is none. Invariants: what the pool decides
is done before anyone hears of it; every channel that was opened is closed in the end. Thread: any; one lock guards the
pool and the table of channels, and nothing blocks while it is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple, final

from gapless.errors import ConnectionLostError, DeadlineError, OverloadError
from gapless.infer.triton.connection import Connect, Connection
from gapless.infer.triton.failure import RETRY_AFTER_MS, Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.triton.pool import Answer, Decision, Pool, PoolStats


class Lease(NamedTuple):
    """A channel for one call."""

    channel: int
    connection: Connection


class _Waiter:
    """A caller whom the pool has not answered yet."""

    def __init__(self) -> None:
        self.told: Final = threading.Event()
        self.answer: Answer | None = None


@final
class Channels:
    """See the module's head.

    Args:
        options: bounds and times.
        connect: opens a channel.
        where: the model and the server, for messages.
        clock: milliseconds that never go back.
        wake: called, from any thread, when ``to_check`` has something new.
    """

    def __init__(
        self,
        options: TritonOptions,
        connect: Connect,
        where: str,
        *,
        clock: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._options: Final = options
        self._connect: Final = connect
        self._where: Final = where
        self._clock: Final = clock
        self._wake: Final = wake
        self._lock: Final = threading.Lock()
        # All below is guarded by the lock.
        self._pool = Pool(options)
        self._connections: dict[int, Connection] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._to_check: list[Lease] = []
        self._discarded: list[Connection] = []

    def acquire(self, deadline_ms: int) -> Lease | Failure:
        """A channel for one call, as soon as one is free; the caller gives it back with ``release``.

        Args:
            deadline_ms: when the caller gives up, on the clock.
        """
        with self._lock:
            now_ms = self._clock()
            request = self._pool.request(now_ms)
            answer = self._decide(now_ms, request)
            if answer is None:
                waiter = self._waiters[request] = _Waiter()
        if answer is None:
            give_up_ms = min(now_ms + self._options.acquire_timeout_ms, deadline_ms)
            answer = self._wait(request, waiter, give_up_ms)
        if answer is None:
            return Failure(
                DeadlineError(
                    f"all connections to {self._where} were busy until the deadline; give it longer, or raise "
                    "max_channels",
                    retry_after_ms=RETRY_AFTER_MS,
                ),
            )
        if answer.channel is None:
            return self._refusal(answer)
        return Lease(answer.channel, self._connections[answer.channel])

    def release(self, lease: Lease, *, suspect: bool = False) -> None:
        """Give a channel back.

        Args:
            lease: what ``acquire`` gave.
            suspect: the call failed in a way that may be the channel's fault.
        """
        with self._lock:
            now_ms = self._clock()
            self._pool.release(lease.channel, now_ms, suspect=suspect)
            self._decide(now_ms)
        self._discard()

    def pin(self, lease: Lease) -> None:
        """Bind a stream to a channel that is still lent."""
        with self._lock:
            self._pool.pin(lease.channel)

    def unpin(self, lease: Lease) -> None:
        """A stream is over."""
        with self._lock:
            self._pool.unpin(lease.channel)

    def to_check(self) -> list[Lease]:
        """Channels over which the server has to be asked now; whoever does tells ``checked``."""
        with self._lock:
            self._decide(self._clock())
            leases = [lease for lease in self._to_check if lease.channel in self._connections]
            self._to_check.clear()
        self._discard()
        return leases

    def checked(self, lease: Lease, *, healthy: bool) -> None:
        """What came of it."""
        with self._lock:
            now_ms = self._clock()
            self._pool.checked(lease.channel, now_ms, healthy=healthy)
            self._decide(now_ms)
        self._discard()

    def suspend(self) -> None:
        """The server is away: refuse all, and give up every channel; the next ``to_check`` closes them."""
        with self._lock:
            self._pool.suspend()
            self._decide(self._clock())

    def resume(self) -> None:
        """The server is back."""
        with self._lock:
            self._pool.resume()
            self._decide(self._clock())

    def close(self) -> None:
        """Close all channels, those that are lent as they come back. Idempotent."""
        with self._lock:
            self._pool.close()
            self._decide(self._clock())
        self._discard()

    def next_event_ms(self) -> int | None:
        """When ``to_check`` is next worth a call."""
        with self._lock:
            return self._pool.next_event_ms()

    def stats(self) -> PoolStats:
        """Who has what."""
        with self._lock:
            return self._pool.stats()

    def _decide(self, now_ms: int, request: int | None = None) -> Answer | None:
        """Do what the pool decides; returns the answer to ``request``, if there is one. Called with the lock held."""
        decision: Decision = self._pool.decide(now_ms)
        self._discarded += (self._connections.pop(channel) for channel in decision.close)
        for channel in decision.open:
            self._connections[channel] = self._connect(channel)
        mine = None
        for answer in decision.answers:
            if answer.request == request:
                mine = answer
            else:
                waiter = self._waiters.pop(answer.request)
                waiter.answer = answer
                waiter.told.set()
        if decision.check:
            self._to_check += (Lease(one, self._connections[one]) for one in decision.check)
            self._wake()
        return mine

    def _wait(self, request: int, waiter: _Waiter, give_up_ms: int) -> Answer | None:
        """The answer to a request that has to wait; None: the caller's deadline passed first."""
        try:
            while not waiter.told.wait(max(give_up_ms - self._clock(), 0) / 1000):
                with self._lock:
                    now_ms = self._clock()
                    self._decide(now_ms)
                    if waiter.answer is None and now_ms >= give_up_ms:
                        self._withdraw(request)
                        return None
        except BaseException:
            # An interrupt: nobody is there to take the channel.
            with self._lock:
                if waiter.answer is None:
                    self._withdraw(request)
                elif waiter.answer.channel is not None:
                    self._pool.release(waiter.answer.channel, self._clock())
                self._decide(self._clock())
            self._discard()
            raise
        return waiter.answer

    def _withdraw(self, request: int) -> None:
        self._pool.withdraw(request)
        del self._waiters[request]

    def _refusal(self, answer: Answer) -> Failure:
        if answer.refusal == "down":
            error = ConnectionLostError(
                f"{self._where} is not called while it is away; try again later"
            )
            return Failure(error, repeat="elsewhere")
        why = (
            f"none of the {self._options.max_channels} connections to {self._where} came free within "
            f"{self._options.acquire_timeout_ms} ms"
            if answer.refusal == "timeout"
            else f"{self._options.max_waiting_calls} calls wait for a connection to {self._where} already"
        )
        busy = OverloadError(
            f"{why}; try again shortly, or raise max_channels", retry_after_ms=RETRY_AFTER_MS
        )
        return Failure(busy, repeat="elsewhere")

    def _discard(self) -> None:
        """Close what was given up. Called without the lock, for it waits for gRPC's threads."""
        while self._discarded:
            try:
                connection = self._discarded.pop()
            except IndexError:
                return  # another thread took it
            connection.close()
