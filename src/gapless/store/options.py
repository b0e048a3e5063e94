"""How a store gathers what it writes, and how many may ask it at a time.

In: settings. Out: frozen options. Invariants: the defaults suit any machine; a 0 of the settings, which leaves the
choice to the plan, becomes the default here where nothing has planned. Thread: any (immutable).
"""

from __future__ import annotations

from typing import Final

import msgspec

from gapless.settings import Settings

DEFAULT_BATCH_ROWS: Final = 512
"""Rows that share a transaction at most; the first of them waits until the last is written."""

DEFAULT_BATCH_MS: Final = 25

DEFAULT_POOL: Final = 8


class StoreOptions(msgspec.Struct, frozen=True):
    """What any store is opened with."""

    batch_rows: int = DEFAULT_BATCH_ROWS
    """Rows that share a transaction at most; 1: each its own."""
    batch_ms: int = DEFAULT_BATCH_MS
    """A transaction takes no more rows once it is this old. Nothing ever waits for more to come."""
    max_waiting: int = 10_000
    """Rows that may wait to be written; one more is refused."""
    pool: int = DEFAULT_POOL
    """Connections to PostgreSQL at most."""
    pool_timeout_ms: int = 5_000
    """How long a call waits for a connection that reads."""
    statement_timeout_ms: int = 10_000
    """A statement that reads is cut off when it takes longer."""
    prepared: bool = True
    """Prepare statements that come again (PostgreSQL)."""


def store_options(settings: Settings) -> StoreOptions:
    """The options that the settings ask for."""
    return StoreOptions(
        batch_rows=settings.store_batch_rows or DEFAULT_BATCH_ROWS,
        batch_ms=settings.store_batch_ms or DEFAULT_BATCH_MS,
        max_waiting=settings.store_max_waiting,
        pool=settings.store_pool or DEFAULT_POOL,
        pool_timeout_ms=settings.store_pool_timeout_ms,
        statement_timeout_ms=settings.store_statement_timeout_ms,
        prepared=settings.store_prepared,
    )
