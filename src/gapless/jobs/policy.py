"""What a worker does next: wait, try again, or give up.

In: how often it came away empty, what went wrong, how often it was tried. Out: times in ms. Invariants: all waits are
bounded; an error that the next attempt would meet again ends the attempts. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

from gapless.errors import (
    AccessError,
    AudioError,
    ConfigError,
    GaplessError,
    MissingDependencyError,
    NotFoundError,
    ProtocolError,
)
from gapless.store.jobs.rules import backoff_ms

FIRST_IDLE_MS: Final = 200

LONGEST_IDLE_MS: Final = 5000

MOST_SILENT_MS: Final = 1000
"""Progress is told at least this often while a recording is heard."""

RENEWALS: Final = 3
"""Times that a lease is renewed before it would run out: two of them may fail."""

FORGET_EVERY_MS: Final = 3_600_000

KEEP_JOBS_MS: Final = 7 * 24 * 3_600_000
"""Jobs that are over are listed for this long; their transcripts are not touched."""

FOR_GOOD: Final = (
    AccessError,
    AudioError,
    ConfigError,
    MissingDependencyError,
    NotFoundError,
    ProtocolError,
)
"""What is wrong with the recording or with what was asked for: it will be wrong the next time."""


def idle_ms(empty: int, chance: float) -> int:
    """How long to wait before asking an empty queue again: twice as long each time, within bounds.

    Args:
        empty: times in a row that there was nothing, from 1.
        chance: 0 to 1, anew each time, so that workers that began together do not all ask together.
    """
    full_ms = min(FIRST_IDLE_MS * 2 ** min(empty - 1, 16), LONGEST_IDLE_MS)
    return int(full_ms * (0.75 + chance / 4))


def renew_every_ms(lease_ms: int) -> int:
    """How often a lease is renewed, and progress told with it."""
    return max(min(lease_ms // RENEWALS, MOST_SILENT_MS), 1)


def is_worn_out(attempts: int, most: int) -> bool:
    """Whether a recording that is lent once more was tried often enough: all of them ended without a word of why.

    It may be what kills workers, so it is not touched again.
    """
    return attempts > most


def retry_in_ms(error: BaseException, attempts: int, most: int, chance: float) -> int | None:
    """How long to wait behind a failed attempt; None: there is no use in another.

    Errors of models and those that nobody thought of are tried again: memory may have been short.

    Args:
        error: what ended the attempt.
        attempts: that were made, this one included.
        most: that are made.
        chance: 0 to 1, anew each time.
    """
    if isinstance(error, FOR_GOOD) or attempts >= most:
        return None
    asked_ms = error.retry_after_ms if isinstance(error, GaplessError) else None
    return max(backoff_ms(attempts, chance), asked_ms or 0)
