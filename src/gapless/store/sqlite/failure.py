"""SQLite's errors in the words of Gapless.

In: ``sqlite3.Error``. Out: ``StoreError`` or ``OverloadError`` whose message ends with what to do.
Invariants: no ``sqlite3`` exception leaves the package. Thread: any.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gapless.errors import GaplessError, OverloadError, StoreError

PRIMARY_CODE: Final = 0xFF
"""The low byte of an extended result code is its family. Source: https://sqlite.org/rescode.html."""

ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and try again",
    sqlite3.SQLITE_READONLY: "it is read-only: allow writing to it, or choose another folder with --data-dir",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that the folder exists and may be written to",
    sqlite3.SQLITE_PERM: "access is denied: check who owns the file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop Gapless and restore a backup, or move the file away",
    sqlite3.SQLITE_NOTADB: "this is no database: move the file away, or choose another folder with --data-dir",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write: check the disk and its free space",
    sqlite3.SQLITE_BUSY: "another program holds it: close that program or try again",
    sqlite3.SQLITE_LOCKED: "another program holds it: close that program or try again",
}

OTHER: Final = "SQLite refused ({reason}): run `gapless doctor`"


def store_error(error: sqlite3.Error, path: Path) -> GaplessError:
    """What ``error`` means for the database at ``path``."""
    code = kind_of(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        return OverloadError("the search took too long; search for more or longer words")
    advice = ADVICE.get(code, OTHER.format(reason=error))
    return StoreError(f"transcripts in {path}: {advice}")


def kind_of(error: sqlite3.Error) -> int:
    """SQLite's code for what went wrong, without why: ``SQLITE_BUSY``, ``SQLITE_FULL`` ..."""
    # Errors of the sqlite3 module itself, such as the use of a closed connection, carry no code.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & PRIMARY_CODE


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors inside as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path) from error
