"""What a store cannot do at the moment, and since when.

In: failures and successes, from whoever uses the store's file or server. Out: a few words, and one line of the log when
something is lost and one when it is back. Invariants: it lasts from the first failure until all who met one have
succeeded; the words name no place, for anybody may read them. Thread: any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Final, final

import structlog

log = structlog.get_logger(__name__)

UNREACHABLE: Final = "cannot be reached"
CANNOT_WRITE: Final = "cannot be written"
SILENT: Final = "does not answer"


@final
class Trouble:
    """See the module's head.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._met_by: set[Hashable] = set()
        self._what = ""
        self._since_s = 0.0

    def begin(self, who: Hashable, what: str, why: str, *, since_s: float | None = None) -> None:
        """Something failed.

        Args:
            who: met it, and will say when it is over.
            what: goes on after "the store": "cannot be reached".
            why: for the log.
            since_s: when it began, by the clock; None: now.
        """
        with self._lock:
            is_new = not self._met_by
            self._met_by.add(who)
            if is_new:
                self._what = what
                self._since_s = self._clock() if since_s is None else since_s
        if is_new:
            log.warning("the store is in trouble: what is said waits for it", it=what, error=why)

    def end(self, who: Hashable) -> None:
        """It works again, for the one who met it; nothing happens if nobody did."""
        if not self._met_by:  # the usual case costs no lock
            return
        with self._lock:
            self._met_by.discard(who)
            is_over = not self._met_by and bool(self._what)
            what, self._what = self._what, "" if is_over else self._what
            away_s = self._clock() - self._since_s
        if is_over:
            log.info("the store is back", it=what, seconds=round(away_s, 1))

    @property
    def words(self) -> str:
        """What goes on after "the store"; empty when all is well."""
        with self._lock:
            return told(self._what, self._clock() - self._since_s) if self._what else ""


def told(what: str, seconds: float) -> str:
    """What is wrong, and for how long."""
    return f"{what}, for {max(seconds, 0.0):.0f} s now"
