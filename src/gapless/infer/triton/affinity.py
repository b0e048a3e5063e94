"""Streams whose state a Triton server keeps: each stays with the server and the channel that it began on.

In: steps, and ends. Out: answers, or a ``Failure``. Invariants: a step is sent once, for nobody knows what a second one
would do to the state; once that state is unknown the stream is lost, and only a new beginning, anywhere, helps; every
stream that a server may know is ended once. Thread: any; the steps of a stream come one after the other.
"""

from __future__ import annotations

import random
import threading
from typing import Final, final

from gapless.errors import ConnectionLostError, ModelError, OverloadError
from gapless.infer.contract import SequenceStep
from gapless.infer.triton.channels import Lease
from gapless.infer.triton.connection import Message, Outcome
from gapless.infer.triton.endings import Endings
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.endpoints import Endpoints
from gapless.infer.triton.exchange import make_ending, mark_step
from gapless.infer.triton.failure import RETRY_AFTER_MS, Failure


class _Stream:
    """Where a stream is."""

    def __init__(self, endpoint: Endpoint, lease: Lease, first: Message) -> None:
        self.endpoint: Final = endpoint
        self.lease: Final = lease
        self.id: Final = random.getrandbits(63) | 1
        """What the server knows it by; a new one whenever it begins, for the last one's END may still be on its way."""
        mark_step(first, self.id, start=True, end=False)
        self.ending: Final = make_ending(first)
        self.over = False
        """Its state is lost, or it was ended."""


@final
class Affinity:
    """See the module's head.

    Args:
        endpoints: where streams may begin.
        endings: who ends them.
        max_streams: how many may be open.
    """

    def __init__(self, endpoints: Endpoints, endings: Endings, max_streams: int) -> None:
        self._endpoints: Final = endpoints
        self._endings: Final = endings
        self._max_streams: Final = max_streams
        self._lock: Final = threading.Lock()
        self._streams: dict[int, _Stream] = {}

    def step(self, step: SequenceStep, request: Message, deadline_ms: int) -> Outcome:
        """Send the next step of a stream."""
        with self._lock:
            stream = self._streams.get(step.id)
            full = stream is None and len(self._streams) >= self._max_streams
        if step.start and full:
            return Failure(
                OverloadError(
                    f"{self._max_streams} streams of the model are open; close one, try again shortly, or raise "
                    "max_sequences in its manifest",
                    retry_after_ms=RETRY_AFTER_MS,
                ),
            )
        if step.start and (stream is None or stream.over):
            return self._begin(step, request, deadline_ms)
        if stream is None or stream.over:
            return self._gone(stream)
        mark_step(request, stream.id, start=step.start, end=step.end)
        outcome = stream.endpoint.call_over(stream.lease, "ModelInfer", request, deadline_ms)
        self._settle(step, stream, outcome)
        return outcome

    def end(self, sequence: int) -> None:
        """A stream is over, wherever it stands; nothing happens if there is none."""
        with self._lock:
            stream = self._streams.pop(sequence, None)
        if stream is not None:
            self._part(stream)

    def close(self) -> None:
        """End all streams, and wait until their servers know. Idempotent."""
        for sequence in list(self._streams):
            self.end(sequence)
        self._endings.close()

    def _begin(self, step: SequenceStep, request: Message, deadline_ms: int) -> Outcome:
        """Send the first step to whoever has a channel for it."""
        tried: list[Endpoint] = []
        failure: Failure | None = None
        while True:
            endpoint = self._endpoints.choose(tried)
            if endpoint is None or endpoint in tried:
                return failure or self._endpoints.nobody()
            lease = endpoint.acquire(deadline_ms)
            if not isinstance(lease, Failure):
                break
            # Nothing was sent, so that another server may be asked.
            failure = lease
            tried.append(endpoint)

        outcome: Outcome = None
        try:
            stream = _Stream(endpoint, lease, request)
            mark_step(request, stream.id, start=True, end=step.end)
            endpoint.pin(lease)
            with self._lock:
                self._streams[step.id] = stream
            outcome = endpoint.call_over(lease, "ModelInfer", request, deadline_ms)
        finally:
            endpoint.release(lease, outcome)
        self._settle(step, stream, outcome)
        return outcome

    def _settle(self, step: SequenceStep, stream: _Stream, outcome: Outcome) -> None:
        """See what the outcome of a step means for its stream."""
        if isinstance(outcome, Failure):
            if outcome.stream_lost:
                # The server may be well, and keep a place for it.
                self._part(stream)
        elif step.end:
            with self._lock:
                self._streams.pop(step.id, None)
            if self._is_first_to_end(stream):
                stream.endpoint.unpin(stream.lease)

    def _part(self, stream: _Stream) -> None:
        """Have a stream ended, unless it was."""
        if self._is_first_to_end(stream):
            self._endings.add(stream.endpoint, stream.lease, stream.ending)

    def _is_first_to_end(self, stream: _Stream) -> bool:
        with self._lock:
            over, stream.over = stream.over, True
        return not over

    def _gone(self, stream: _Stream | None) -> Failure:
        if stream is None:
            unknown = ModelError("the stream has not begun; send a first step that says so")
            return Failure(unknown)
        lost = ConnectionLostError(
            f"{stream.endpoint.where} lost the state of this stream; close it, and begin a new one",
            retry_after_ms=RETRY_AFTER_MS,
        )
        return Failure(lost)
