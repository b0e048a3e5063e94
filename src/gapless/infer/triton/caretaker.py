"""Looks after the servers of a model without being asked: warms up, checks, evicts, and finds out who is back.

In: endpoints, and time. Out: their questions asked, all at once, and answered. Invariants: a round takes no longer than
``health_timeout_ms``, however many channels hang. Thread: its own, and before that the one that starts it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, final

from gapless.infer.triton.connection import Message
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.options import TritonOptions

STOP_TIMEOUT_S: Final = 5.0


@final
class Caretaker:
    """See the module's head.

    Args:
        options: how often to look, and how long to wait for answers.
        clock: milliseconds that never go back.
        name: of its thread.
    """

    def __init__(self, options: TritonOptions, clock: Callable[[], int], name: str) -> None:
        self._options: Final = options
        self._clock: Final = clock
        self._woken: Final = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._endpoints: Sequence[Endpoint] = ()
        self._question: Message = None

    def start(self, endpoints: Sequence[Endpoint], question: Message) -> None:
        """Look after ``endpoints`` from now on; the first round is over when this returns.

        Args:
            endpoints: who is to be looked after.
            question: a ModelReadyRequest.
        """
        self._endpoints, self._question = endpoints, question
        self._round()
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Stop looking. Idempotent."""
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._woken.wait(self._idle_s())
            self._woken.clear()
            if self._stopped:
                return
            self._round()

    def _idle_s(self) -> float:
        """How long there is nothing to do; never long, for channels that come back late are told to nobody."""
        times = [endpoint.next_event_ms() for endpoint in self._endpoints]
        first_ms = min((time_ms for time_ms in times if time_ms is not None), default=None)
        longest_ms = self._options.health_interval_ms
        if first_ms is None:
            return longest_ms / 1000
        return min(max(first_ms - self._clock(), 0), longest_ms) / 1000

    def _round(self) -> None:
        timeout_ms = self._options.health_timeout_ms
        asked = [
            (endpoint, question, question.connection.send("ModelReady", self._question, timeout_ms))
            for endpoint in self._endpoints
            for question in endpoint.questions()
        ]
        for endpoint, question, wait in asked:
            endpoint.answered(question, wait())
