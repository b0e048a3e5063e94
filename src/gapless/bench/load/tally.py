"""What becomes of the requests of one process.

In: requests that were answered or failed. Out: counts and times. Invariants: what was due before the count begins (the
warm-up) leaves no trace; a failed request has no time, so that a server which refuses quickly does not look quick.
Thread: one.
"""

from __future__ import annotations

from typing import final

from gapless.bench.load.task import MOST_ERRORS, OTHER_ERRORS
from gapless.bench.load.times import Times

US: float = 1e6


@final
class Tally:
    """See the module's head.

    Args:
        begin_s: what is due earlier does not count.
    """

    def __init__(self, begin_s: float) -> None:
        self._begin_s = begin_s
        self.answered = 0
        self.errors: dict[str, int] = {}
        self.from_due = Times()
        self.from_sent = Times()
        self.late = Times()
        self.last_answer_s = begin_s
        self.uncounted = 0
        """Good answers outside the time that counts."""

    @property
    def failed(self) -> int:
        """Requests that were not answered well."""
        return sum(self.errors.values())

    def noticed(self, due_s: float, now_s: float) -> None:
        """The program has seen that a request is due."""
        if due_s >= self._begin_s:
            self.late.add(int((now_s - due_s) * US))

    def answer(self, due_s: float, sent_s: float, now_s: float) -> None:
        """A request was answered well."""
        if due_s >= self._begin_s:
            self.answered += 1
            self.from_due.add(int((now_s - due_s) * US))
            self.from_sent.add(int((now_s - sent_s) * US))
            self.last_answer_s = now_s
        else:
            self.uncounted += 1

    def fail(self, due_s: float, error: str) -> None:
        """A request was not."""
        if due_s >= self._begin_s:
            if error not in self.errors and len(self.errors) >= MOST_ERRORS:
                error = OTHER_ERRORS
            self.errors[error] = self.errors.get(error, 0) + 1
