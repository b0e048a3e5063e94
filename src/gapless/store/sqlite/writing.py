"""What is written, as jobs of the writer.

In: a connection inside a transaction, and parameters by column name. Out: rows. Invariants: a job that runs twice, the
first time rolled back, leaves what it leaves when it runs once. Thread: the writer's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from gapless.store.answer import deleted_transcript, unknown_transcript
from gapless.store.sqlite.statements import (
    ADD_TO_INDEX,
    ADD_UTTERANCE,
    BEGIN_SESSION,
    COUNT_UTTERANCES,
    DELETE_SESSION,
    END_SESSION,
    KNOWN,
    SESSION_ROOM,
)


class TranscriptRows(msgspec.Struct, frozen=True):
    """A whole transcript as parameters."""

    session: dict[str, Any]
    utterances: list[dict[str, Any]]


def begin_session(connection: sqlite3.Connection, parameters: dict[str, Any]) -> None:
    """Keep a session, if it is new."""
    connection.execute(BEGIN_SESSION, parameters)


def add_utterances(
    connection: sqlite3.Connection, session_id: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Keep those utterances of a session that are new, in the search index too, and count them.

    Raises:
        StoreError: no such session.
    """
    session = connection.execute(SESSION_ROOM, (session_id,)).fetchone()
    if session is None:
        raise deleted_transcript(session_id)
    key, there = session
    new: dict[str, dict[str, Any]] = {}
    for row in rows:
        new.setdefault(row["utt"], row)
    utts = msgspec.json.encode(list(new)).decode()
    for (utt,) in connection.execute(KNOWN, {"session": key, "utts": utts}):
        del new[utt]
    if not new:
        return
    first = (key << 24) + there
    connection.executemany(
        ADD_UTTERANCE,
        ({**row, "key": place, "session": key} for place, row in enumerate(new.values(), first)),
    )
    connection.execute(ADD_TO_INDEX, {"first": first, "last": first + len(new) - 1})
    connection.execute(COUNT_UTTERANCES, {"utterances": there + len(new), "session": key})


def restore(connection: sqlite3.Connection, transcripts: Sequence[TranscriptRows]) -> int:
    """Keep whole transcripts whose session is new; how many that were."""
    restored = 0
    for transcript in transcripts:
        if connection.execute(BEGIN_SESSION, transcript.session).rowcount:
            add_utterances(connection, transcript.session["id"], transcript.utterances)
            restored += 1
    return restored


def end_session(
    connection: sqlite3.Connection, session_id: str, ended_at_ms: int, audio_ms: int
) -> None:
    """Note the end of a session."""
    if not connection.execute(END_SESSION, (ended_at_ms, audio_ms, session_id)).rowcount:
        raise deleted_transcript(session_id)


def delete_session(connection: sqlite3.Connection, session_id: str) -> None:
    """Delete a session with its utterances; the search index notes that they are gone."""
    if not connection.execute(DELETE_SESSION, (session_id,)).rowcount:
        raise unknown_transcript(session_id)
