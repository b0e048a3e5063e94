"""The same questions put to the bare driver: what a store could reach at most.

In: where the database is. Out: functions that ask it. Invariants: the tables and indexes are the store's; nothing is
decoded or checked. Thread: those of ``point``, ``whole`` and ``found`` belong to one thread, that of ``pool`` to any.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from gapless.bench.database_server import is_postgres
from gapless.store.sqlite.connection import connect_reader
from gapless.store.sqlite.readers import Readers
from gapless.store.sqlite.search import match_expression

if TYPE_CHECKING:
    from psycopg import Connection

Ask: TypeAlias = Callable[[str], Any]

SESSION: Final = "SELECT * FROM sessions WHERE id = {mark}"
UTTERANCES: Final = "SELECT * FROM utterances WHERE session = {mark} ORDER BY start_ms, key"

FOUND_SQLITE: Final = "SELECT rowid FROM utterances_search WHERE utterances_search MATCH ? ORDER BY rowid DESC LIMIT ?"
FOUND_POSTGRES: Final = (
    "SELECT session, key FROM utterances WHERE search @@ %s::tsquery ORDER BY session DESC LIMIT %s"
)


class Driver(Protocol):
    """Asks a database of one kind."""

    def pool(self) -> AbstractContextManager[Ask]:
        """The row of a session by its id, over the store's own pool."""
        ...

    def point(self) -> AbstractContextManager[Ask]:
        """The row of a session by its id, on a connection of its own."""
        ...

    def whole(self) -> AbstractContextManager[Ask]:
        """The rows of a session's utterances by its id."""
        ...

    def found(self, limit: int) -> AbstractContextManager[Ask]:
        """The newest rows that the index has for a text."""
        ...


@contextmanager
def driver(where: str) -> Iterator[Driver]:
    """That of the database."""
    yield PostgresDriver(where) if is_postgres(where) else SqliteDriver(Path(where))


@final
class SqliteDriver:
    """Python's own module."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def pool(self) -> Iterator[Ask]:
        """Over the store's readers, each question in a transaction."""
        statement = SESSION.format(mark="?")
        with closing(Readers(self._path)) as readers:

            def ask(wanted: str) -> Any:
                with readers.snapshot() as connection:
                    return connection.execute(statement, (wanted,)).fetchone()

            yield ask

    @contextmanager
    def point(self) -> Iterator[Ask]:
        """On a connection of its own."""
        statement = SESSION.format(mark="?")
        with closing(connect_reader(self._path)) as connection:
            yield lambda wanted: connection.execute(statement, (wanted,)).fetchone()

    @contextmanager
    def whole(self) -> Iterator[Ask]:
        """Two statements."""
        session, utterances = SESSION.format(mark="?"), UTTERANCES.format(mark="?")
        with closing(connect_reader(self._path)) as connection:

            def ask(wanted: str) -> list[sqlite3.Row]:
                row = connection.execute(session, (wanted,)).fetchone()
                if row is None:
                    return []
                return connection.execute(utterances, (row["key"],)).fetchall()

            yield ask

    @contextmanager
    def found(self, limit: int) -> Iterator[Ask]:
        """The order of rows is that in which sessions were kept."""
        with closing(connect_reader(self._path)) as connection:
            yield lambda text: connection.execute(
                FOUND_SQLITE, (match_expression(text), limit)
            ).fetchall()


@final
class PostgresDriver:
    """psycopg, statements prepared after a few calls, as it does by itself."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def pool(self) -> Iterator[Ask]:
        """Over the store's pool."""
        from gapless.store.options import StoreOptions
        from gapless.store.postgres.address import address
        from gapless.store.postgres.database import Database
        from gapless.store.postgres.link import Connection as AsyncConnection
        from gapless.store.postgres.link import Row

        statement = SESSION.format(mark="%s").encode()
        with closing(Database(address(self._url), StoreOptions())) as database:

            def ask(wanted: str) -> Row | None:
                async def point(connection: AsyncConnection) -> Row | None:
                    cursor = await connection.execute(statement, (wanted,))
                    return await cursor.fetchone()

                return database.read(point)

            yield ask

    @contextmanager
    def point(self) -> Iterator[Ask]:
        """On a connection of its own."""
        statement = SESSION.format(mark="%s").encode()
        with self._connected() as connection:
            yield lambda wanted: connection.execute(statement, (wanted,)).fetchone()

    @contextmanager
    def whole(self) -> Iterator[Ask]:
        """Two statements."""
        session, utterances = (text.format(mark="%s").encode() for text in (SESSION, UTTERANCES))
        with self._connected() as connection:

            def ask(wanted: str) -> list[dict[str, Any]]:
                row = connection.execute(session, (wanted,)).fetchone()
                if row is None:
                    return []
                return connection.execute(utterances, (row["key"],)).fetchall()

            yield ask

    @contextmanager
    def found(self, limit: int) -> Iterator[Ask]:
        """The order of rows is that in which sessions were kept."""
        from gapless.store.postgres.search import search_parameters
        from gapless.store.words import read_search

        statement = FOUND_POSTGRES.encode()

        def ask(text: str) -> list[dict[str, Any]]:
            wanted = read_search(text)
            if wanted is None:
                return []
            query = search_parameters(wanted)["query"]
            return connection.execute(statement, (query, limit)).fetchall()

        with self._connected() as connection:
            yield ask

    def _connected(self) -> AbstractContextManager[Connection[dict[str, Any]]]:
        import psycopg
        from psycopg.rows import dict_row

        return closing(psycopg.connect(self._url, autocommit=True, row_factory=dict_row))
