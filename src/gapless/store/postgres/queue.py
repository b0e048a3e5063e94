"""The queue of jobs in the store's PostgreSQL.

In: the database of a store. Out: a ``JobQueue``. Invariants: those of the contract. Rows are locked before they are
judged; workers that ask at the same time skip the file that another is just getting (SKIP LOCKED) and take the next.
Thread: any; calls block.

Source: https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE (SKIP LOCKED, for queues).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final, final

from gapless.store.answer import deleted_transcript
from gapless.store.jobs.queue import DatabaseQueue
from gapless.store.jobs.statements import ROW_LOCKS, with_locks
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
from gapless.store.postgres.database import Database
from gapless.store.postgres.link import Connection
from gapless.store.postgres.writing import add_utterances, begin_sessions, utterance_row

PARAMETER: Final = re.compile(r":(\w+)")

LOCK: Final = "SELECT pg_advisory_xact_lock(%(number)s::bigint)"


@final
class PostgresQueue(DatabaseQueue):
    """The queue of a store.

    Args:
        database: the store's, which closes it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def _read(self, steps: Callable[[], Steps[Result]]) -> Result:
        return self._database.read(lambda connection: _run(connection, steps()))

    def _write(self, steps: Callable[[], Steps[Result]], *, rows: int = 1) -> Result:
        del rows  # each change is a transaction of its own
        return self._database.write(lambda connection: _run(connection, steps()))


async def _run(connection: Connection, steps: Steps[Result]) -> Result:
    answer = None
    while True:
        try:
            request = steps.send(answer) if answer is not None else next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = await _answer(connection, request)


async def _answer(connection: Connection, request: Request) -> Answer:
    match request:
        case Ask(statement, parameters):
            # Chunks come and go as they are, not as text.
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(_statement(statement), dict(parameters))
                rows = await cursor.fetchall() if cursor.description else []
                return Answer(rows, cursor.rowcount)
        case AskMany(statement, many):
            async with connection.cursor() as cursor:
                await cursor.executemany(_statement(statement), [dict(each) for each in many])
        case BeginSession(session):
            await begin_sessions(connection, [session])
        case AddUtterances(session_id, utterances):
            new = [utterance_row(session_id, utterance) for utterance in utterances]
            if await add_utterances(connection, new):
                # It was deleted since it was looked for: taken back, and found to be gone at the next look.
                raise deleted_transcript(session_id)
        case Lock(number):
            await connection.execute(LOCK, {"number": number})
    return Answer()


@cache
def _statement(statement: str) -> bytes:
    return PARAMETER.sub(r"%(\1)s", with_locks(statement, ROW_LOCKS)).encode()
