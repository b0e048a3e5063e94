"""Keeps transcripts in one SQLite file.

In: what ``gapless.store.contract`` names. Out: the same, from ``PATH``, ``PATH-wal`` and ``PATH-shm``.
Invariants: those of the contract. A crash leaves nothing to repair by hand: SQLite replays its log at the next start.
Several processes may use one file at a time; their writers take turns. Thread: any; calls block.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final, final

import msgspec

from gapless.errors import NotFoundError, ProtocolError, StoreError
from gapless.store.connection import connect_writer
from gapless.store.contract import (
    MAX_HITS,
    MAX_PAGE,
    MAX_SEARCH_CHARS,
    Hit,
    Page,
    SessionRecord,
    StoredTranscript,
    TranscriptQuery,
    TranscriptSummary,
)
from gapless.store.cursor import INT64_MAX, NEWEST, Place, decode_cursor, encode_cursor
from gapless.store.failure import translated
from gapless.store.migrate import migrate
from gapless.store.readers import Readers
from gapless.store.rows import (
    session_parameters,
    session_record,
    utterance_parameters,
    utterance_record,
)
from gapless.store.search import CLOSE_MARK, OPEN_MARK, match_expression, read_marks
from gapless.store.statements import (
    ADD_UTTERANCE,
    BEGIN_SESSION,
    DELETE_SESSION,
    END_SESSION,
    GET_SESSION,
    GET_UTTERANCES,
    HITS,
    LIST_ALL,
    LIST_FOUND,
    PURGE_INDEX,
)
from gapless.store.writer import Writer
from gapless.transcript import Utterance

PREVIEW_CHARS: Final = 160

PURGE_PAGES: Final = 200
"""Pages of the index that one step of a purge rewrites: the more, the longer a final may have to wait behind it."""

LOG_TIMEOUT_MS: Final = 200
"""How long a purge waits for readers that still look at the log; finals wait with it."""


@final
class SqliteStore:
    """A ``Store`` in a SQLite file."""

    def __init__(self, path: Path, *, trace: Callable[[str], None] | None = None) -> None:
        """Open the file, make it if it is missing, and bring it to the newest schema.

        Args:
            path: the database; its folder is made as well.
            trace: is told every statement that reads, to see what a call costs.

        Raises:
            StoreError: the file cannot be used; the message says what to do.
        """
        self._path = path
        with translated(path):
            connection = connect_writer(path)
            try:
                migrate(connection, path)
            except BaseException:
                connection.close()
                raise
        self._writer = Writer(connection, path)
        self._readers = Readers(path, trace=trace)

    def begin_session(self, session: SessionRecord) -> None:
        """Keep a new session; if one of that id is there already, it stays as it is."""
        parameters = session_parameters(session)
        self._writer.run(partial(_begin_session, parameters=parameters))

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        """Keep an utterance; if one of that ``utt`` is in the session already, it stays as it is."""
        parameters = utterance_parameters(utterance) | {"session_id": session_id}
        self._writer.run(partial(_add_utterance, parameters=parameters))

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        """Note when a session ended and how much audio it had."""
        self._writer.run(
            partial(_end_session, session_id=session_id, ended_at_ms=ended_at_ms, audio_ms=audio_ms)
        )

    def list(self, query: TranscriptQuery) -> Page:
        """One page of transcripts: two statements at most, however long the page is."""
        _check(query)
        before = decode_cursor(query.cursor) if query.cursor else NEWEST
        parameters = {
            "since_ms": -INT64_MAX if query.since_ms is None else query.since_ms,
            "until_ms": INT64_MAX if query.until_ms is None else query.until_ms,
            "before_ms": before.started_at_ms,
            "before_id": before.id,
            # One more than asked for tells whether there is a next page.
            "limit": query.limit + 1,
        }
        text = (query.text or "").strip()
        match = match_expression(text)
        if text and match is None:
            return Page((), None)
        with self._readers.snapshot() as connection:
            statement = LIST_FOUND if match else LIST_ALL
            rows = connection.execute(statement, parameters | {"match": match}).fetchall()
            page = rows[: query.limit]
            hits = _hits(connection, [row["key"] for row in page], match) if match else {}
        items = tuple(
            TranscriptSummary(
                session_record(row), _shorten(row["preview"] or ""), tuple(hits.get(row["key"], ()))
            )
            for row in page
        )
        if len(rows) == len(page):
            return Page(items, None)
        last = items[-1].session
        return Page(items, encode_cursor(Place(last.started_at_ms, last.id)))

    def get(self, session_id: str) -> StoredTranscript:
        """A session and its utterances."""
        with self._readers.snapshot() as connection:
            session = connection.execute(GET_SESSION, (session_id,)).fetchone()
            if session is None:
                raise _unknown(session_id)
            rows = connection.execute(GET_UTTERANCES, (session["key"],)).fetchall()
        return StoredTranscript(
            session_record(session), tuple(utterance_record(row) for row in rows)
        )

    def delete(self, session_id: str) -> None:
        """Forget a session and all it said, so that no file of ours holds a word of it."""
        self._writer.run(partial(_delete_session, session_id=session_id))
        # The index only notes that text is gone until it is merged. In steps, so that finals come through in between.
        pages = -PURGE_PAGES  # a negative number begins to merge all there is
        while self._writer.run(partial(_purge_index, pages=pages)):
            pages = PURGE_PAGES
        # The log still has the pages as they were. A reader may hold them back; then the last one to close clears them.
        with translated(self._path), closing(connect_writer(self._path)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {LOG_TIMEOUT_MS}")
            connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")

    def close(self) -> None:
        """Finish what is being written and let go of the files. Idempotent."""
        # The last connection to close folds the log into the database, which a reader cannot do.
        self._readers.close()
        self._writer.close()


def _begin_session(connection: sqlite3.Connection, parameters: dict[str, Any]) -> None:
    connection.execute(BEGIN_SESSION, parameters)


def _add_utterance(connection: sqlite3.Connection, parameters: dict[str, Any]) -> None:
    added = connection.execute(ADD_UTTERANCE, parameters).rowcount
    # If it was not, either it is there already, or its session is not.
    if not added and not connection.execute(GET_SESSION, (parameters["session_id"],)).fetchone():
        raise _deleted(parameters["session_id"])


def _end_session(
    connection: sqlite3.Connection, session_id: str, ended_at_ms: int, audio_ms: int
) -> None:
    if not connection.execute(END_SESSION, (ended_at_ms, audio_ms, session_id)).rowcount:
        raise _deleted(session_id)


def _delete_session(connection: sqlite3.Connection, session_id: str) -> None:
    if not connection.execute(DELETE_SESSION, (session_id,)).rowcount:
        raise _unknown(session_id)


def _purge_index(connection: sqlite3.Connection, pages: int) -> bool:
    """Merge some of the search index; False when there is nothing left to merge.

    Source: https://sqlite.org/fts5.html, "The 'merge' Command".
    """
    before = connection.total_changes
    connection.execute(PURGE_INDEX, (pages,))
    return connection.total_changes - before >= 2


def _hits(
    connection: sqlite3.Connection, sessions: Sequence[int], match: str
) -> dict[int, list[Hit]]:
    """The first hits of each session, by its key."""
    parameters = {
        "sessions": msgspec.json.encode(sessions).decode(),
        "match": match,
        "open_mark": OPEN_MARK,
        "close_mark": CLOSE_MARK,
        "max_hits": MAX_HITS,
    }
    hits = defaultdict[int, list[Hit]](list)
    for row in connection.execute(HITS, parameters):
        text, highlights = read_marks(row["marked"])
        hits[row["session"]].append(
            Hit(row["utt"], row["start_ms"], row["end_ms"], text, highlights)
        )
    return hits


def _check(query: TranscriptQuery) -> None:
    if not 1 <= query.limit <= MAX_PAGE:
        raise ProtocolError(f"limit is {query.limit}; ask for 1 to {MAX_PAGE}", param="limit")
    if query.text is not None and len(query.text) > MAX_SEARCH_CHARS:
        raise ProtocolError(
            f"the text to search for has {len(query.text)} characters; use at most {MAX_SEARCH_CHARS}",
            param="q",
        )


def _shorten(text: str) -> str:
    """The first words of ``text`` that fit a preview."""
    text = " ".join(text.split())
    if len(text) <= PREVIEW_CHARS:
        return text
    # A word that is longer than the preview is cut: not all languages have spaces.
    head = text[:PREVIEW_CHARS].rpartition(" ")[0] or text[:PREVIEW_CHARS]
    return f"{head} …"


def _unknown(session_id: str) -> NotFoundError:
    return NotFoundError(
        f"no transcript {session_id!r} is kept; `gapless store search` and GET /v1/transcripts list what is",
        param="id",
    )


def _deleted(session_id: str) -> StoreError:
    return StoreError(
        f"no transcript {session_id!r} is kept, it may have been deleted; begin a new session to keep more"
    )
