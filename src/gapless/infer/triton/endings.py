"""Tells Triton servers which streams are over, without keeping anybody waiting.

In: streams that nobody steps any more. Out: their END requests, sent. Invariants: END is sent until the server answers;
it ends a stream once, for no two streams have the same id there, and Triton refuses END for one that it does not know.
What is not answered for ``PATIENCE_MS``, or finds ``CAPACITY`` others waiting, is left to the server's own idle time.
Thread: ``add`` any; one of its own, from the first stream on, sends.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, final

import structlog

from gapless.errors import ModelError
from gapless.infer.triton.channels import Lease
from gapless.infer.triton.connection import Message, Outcome
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.failure import Failure

log = structlog.get_logger(__name__)

CAPACITY: Final = 1024
"""Streams that may wait to be ended."""

WAVE: Final = 32
"""Streams that are ended at the same time."""

TIMEOUT_MS: Final = 2000
"""How long a server may take to end one."""

PATIENCE_MS: Final = 10_000
"""How long an END is kept for a server that is away."""

RETRY_MS: Final = 250
"""How often such a server is tried."""


class Ending(NamedTuple):
    """A stream that is to be ended."""

    endpoint: Endpoint
    lease: Lease
    """The channel that it is pinned to."""
    request: Message
    give_up_ms: int


@final
class Endings:
    """See the module's head.

    Args:
        clock: milliseconds that never go back.
        name: of its thread.
    """

    def __init__(self, clock: Callable[[], int], name: str) -> None:
        self._clock: Final = clock
        self._name: Final = name
        # Guards all below.
        self._changed = threading.Condition()
        self._waiting: deque[Ending] = deque()
        self._later: list[Ending] = []
        """Whose server did not answer."""
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, endpoint: Endpoint, lease: Lease, request: Message) -> None:
        """End a stream soon, and then unpin its channel."""
        ending = Ending(endpoint, lease, request, self._clock() + PATIENCE_MS)
        with self._changed:
            room = len(self._waiting) + len(self._later) < CAPACITY and not self._closed
            if room:
                self._waiting.append(ending)
                self._changed.notify()
            if room and self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        if not room:
            self._forget(ending)

    def close(self) -> None:
        """Send what waits, then stop. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(2 * TIMEOUT_MS / 1000)

    def _run(self) -> None:
        while wave := self._next_wave():
            unanswered = self._send(wave)
            now_ms = self._clock()
            with self._changed:
                again = [one for one in unanswered if now_ms < one.give_up_ms and not self._closed]
                self._later += again
            for ending in unanswered:
                if ending not in again:
                    self._forget(ending)

    def _next_wave(self) -> list[Ending]:
        """Those that are to be ended now; none: it is closed, and nothing waits any more."""
        with self._changed:
            pause_s = RETRY_MS / 1000 if self._later else None
            self._changed.wait_for(lambda: self._waiting or self._closed, pause_s)
            new = [self._waiting.popleft() for _ in range(min(len(self._waiting), WAVE))]
            again, self._later = self._later, []
        return again + new

    def _send(self, wave: list[Ending]) -> list[Ending]:
        """Send END for all of them; returns those for whom there was no answer."""
        sent = [(ending, self._ask(ending)) for ending in wave]
        unanswered: list[Ending] = []
        for ending, answer in sent:
            outcome = answer()
            # With a ModelError the server says that it does not know the stream.
            if isinstance(outcome, Failure) and not isinstance(outcome.error, ModelError):
                unanswered.append(ending)
            else:
                ending.endpoint.unpin(ending.lease)
        return unanswered

    def _ask(self, ending: Ending) -> Callable[[], Outcome]:
        connection = ending.lease.connection
        if not connection.closed:
            return connection.send("ModelInfer", ending.request, TIMEOUT_MS)
        # The channel is gone, but the server may well know the stream still.
        outcome = ending.endpoint.call("ModelInfer", ending.request, self._clock() + TIMEOUT_MS)
        return lambda: outcome

    def _forget(self, ending: Ending) -> None:
        ending.endpoint.unpin(ending.lease)
        log.warning("triton_stream_not_ended", url=ending.endpoint.url)
