"""What is written: sessions, their utterances and their ends, many of each in one statement.

In: rows, and a connection inside a transaction. Out: which sessions were not there. Invariants: each function takes a
bounded number of round trips, however many rows there are; all may run again after they were committed and change
nothing. Thread: the event loop's; ``utterance_row`` any.

A few rows go as arrays, one for each column, so that the statement stays the same and is prepared once, and no number
of rows meets the 65,535 parameters of the protocol. Many rows go by COPY to a table of the connection's own.
Source: https://www.postgresql.org/docs/current/protocol-message-formats.html (Bind: the number of parameters is Int16).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.store.postgres.link import Connection
from gapless.store.postgres.search import indexed
from gapless.store.postgres.statements import (
    ADD_GIVEN,
    ADD_STAGED,
    BEGIN_SESSIONS,
    COPY_UTTERANCES,
    END_SESSIONS,
    STAGE,
    UTTERANCE_COLUMNS,
)
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.transcript import Utterance

COPY_ROWS: Final = 50
"""From so many rows on COPY is faster, by measurement."""

STAGED_COLUMNS: Final = ("session_id", *UTTERANCE_COLUMNS.split(", "))

UtteranceRow: TypeAlias = dict[str, Any]
"""By column name, with ``session_id``."""


class SessionEnd(NamedTuple):
    """When a session ended and how much audio it had."""

    id: str
    ended_at_ms: int
    audio_ms: int


class TranscriptRows(NamedTuple):
    """A whole transcript as it is written."""

    session: SessionRecord
    utterances: tuple[UtteranceRow, ...]


def transcript_rows(transcript: StoredTranscript) -> TranscriptRows:
    """A whole transcript as it is written."""
    return TranscriptRows(
        transcript.session,
        tuple(utterance_row(transcript.session.id, said) for said in transcript.utterances),
    )


def utterance_row(session_id: str, utterance: Utterance) -> UtteranceRow:
    """An utterance as it is written, with what it is found by."""
    parameters = utterance_parameters(utterance)
    vector, words = indexed(parameters["text"])
    return parameters | {"session_id": session_id, "search": vector, "search_words": words}


async def begin_sessions(connection: Connection, sessions: Sequence[SessionRecord]) -> set[str]:
    """Keep new sessions; those that are there stay as they are.

    Returns:
        The ids of the new ones.
    """
    rows = [session_parameters(session) for session in sessions]
    columns = {name: [row[name] for row in rows] for name in SessionRecord.__struct_fields__}
    done = await connection.execute(BEGIN_SESSIONS, columns)
    return {row["id"] for row in await done.fetchall()}


async def add_utterances(connection: Connection, rows: Sequence[UtteranceRow]) -> set[str]:
    """Keep utterances, and count them; those that are there stay as they are.

    Returns:
        The ids of sessions that are not there, whose utterances were left out.
    """
    if len(rows) < COPY_ROWS:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        done = await connection.execute(ADD_GIVEN, columns | {"place": list(range(len(rows)))})
    else:
        await _stage(connection, rows)
        done = await connection.execute(ADD_STAGED)
    return {row["session_id"] for row in await done.fetchall()}


async def end_sessions(connection: Connection, ends: Sequence[SessionEnd]) -> set[str]:
    """Note ends; of several for one session the last counts.

    Returns:
        The ids of sessions that are not there.
    """
    last = {end.id: end for end in ends}
    columns = zip(*last.values(), strict=True)
    done = await connection.execute(
        END_SESSIONS, dict(zip(SessionEnd._fields, map(list, columns), strict=True))
    )
    return last.keys() - {row["id"] for row in await done.fetchall()}


async def restore(connection: Connection, transcripts: Sequence[TranscriptRows]) -> int:
    """Keep whole transcripts; those whose session is there stay as they are.

    Returns:
        How many were new.
    """
    new = await begin_sessions(connection, [transcript.session for transcript in transcripts])
    rows = [
        row
        for transcript in transcripts
        if transcript.session.id in new
        for row in transcript.utterances
    ]
    if rows:
        await add_utterances(connection, rows)
    return len(new)


async def _stage(connection: Connection, rows: Sequence[UtteranceRow]) -> None:
    await connection.execute(STAGE)
    async with connection.cursor() as cursor, cursor.copy(COPY_UTTERANCES) as copy:
        for place, row in enumerate(rows):
            await copy.write_row((place, *(row[name] for name in STAGED_COLUMNS)))
