"""The queue of jobs in the store's SQLite file.

In: the writer and the readers of a store. Out: a ``JobQueue``. Invariants: those of the contract. Transactions that
write run one after the other, in this process by the writer's thread and among processes by SQLite's lock on the file,
so a file that was found free is free until it is lent.
Thread: any; calls block.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, final

from gapless.store.jobs.queue import DatabaseQueue
from gapless.store.jobs.statements import NO_LOCKS, with_locks
from gapless.store.jobs.steps import (
    AddUtterances,
    Answer,
    Ask,
    AskMany,
    BeginSession,
    Lock,
    Request,
    Result,
    Steps,
)
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.store.sqlite.readers import Readers
from gapless.store.sqlite.writer import Writer
from gapless.store.sqlite.writing import add_utterances, begin_session


@final
class SqliteQueue(DatabaseQueue):
    """The queue of a store.

    Args:
        writer: the store's, which closes it.
        readers: likewise.
    """

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    def _read(self, steps: Callable[[], Steps[Result]]) -> Result:
        with self._readers.snapshot() as connection:
            return _run(connection, steps())

    def _write(self, steps: Callable[[], Steps[Result]], *, rows: int = 1) -> Result:
        return self._writer.run(lambda connection: _run(connection, steps()), rows=rows)


def _run(connection: sqlite3.Connection, steps: Steps[Result]) -> Result:
    answer = None
    while True:
        try:
            request = steps.send(answer) if answer is not None else next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = _answer(connection, request)


def _answer(connection: sqlite3.Connection, request: Request) -> Answer:
    match request:
        case Ask(statement, parameters):
            cursor = connection.execute(_statement(statement), dict(parameters))
            return Answer(cursor.fetchall(), cursor.rowcount)
        case AskMany(statement, many):
            connection.executemany(_statement(statement), [dict(each) for each in many])
        case BeginSession(session):
            begin_session(connection, session_parameters(session))
        case AddUtterances(session_id, utterances):
            named: dict[str, Any] = {"session_id": session_id}
            rows = [utterance_parameters(utterance) | named for utterance in utterances]
            add_utterances(connection, session_id, rows)
        case Lock():
            pass  # one transaction writes at a time
    return Answer()


@cache
def _statement(statement: str) -> str:
    return with_locks(statement, NO_LOCKS)
