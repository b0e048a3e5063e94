"""One Triton server: its channels, and the breaker before them.

In: calls from any thread. Out: answers, or a ``Failure``. Invariants: nothing is sent while the breaker is not closed,
except the caretaker's questions; the channels are suspended for just that long. Thread: any; a lock guards the breaker,
and nothing blocks while it is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, NamedTuple, final

import msgspec
import structlog

from gapless.errors import ConnectionLostError, DeadlineError
from gapless.infer.triton.breaker import Breaker, BreakerState
from gapless.infer.triton.channels import Channels, Lease
from gapless.infer.triton.connection import Connect, Connection, Message, Outcome
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.triton.pool import PoolStats

log = structlog.get_logger(__name__)

PROBE: Final = 0
"""The number of the probe's channel; those of the pool begin with 1."""


class EndpointStats(msgspec.Struct, frozen=True):
    """A snapshot of one server, as seen from here."""

    url: str
    breaker: BreakerState
    breaker_opened: int
    """How often, since the start."""
    in_flight: int
    """Calls that have a channel or wait for one."""
    streams: int
    """Streams that are bound to it."""
    pool: PoolStats


class Question(NamedTuple):
    """What the caretaker has to find out: does the server answer over this connection that the model is ready?"""

    connection: Connection
    channel: Lease | None
    """The channel that is checked; None: this is the breaker's probe, on a connection outside the pool."""
    era: int


@final
class Endpoint:
    """See the module's head.

    Args:
        url: ``HOST:PORT``.
        where: the model and the server, for messages.
        options: bounds and times.
        connect: opens a channel.
        clock: milliseconds that never go back.
        random: a number from 0 up to 1, at random.
        wake: called, from any thread, when ``questions`` has something new.
    """

    def __init__(
        self,
        url: str,
        where: str,
        options: TritonOptions,
        connect: Connect,
        *,
        clock: Callable[[], int],
        random: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self.url: Final = url
        self.where: Final = where
        self._connect: Final = connect
        self._clock: Final = clock
        self._wake: Final = wake
        self._channels: Final = Channels(options, connect, where, clock=clock, wake=wake)
        self._lock: Final = threading.Lock()
        # All below is guarded by the lock.
        self._breaker = Breaker(options, random)
        self._trouble = ""
        self._in_flight = self._streams = 0

    # --- for callers ---

    @property
    def healthy(self) -> bool:
        """Whether calls are let through."""
        return self._breaker.state == "closed"

    @property
    def trouble(self) -> str:
        """Why calls are not let through; empty while they are."""
        with self._lock:
            return "" if self.healthy else self._trouble

    @property
    def load(self) -> int:
        """Calls that have a channel or wait for one, and streams."""
        return self._in_flight + self._streams

    def call(self, method: str, request: Message, deadline_ms: int) -> Outcome:
        """Ask over the next channel that is free."""
        lease = self.acquire(deadline_ms)
        if isinstance(lease, Failure):
            return lease
        outcome: Outcome = None
        try:
            outcome = self.call_over(lease, method, request, deadline_ms)
        finally:
            self.release(lease, outcome)
        return outcome

    def acquire(self, deadline_ms: int) -> Lease | Failure:
        """A channel for one call; the caller gives it back with ``release``."""
        with self._lock:
            if not self.healthy:
                return self._refusal()
            self._in_flight += 1
        lease = self._channels.acquire(deadline_ms)
        if isinstance(lease, Failure):
            with self._lock:
                self._in_flight -= 1
        return lease

    def release(self, lease: Lease, outcome: Outcome) -> None:
        """Give a channel back, with what came of the call."""
        with self._lock:
            self._in_flight -= 1
        self._channels.release(lease, suspect=isinstance(outcome, Failure) and outcome.suspect)

    def pin(self, lease: Lease) -> None:
        """Bind a stream to a channel that is still lent."""
        with self._lock:
            self._streams += 1
        self._channels.pin(lease)

    def unpin(self, lease: Lease) -> None:
        """A stream is over."""
        with self._lock:
            self._streams -= 1
        self._channels.unpin(lease)

    def call_over(self, lease: Lease, method: str, request: Message, deadline_ms: int) -> Outcome:
        """Ask over a channel that is lent to the caller, or that the caller's stream is pinned to."""
        with self._lock:
            if not self.healthy:
                return self._refusal()
            era = self._breaker.era
        timeout_ms = deadline_ms - self._clock()
        if timeout_ms <= 0:
            late = f"the time for {self.where} was over before it was asked; give it longer"
            return Failure(DeadlineError(late))
        outcome = lease.connection.call(method, request, timeout_ms)
        if not isinstance(outcome, Failure):
            with self._lock:
                self._breaker.succeeded(era)
        elif outcome.fault:
            self._blame(era, outcome.error.message)
        return outcome

    def retry_after_ms(self) -> int:
        """How long until a call may be worth while."""
        with self._lock:
            return self._breaker.retry_after_ms(self._clock())

    def stats(self) -> EndpointStats:
        """How it is."""
        with self._lock:
            return EndpointStats(
                url=self.url,
                breaker=self._breaker.state,
                breaker_opened=self._breaker.opened,
                in_flight=self._in_flight,
                streams=self._streams,
                pool=self._channels.stats(),
            )

    # --- for the caretaker ---

    def questions(self) -> list[Question]:
        """What has to be found out now; whoever does tells ``answered``."""
        with self._lock:
            probing = self._breaker.probe(self._clock())
            era = self._breaker.era
        questions = [Question(lease.connection, lease, era) for lease in self._channels.to_check()]
        if probing:
            questions.append(Question(self._connect(PROBE), None, era))
        return questions

    def answered(self, question: Question, outcome: Outcome) -> None:
        """What was found out, by asking ModelReady."""
        if isinstance(outcome, Failure):
            answers, ready, reason = False, False, outcome.error.message
        else:
            answers, ready = True, bool(outcome.ready)
            reason = f"{self.where} is not ready; load it there, or look at the server's log"
        if question.channel is None:
            question.connection.close()
            self._probed(ready=ready, reason=reason)
        else:
            if not ready:
                self._blame(question.era, reason)
            self._channels.checked(question.channel, healthy=answers)

    def next_event_ms(self) -> int | None:
        """When ``questions`` is next worth a call."""
        with self._lock:
            times = (self._channels.next_event_ms(), self._breaker.next_probe_ms())
        return min((time_ms for time_ms in times if time_ms is not None), default=None)

    def close(self) -> None:
        """Close all channels. Idempotent."""
        self._channels.close()

    # --- how ---

    def _blame(self, era: int, reason: str) -> None:
        """Hold a failure against the server."""
        with self._lock:
            before = self._breaker.opened
            self._breaker.failed(era, self._clock())
            opened = self._breaker.opened > before
            if opened:
                self._trouble = reason
                self._channels.suspend()
        if opened:
            self._wake()
            log.warning("triton_server_away", url=self.url, reason=reason)

    def _probed(self, *, ready: bool, reason: str) -> None:
        with self._lock:
            self._breaker.probed(self._clock(), healthy=ready)
            if ready:
                self._channels.resume()
            else:
                self._trouble = reason
        if ready:
            log.info("triton_server_back", url=self.url)

    def _refusal(self) -> Failure:
        """Called with the lock held, while the breaker is not closed."""
        away = ConnectionLostError(
            self._trouble, retry_after_ms=self._breaker.retry_after_ms(self._clock())
        )
        return Failure(away, repeat="elsewhere")
