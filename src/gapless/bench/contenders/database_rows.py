"""Utterances written row by row, and a thousand at a time: through the store, and with the bare driver.

In: where to make a database. Out: work. Invariants: when an operation ends, its rows are on the disk, search index
included; each operation writes to a session of its own; the database is gone afterwards. Thread: the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain, count, cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from gapless.bench.database_server import is_postgres, on_database, open_store
from gapless.bench.drive import Work, alone
from gapless.bench.segments import transcripts
from gapless.errors import StoreError
from gapless.store.contract import SessionRecord
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.store.sqlite.connection import connect_writer, transaction
from gapless.store.sqlite.migrate import migrate
from gapless.store.sqlite.statements import BEGIN_SESSION
from gapless.store.sqlite.writing import add_utterances
from gapless.transcript import Utterance

SAID: Final = 5_000
"""Different utterances, said over and over."""

WAIT_S: Final = 60.0

COLUMNS: Final = Utterance.__struct_fields__

COPY: Final = (
    f"COPY utterances (session, began_ms, {', '.join(COLUMNS)}, search) FROM STDIN".encode()
)


@contextmanager
def store(where: str, *, rows: int) -> Iterator[Work]:
    """So many utterances in each transaction, one after the other."""
    with _new_database(where) as own, closing(open_store(own)) as kept:
        sessions, said = _sessions(), _said()

        def write() -> None:
            session = next(sessions)
            kept.begin_session(session)
            kept.add_utterances(session.id, _numbered(said, rows)).result(WAIT_S)

        # A row of its own has no other in its transaction, not even that of its session.
        single = next(sessions)
        kept.begin_session(single)
        numbers = count(1)

        def write_one() -> None:
            utterance = msgspec.structs.replace(next(said), utt=f"u{next(numbers)}")
            kept.add_utterance(single.id, utterance)

        yield alone(write if rows > 1 else write_one, units=rows)


@contextmanager
def bare(where: str, *, rows: int) -> Iterator[Work]:
    """So many utterances at a time the driver's fastest way, into the store's table with its indexes."""
    with (
        _new_database(where) as own,
        (_copied if is_postgres(own) else _executed)(own, rows) as work,
    ):
        yield work


@contextmanager
def _executed(own: str, rows: int) -> Iterator[Work]:
    """Python's own module: ``executemany``."""
    with closing(connect_writer(Path(own))) as connection:
        migrate(connection, Path(own))
        sessions, said = _sessions(), _said()

        def write() -> None:
            session = next(sessions)
            parameters = [utterance_parameters(utterance) for utterance in _numbered(said, rows)]
            with transaction(connection, "IMMEDIATE"):
                connection.execute(BEGIN_SESSION, session_parameters(session))
                add_utterances(connection, session.id, parameters)

        yield alone(write, units=rows)


@contextmanager
def _copied(own: str, rows: int) -> Iterator[Work]:
    """psycopg: ``COPY`` into the table itself."""
    import psycopg

    from gapless.store.postgres.search import indexed
    from gapless.store.postgres.statements import BEGIN_SESSIONS

    # Makes the tables.
    open_store(own).close()
    with psycopg.connect(own) as connection:
        sessions, said = _sessions(), _said()

        def write() -> None:
            session = session_parameters(next(sessions))
            said_now = [utterance_parameters(one) for one in _numbered(said, rows)]
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(BEGIN_SESSIONS, {name: [value] for name, value in session.items()})
                cursor.execute(
                    "SELECT key, started_at_ms FROM sessions WHERE id = %s", (session["id"],)
                )
                found = cursor.fetchone()
                if found is None:
                    raise StoreError("a session that was just kept is gone; try again")
                with cursor.copy(COPY) as copy:
                    for one in said_now:
                        copy.write_row(
                            (*found, *map(one.get, COLUMNS), indexed(one["text"]).vector)
                        )

        yield alone(write, units=rows)


@contextmanager
def _new_database(where: str) -> Iterator[str]:
    """An empty database beside another, gone afterwards.

    Args:
        where: a folder, or the URL of any database on a PostgreSQL on which databases may be made.
    """
    if not is_postgres(where):
        with TemporaryDirectory(prefix="gapless-bench-", dir=where) as own:
            yield str(Path(own, "rows.db"))
        return
    import psycopg
    from psycopg import sql

    name = f"gapless_bench_{os.getpid()}"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield on_database(where, name)
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _sessions() -> Iterator[SessionRecord]:
    return (SessionRecord(f"s{number}", "stream", "bench", number) for number in count())


def _said() -> Iterator[Utterance]:
    return cycle(list(chain.from_iterable(one.utterances for one in transcripts(SAID))))


def _numbered(said: Iterator[Utterance], rows: int) -> list[Utterance]:
    return [
        msgspec.structs.replace(utterance, utt=f"u{number}")
        for number, utterance in enumerate(islice(said, rows), start=1)
    ]
