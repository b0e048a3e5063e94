"""The errors of PostgreSQL and its driver in the words of Gapless.

In: ``psycopg.Error``. Out: ``StoreError`` or ``OverloadError`` whose message ends with what to do; what may be tried
again. Invariants: no ``psycopg`` exception leaves the package, and no message shows a password.
Thread: any (pure functions).

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from gapless.errors import GaplessError, OverloadError, StoreError

RETRY_MS: Final = 1000

LOST_CODES: Final = ("08", "57P")
"""Connection exceptions, and the shutdown, crash or start of the server."""

COLLISION_CODES: Final = ("40001", "40P01")
"""Two transactions got in each other's way, and one was taken back."""

ADVICE: Final = {
    "28": "it refuses the user or the password: check both in STORE_URL",
    "3D000": "there is no such database: create it with `createdb`, or correct STORE_URL",
    "25006": "it is read-only: let STORE_URL lead to the primary server",
    "42501": "the user may not do that: grant it the right to create tables, or make it the owner of the database",
    "42P01": "its tables are not ours, or are gone: run `gapless store migrate`",
    "42703": "its tables are not ours, or are of another version: run `gapless store migrate`",
    "53100": "its disk is full: free some space there and try again",
    "53200": "it is out of memory: try again, or give it more",
    "53300": "it has too many connections: lower STORE_POOL or raise its max_connections",
    "55P03": "a lock was not let go in time: try again, and see pg_stat_activity for who holds it",
    "XX001": "a table is damaged: stop Gapless and restore a backup",
    "XX002": "an index is damaged: run REINDEX DATABASE there",
}
"""By code, or by the first digits of one."""

REFUSALS: Final = {
    "password": ADVICE["28"],
    "pg_hba.conf": "its pg_hba.conf lets nobody in from here as this user: add a line for it there",
    "role": ADVICE["28"],
    "database": ADVICE["3D000"],
    "too many": ADVICE["53300"],
}
"""A connection that does not come about has no code, only the server's words."""

UNREACHABLE: Final = (
    "it cannot be reached ({reason}): check that it runs, and host and port in STORE_URL"
)

OTHER: Final = "PostgreSQL refused ({reason}): run `gapless store check`"


def is_lost(error: BaseException) -> bool:
    """Whether the connection broke or did not come about, so that another one may do better."""
    if not isinstance(error, psycopg.OperationalError) or is_of_pool(error):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(LOST_CODES)


def is_collision(error: BaseException) -> bool:
    """Whether the same transaction may do better when it is tried again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in COLLISION_CODES


def is_of_pool(error: BaseException) -> bool:
    """Whether the error is about the pool and says nothing about the server."""
    return isinstance(error, (PoolTimeout, PoolClosed, TooManyRequests))


def store_error(error: psycopg.Error, label: str) -> GaplessError:
    """What ``error`` means for the database that people know as ``label``."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return OverloadError(
            "all connections to the database are busy; try again in a moment, or raise STORE_POOL",
            retry_after_ms=RETRY_MS,
        )
    if isinstance(error, psycopg.errors.QueryCanceled):
        return OverloadError("the search took too long; search for more or longer words")
    return StoreError(f"transcripts in {label}: {_advice(error)}", retry_after_ms=RETRY_MS)


def _advice(error: psycopg.Error) -> str:
    code = error.sqlstate or ""
    for prefix, advice in ADVICE.items():
        if code.startswith(prefix):
            return advice
    reason = _first_line(error)
    if is_lost(error):
        for word, advice in REFUSALS.items():
            if "FATAL: " in str(error) and word in reason:
                return advice
        return UNREACHABLE.format(reason=reason)
    return OTHER.format(reason=reason)


def _first_line(error: psycopg.Error) -> str:
    """Why, in the words of the server or of the driver; what a statement held is in later lines."""
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    return lines[0].rpartition("FATAL:")[2].strip() if lines else type(error).__name__
