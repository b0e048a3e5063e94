"""Deletes transcripts that are too old, or that make the store too large, while everything else goes on.

In: a store, how long and how much to keep, and the time. Out: fewer transcripts, and a line of the log for each sweep
that deleted some. Invariants: a sweep a minute at most, of a bounded number of steps with a pause between two, each of
which deletes few sessions, so that live finals come through; a store that cannot be written now is tried again at the
next sweep. Thread: ``start`` and ``close`` from any; sweeps run on a thread of their own.
"""

from __future__ import annotations

import threading
import time
from typing import Final, final

import msgspec
import structlog

from gapless.errors import GaplessError
from gapless.settings import Settings
from gapless.store.contract import Pruned, Store

log = structlog.get_logger(__name__)

DAY_MS: Final = 24 * 3600 * 1000
MB: Final = 1_000_000

CLOSE_S: Final = 10.0
"""How long ``close`` waits for a step."""


class RetentionOptions(msgspec.Struct, frozen=True):
    """What is kept, and how the rest is deleted."""

    max_age_ms: int | None = None
    """None: however old."""
    max_bytes: int | None = None
    """None: however much."""
    interval_ms: int = 60_000
    """From one sweep to the next."""
    step_sessions: int = 20
    """Sessions that a step deletes at most."""
    steps: int = 100
    """Of a sweep at most; the next goes on."""
    pause_ms: int = 100
    """Between two steps, for others who write."""

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever deleted."""
        return self.max_age_ms is None and self.max_bytes is None

    def before_ms(self, now_ms: int) -> int | None:
        """Sessions that began before this are too old; None: none is."""
        return None if self.max_age_ms is None else now_ms - self.max_age_ms


def retention_options(settings: Settings) -> RetentionOptions:
    """What the settings ask for."""
    return RetentionOptions(
        max_age_ms=settings.retention_days * DAY_MS or None,
        max_bytes=settings.retention_mb * MB or None,
    )


@final
class Retention:
    """See the module's head."""

    def __init__(self, store: Store, options: RetentionOptions) -> None:
        self._store = store
        self._options = options
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sweep, the first time at once; does nothing if all is kept."""
        if self._thread is None and not self._options.keeps_all:
            self._thread = threading.Thread(
                target=self._serve, name="gapless-retention", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop behind the step that runs. Idempotent."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def sweep(self, now_ms: int) -> Pruned:
        """Delete what is too old or too much at a time (Unix milliseconds), in steps.

        Raises:
            StoreError: the store cannot be written now.
            OverloadError: too many others wait.
        """
        sessions = utterances = calls = 0
        for _ in range(self._options.steps):
            step = self._store.prune(
                before_ms=self._options.before_ms(now_ms),
                max_bytes=self._options.max_bytes,
                limit=self._options.step_sessions,
            )
            sessions += step.sessions
            utterances += step.utterances
            calls += step.calls
            if step.nothing or self._closing.wait(self._options.pause_ms / 1000):
                break
        if sessions or calls:
            log.info(
                "old transcripts deleted", sessions=sessions, utterances=utterances, calls=calls
            )
        return Pruned(sessions, utterances, calls)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                self.sweep(time.time_ns() // 1_000_000)
            except GaplessError as error:
                log.warning("old transcripts could not be deleted", error=str(error))
            self._closing.wait(self._options.interval_ms / 1000)
