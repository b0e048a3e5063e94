"""Connections to the database file, and transactions on them.

In: a path. Out: SQLite connections set up for writing or for reading.
Invariants: the file is readable by its owner only, from the moment it exists; what is committed is on the disk.
Thread: a connection belongs to one thread at a time; who made it says which.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from gapless.errors import StoreError
from gapless.store.sqlite.failure import kind_of

BUSY_TIMEOUT_S: Final = 5.0
"""How long a writer waits for another process to finish its transaction."""

RETRY_S: Final = 0.01

LARGEST_IDLE_LOG_BYTES: Final = 64 * 1024 * 1024
"""The write-ahead log is cut back to this once its pages are in the database."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the database for writing; makes the folder and the file where they are missing.

    Raises:
        StoreError: the folder or file cannot be made, or its file system cannot hold a write-ahead log.
        sqlite3.Error: the file is not usable.
    """
    _make_file(path)
    connection = _connect(path, "rw")
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing database so that nothing can be written through it.

    Raises:
        sqlite3.Error: the file is missing or not usable.
    """
    return _connect(path, "ro")


@contextmanager
def transaction(
    connection: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"]
) -> Iterator[None]:
    """Everything inside happens, or nothing does. DEFERRED gives a reader one unchanging view of all tables."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        rollback(connection)
        raise


def rollback(connection: sqlite3.Connection) -> None:
    """Take back the open transaction; after a full disk or damage SQLite may have done so by itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,  # transactions begin and end where the code says so
        check_same_thread=False,  # owners hand a connection on; two threads never use it at a time
    )
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _journal_mode(connection) != "wal":
        raise StoreError(
            f"the file system of {path} cannot share memory between programs, which SQLite needs; "
            "choose a local folder with --data-dir"
        )
    # FULL waits for the disk at every commit. NORMAL was measured two to three times as fast for single writes, but a
    # power loss would take back finals that were already answered.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Deleted text is overwritten, not just unlinked.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_IDLE_LOG_BYTES}")


def _journal_mode(connection: sqlite3.Connection) -> str:
    """Switch to a write-ahead log: readers never wait for the writer then, nor the writer for readers.

    Programs that open a new file at the same moment collide here, and this is the one lock that SQLite does not wait
    for by itself.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if kind_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return mode


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its log and shared-memory files the mode of the database. A file that exists is not even opened:
        # closing it would drop the locks that other connections of this process hold on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"transcripts cannot be kept in {path} ({error.strerror}); choose another folder with --data-dir"
        ) from error
