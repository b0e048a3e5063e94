"""Whether a server is called: a circuit breaker, without any server.

In: outcomes of calls and probes, and the time. Out: whether to call, and whether to probe. Invariants: what was begun
before the breaker last changed has no say any more; at most one probe is under way; pauses double up to their bound,
and are short again only after a call has succeeded. Thread: one at a time; the shell locks.

    closed ── failures in a row ──> open ── pause over ──> half-open ── the probe succeeded ──> closed
                                      ^──────── the probe failed: twice the pause ───'

Failures in a row, not a rate: a server that is gone or hangs answers nobody, so it is found out after the fewest calls;
one that fails some calls is still the best there is where there is no other, and where there is one, calls that may be
repeated go there by themselves. What the caller got wrong does not count, neither way, nor does what was cancelled.

While it is open nobody's call is spent on finding out: the probe is a question of the shell's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, final

from gapless.infer.triton.options import TritonOptions

BreakerState: TypeAlias = Literal["closed", "open", "half-open"]

SPREAD: Final = 0.2
"""A pause is shortened by up to this part of it, so that not all clients of a server come back at the same moment."""


@final
class Breaker:
    """See the module's head.

    Args:
        options: how many failures, and how long the pauses.
        random: a number from 0 up to 1, at random.
    """

    def __init__(self, options: TritonOptions, random: Callable[[], float]) -> None:
        self._options = options
        self._random = random
        self._state: BreakerState = "closed"
        self._era = 0
        self._failures = 0
        """In a row."""
        self._pause_ms = options.breaker_pause_ms
        """The next one."""
        self._until_ms = 0
        self._opened = 0

    @property
    def state(self) -> BreakerState:
        """As drawn above."""
        return self._state

    @property
    def era(self) -> int:
        """Changes with the state. A call keeps the one it was begun in, and says so with its outcome."""
        return self._era

    @property
    def opened(self) -> int:
        """How often it opened since the start."""
        return self._opened

    def retry_after_ms(self, now_ms: int) -> int:
        """How long until a call may be worth while."""
        if self._state == "half-open":
            return self._options.health_timeout_ms
        return max(self._until_ms - now_ms, 0)

    def succeeded(self, era: int) -> None:
        """A call was answered."""
        if era == self._era and self._state == "closed":
            self._failures = 0
            self._pause_ms = self._options.breaker_pause_ms

    def failed(self, era: int, now_ms: int) -> None:
        """A call or a check failed by the fault of the server."""
        if era == self._era and self._state == "closed":
            self._failures += 1
            if self._failures >= self._options.breaker_failures:
                self._open(now_ms)

    def next_probe_ms(self) -> int | None:
        """When ``probe`` next says yes; None: not by time alone."""
        return self._until_ms if self._state == "open" else None

    def probe(self, now_ms: int) -> bool:
        """Whether to ask the server now if it is back; whoever does tells ``probed`` what came of it."""
        if self._state != "open" or now_ms < self._until_ms:
            return False
        self._change("half-open")
        return True

    def probed(self, now_ms: int, *, healthy: bool) -> None:
        """What came of the probe."""
        if healthy:
            self._failures = 0
            self._change("closed")
        else:
            self._open(now_ms)

    def _open(self, now_ms: int) -> None:
        self._opened += 1
        self._change("open")
        pause_ms = min(self._pause_ms, self._options.breaker_max_pause_ms)
        self._until_ms = now_ms + round(pause_ms * (1 - SPREAD * self._random()))
        self._pause_ms = 2 * pause_ms

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1
