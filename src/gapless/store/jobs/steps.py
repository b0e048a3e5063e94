"""How the queue asks a database, without knowing which one, nor whether it waits on a thread or on an event loop.

In: nothing. Out: types. A change of the queue is a generator: it yields requests, is sent the answer to each, and
returns its result; whoever drives it runs all of it in one transaction, and begins it anew when that must be repeated.
Invariants: a generator reads no clock and keeps nothing between two runs; a change that was committed does no harm when
it runs again. Thread: any (immutable).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from gapless.store.contract import SessionRecord
from gapless.store.jobs.rules import Row
from gapless.transcript import Utterance

Result = TypeVar("Result")


class Ask(msgspec.Struct, frozen=True):
    """Run a statement of ``statements``."""

    statement: str
    parameters: Mapping[str, Any] = {}


class AskMany(msgspec.Struct, frozen=True):
    """Run a statement that answers nothing, once for each."""

    statement: str
    parameters: Sequence[Mapping[str, Any]]


class Lock(msgspec.Struct, frozen=True):
    """Let no other transaction that asks for the same number run until this one ends."""

    number: int


class BeginSession(msgspec.Struct, frozen=True):
    """Keep a session, if it is new."""

    session: SessionRecord


class AddUtterances(msgspec.Struct, frozen=True):
    """Keep those utterances of a session that are new."""

    session_id: str
    utterances: Sequence[Utterance]


Request: TypeAlias = Ask | AskMany | Lock | BeginSession | AddUtterances


class Answer(msgspec.Struct, frozen=True):
    """What a request came to."""

    rows: Sequence[Row] = ()
    changed: int = 0
    """Rows that were written or deleted."""

    @property
    def row(self) -> Row | None:
        """The first row."""
        return self.rows[0] if self.rows else None


Steps: TypeAlias = Generator[Request, Answer, Result]
