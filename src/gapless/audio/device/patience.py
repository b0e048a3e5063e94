"""Calls into a library that may never return.

In: a call. Out: what it returns, if it does in time. Invariants: the caller never waits longer than it said; a call
that is given up goes on by itself, and what it may return late is taken care of. Thread: any; the call has one of its
own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, final

R = TypeVar("R")


@final
class Patience(Generic[R]):
    """One call.

    Args:
        call: what may hang.
        late: is given what it returns when nobody waits any more.
    """

    def __init__(self, call: Callable[[], R], late: Callable[[R], object] | None = None) -> None:
        self._call = call
        self._late = late
        self._lock = threading.Lock()
        """Guards the two below."""
        self._results: list[R] = []
        self._given_up = False

    def wait(self, seconds: float) -> R:
        """What it returns.

        Raises:
            TimeoutError: it does not.
        """
        # A daemon: the interpreter may end while it hangs.
        thread = threading.Thread(target=self._run, name="gapless-patience", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends already
            return self._call()
        thread.join(seconds)
        with self._lock:
            if self._results:
                return self._results[0]
            self._given_up = True
        raise TimeoutError

    def _run(self) -> None:
        result = self._call()
        with self._lock:
            self._results.append(result)
            given_up = self._given_up
        if given_up and self._late is not None:
            self._late(result)
