"""Looking after a database file: facts, checks, deleting what is old, giving room back.

In: connections to the file. Out: facts, sentences, counts. Invariants: each step is short enough for finals to come
through in between, but for ``check_index`` and ``vacuum``, which say so. Thread: the connection's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gapless.store.contract import StoreFacts
from gapless.store.sqlite.statements import (
    CHECK_INDEX,
    COUNTS,
    DELETE_KEYS,
    OLDEST,
    PURGE_INDEX,
    WRONG_COUNTS,
    WRONG_WORDS,
)

PURGE_PAGES: Final = 200
"""Pages of the index that one step of a purge rewrites: the more, the longer a final may have to wait behind it."""

PRUNE_TO: Final = 0.95
"""Of the largest size: below it by a little, so that the next final does not make the store too large again."""

LOG_SUFFIX: Final = "-wal"

RESTORE_ADVICE: Final = (
    "stop Gapless and restore a backup, or save what can be read with `gapless store export --all`"
)


class Oldest(msgspec.Struct, frozen=True):
    """A session that may be deleted."""

    key: int
    utterances: int


def read_facts(connection: sqlite3.Connection, path: Path) -> StoreFacts:
    """What the file is and holds; the size is that on the disk, the log included."""
    counts = connection.execute(COUNTS).fetchone()
    size_bytes = 0
    for file in (path, path.with_name(path.name + LOG_SUFFIX)):
        with suppress(FileNotFoundError):
            size_bytes += file.stat().st_size
    return StoreFacts(
        kind="sqlite",
        where=str(path),
        schema=connection.execute("PRAGMA user_version").fetchone()[0],
        sessions=counts["sessions"],
        utterances=counts["utterances"],
        size_bytes=size_bytes,
        oldest_ms=counts["oldest_ms"],
    )


def used_bytes(connection: sqlite3.Connection) -> int:
    """The size without the room that was given free inside of the file, where new rows go first."""
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    page_bytes: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return (pages - free) * page_bytes


def check_tables(connection: sqlite3.Connection) -> Iterator[str]:
    """Read all pages and rows; a sentence for each thing that is wrong."""
    for row in connection.execute("PRAGMA integrity_check (20)"):
        if row[0] != "ok":
            yield f"the file is damaged ({row[0]}); {RESTORE_ADVICE}"
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row['rowid']} of {row['table']} belongs to nothing that is kept; {RESTORE_ADVICE}"
    for row in connection.execute(WRONG_COUNTS):
        yield (
            f"{row['id']} keeps {row['kept']} utterances, but {row['noted']} were counted; "
            f"export it, delete it and import it again"
        )
    for row in connection.execute(WRONG_WORDS):
        yield f"the words of {row['utt']} of {row['id']} cannot be read; {RESTORE_ADVICE}"


def check_index(connection: sqlite3.Connection) -> Iterator[str]:
    """Compare the search index with the text. Nobody can write meanwhile.

    Raises:
        sqlite3.Error: the index could not be read for another reason than that it is wrong.
    """
    try:
        connection.execute(CHECK_INDEX)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT_VTAB:
            raise
        yield "searching may miss what was said, the index differs from the text; `gapless store vacuum` makes it anew"


def rebuild_index_if_wrong(connection: sqlite3.Connection) -> None:
    """Make the search index anew from the text if they differ. Nobody can write meanwhile."""
    if any(check_index(connection)):
        connection.execute("INSERT INTO utterances_search (utterances_search) VALUES ('rebuild')")


def purge_index(connection: sqlite3.Connection, pages: int) -> bool:
    """Merge some of the search index, which only notes that text is gone; False when nothing is left to merge.

    Source: https://sqlite.org/fts5.html, "The 'merge' Command".
    """
    before = connection.total_changes
    connection.execute(PURGE_INDEX, (pages,))
    return connection.total_changes - before >= 2


def oldest(
    connection: sqlite3.Connection, before_ms: int, unended_before_ms: int, limit: int
) -> list[Oldest]:
    """Sessions that began before a time, the oldest first; those not ended only if they began before another time."""
    parameters = {
        "before_ms": before_ms,
        "unended_before_ms": unended_before_ms,
        "limit": limit,
    }
    return [Oldest(**row) for row in map(dict, connection.execute(OLDEST, parameters))]


def oldest_of_size(
    sessions: Sequence[Oldest], excess_bytes: float, row_bytes: float
) -> list[Oldest]:
    """As many of the oldest as make up for so many bytes."""
    chosen: list[Oldest] = []
    for session in sessions:
        if excess_bytes <= 0:
            break
        chosen.append(session)
        excess_bytes -= (session.utterances + 1) * row_bytes
    return chosen


def delete_keys(connection: sqlite3.Connection, keys: Sequence[int]) -> int:
    """Delete sessions with their utterances; how many were there."""
    return connection.execute(DELETE_KEYS, (msgspec.json.encode(keys).decode(),)).rowcount
