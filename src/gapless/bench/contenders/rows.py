"""Rows of the transcript store, written in transactions of their own or shared ones.

In: a folder. Out: work. Invariants: every commit waits for the disk, as in the server; the search index is kept too.
Thread: the callers', and the store's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from gapless.bench.drive import Work, alone, in_threads
from gapless.store.contract import SessionRecord
from gapless.store.options import DEFAULT_BATCH_ROWS, StoreOptions
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.store.sqlite.connection import connect_writer, transaction
from gapless.store.sqlite.migrate import migrate
from gapless.store.sqlite.statements import BEGIN_SESSION
from gapless.store.sqlite.store import SqliteStore
from gapless.store.sqlite.writing import add_utterances
from gapless.transcript import Utterance

WORDS: Final = [
    "the",
    "gap",
    "between",
    "one",
    "sound",
    "and",
    "next",
    "is",
    "what",
    "we",
    "call",
    "silence",
    "here",
]
"""An utterance has a dozen, in any order."""


@contextmanager
def store(folder: str, *, callers: int, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[Work]:
    """Threads that keep an utterance at a time, each of its own session; those that wait together share a commit."""
    options = StoreOptions(batch_rows=batch_rows)
    with _database(folder) as path, closing(SqliteStore(path, options)) as kept:

        def stream(number: int) -> Callable[[], None]:
            session = _session(number)
            kept.begin_session(session)
            utterances = _utterances(number)
            return lambda: kept.add_utterance(session.id, next(utterances))

        yield in_threads([stream(number) for number in range(callers)])


@contextmanager
def driver(folder: str, *, rows: int) -> Iterator[Work]:
    """Python's own driver: one thread, so many rows in each transaction."""
    with _database(folder) as path, closing(connect_writer(path)) as connection:
        migrate(connection, path)
        session = _session(0)
        connection.execute(BEGIN_SESSION, session_parameters(session))
        utterances = _utterances(0)

        def write() -> None:
            with transaction(connection, "IMMEDIATE"):
                said = [utterance_parameters(next(utterances)) for _ in range(rows)]
                add_utterances(connection, session.id, said)

        yield alone(write, units=rows)


@contextmanager
def _database(folder: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="gapless-bench-", dir=folder) as own:
        yield Path(own, "rows.db")


def _session(number: int) -> SessionRecord:
    return SessionRecord(f"s{number}", "stream", "bench", started_at_ms=number)


def _utterances(seed: int) -> Iterator[Utterance]:
    random = Random(seed)
    for number in count():
        text = " ".join(random.choices(WORDS, k=12))
        yield Utterance(f"u{number}", text, number * 1000, number * 1000 + 900)
