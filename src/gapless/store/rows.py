"""Records as rows of the database, and back.

In: records of the contract. Out: parameters by column name; records from rows.
Invariants: what goes in comes out. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gapless.store.contract import SessionRecord
from gapless.store.text import keepable
from gapless.transcript import Utterance, Word


class Row(Protocol):
    """A row of any database."""

    def __getitem__(self, column: str, /) -> Any:
        """What stands in a column."""
        ...


class WordRow(msgspec.Struct, array_like=True):
    """A word as a JSON array: its field names are not kept a million times."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None


def session_parameters(session: SessionRecord) -> dict[str, Any]:
    """A session by column name."""
    parameters = msgspec.structs.asdict(session)
    if session.name is not None:
        # File names may hold bytes that are no text.
        parameters["name"] = keepable(session.name)
    return parameters


def session_record(row: Row) -> SessionRecord:
    """The session of a row of ``sessions``."""
    return SessionRecord(**{name: row[name] for name in SessionRecord.__struct_fields__})


def utterance_parameters(utterance: Utterance) -> dict[str, Any]:
    """An utterance by column name."""
    words = [
        WordRow(keepable(word.text), word.start_ms, word.end_ms, word.confidence)
        for word in utterance.words
    ]
    return msgspec.structs.asdict(utterance) | {
        "text": keepable(utterance.text),
        "words": msgspec.json.encode(words).decode(),
        "tokens": msgspec.json.encode(utterance.tokens).decode(),
    }


def utterance_record(row: Row) -> Utterance:
    """The utterance of a row of ``utterances``."""
    words = msgspec.json.decode(row["words"], type=list[WordRow])
    fields = {name: row[name] for name in Utterance.__struct_fields__} | {
        "words": tuple(Word(*msgspec.structs.astuple(word)) for word in words),
        "tokens": msgspec.json.decode(row["tokens"], type=tuple[int, ...]),
    }
    return Utterance(**fields)
