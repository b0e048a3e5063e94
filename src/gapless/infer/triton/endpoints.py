"""All servers that a model runs on: which of them is asked, and who is asked next when one fails.

In: calls from any thread. Out: answers, or the ``Failure`` of the last attempt. Invariants: a call goes to a server
that is well, to one that was not tried yet before one that was, to the least busy of those, and to the first in order
among equals; only what need not fail again is repeated, and never past the deadline. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

from gapless.errors import ConnectionLostError
from gapless.infer.triton.connection import Message, Outcome
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions


@final
class Endpoints:
    """See the module's head.

    Args:
        endpoints: at least one, the preferred one first; closed with this.
        options: how often and when to try again.
        clock: milliseconds that never go back.
        random: a number from 0 up to 1, at random.
        pause: waits for so many milliseconds.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        options: TritonOptions,
        *,
        clock: Callable[[], int],
        random: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self.all: Final = tuple(endpoints)
        self._options: Final = options
        self._clock: Final = clock
        self._random: Final = random
        self._pause: Final = pause

    @property
    def trouble(self) -> str:
        """Why none of them is called; empty while one is."""
        troubles = [endpoint.trouble for endpoint in self.all]
        return " / ".join(troubles) if all(troubles) else ""

    def choose(self, tried: Sequence[Endpoint] = ()) -> Endpoint | None:
        """Who is to be asked, after those that were; None: nobody is well."""
        well = (endpoint for endpoint in self.all if endpoint.healthy)
        return min(well, key=lambda one: (tried.count(one), one.load), default=None)

    def call(self, method: str, request: Message, deadline_ms: int) -> Outcome:
        """Ask; where the answer is a failure that need not come again, ask again."""
        tried: list[Endpoint] = []
        failure: Failure | None = None
        while len(tried) < self._options.attempts:
            if tried:
                pause_ms = self._random() * self._options.backoff_ms * len(tried)
                if self._clock() + pause_ms >= deadline_ms:
                    break
                self._pause(pause_ms)
            endpoint = self.choose(tried)
            if endpoint is None:
                break
            if failure is not None and failure.repeat == "elsewhere" and endpoint in tried:
                break
            outcome = endpoint.call(method, request, deadline_ms)
            if not isinstance(outcome, Failure) or outcome.repeat == "never":
                return outcome
            failure = outcome
            tried.append(endpoint)
        return failure or self.nobody()

    def nobody(self) -> Failure:
        """Nobody is well."""
        away = ConnectionLostError(
            self.trouble or "the Triton servers are away; try again shortly",
            retry_after_ms=min(endpoint.retry_after_ms() for endpoint in self.all),
        )
        return Failure(away, repeat="elsewhere")

    def close(self) -> None:
        """Close all channels. Idempotent."""
        for endpoint in self.all:
            endpoint.close()
