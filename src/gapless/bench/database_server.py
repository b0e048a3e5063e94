"""The databases that are measured: which there are here, and how to open them.

In: a file, or the URL of a PostgreSQL. Out: open stores; a PostgreSQL of the bench's own.
Invariants: a server that was started here is gone when its context is left. Thread: any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gapless.errors import ConnectionLostError, MissingDependencyError
from gapless.store.contract import Store
from gapless.store.sqlite.store import SqliteStore

SHARED_BUFFERS: Final = "1GB"
"""As PostgreSQL's manual advises for a machine of 4 GB; the 128 MB that it begins with are meant for the smallest.

Source: https://www.postgresql.org/docs/current/runtime-config-resource.html.
"""

DATABASE_OF_URL: Final = re.compile(r"^(postgres(?:ql)?://[^/?]*)(?:/[^?]*)?")


def is_postgres(where: str) -> bool:
    """Whether it is a URL of PostgreSQL, not a file of SQLite."""
    return DATABASE_OF_URL.match(where) is not None


def on_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return DATABASE_OF_URL.sub(rf"\1/{name}", url, count=1)


def open_store(where: str) -> Store:
    """The store in a file, or in a PostgreSQL.

    Raises:
        StoreError: it cannot be used.
        MissingDependencyError: the driver is not installed.
    """
    if not is_postgres(where):
        return SqliteStore(Path(where))
    from gapless.store.postgres.store import PostgresStore

    return PostgresStore(where)


@contextmanager
def private_postgres() -> Iterator[str]:
    """A PostgreSQL of one's own that waits for the disk as a real one does, made of the programs on this machine.

    Returns:
        The URL of an empty database.

    Raises:
        MissingDependencyError: its programs or its driver are not here; says what to install.
        ConnectionLostError: it does not start.
    """
    try:
        import psycopg  # noqa: F401 - looked for, not used
    except ImportError as error:
        raise MissingDependencyError(
            "the package psycopg is not installed; `pip install 'gapless[postgres]'`"
        ) from error
    from gapless.testing.postgres_server import PostgresServer, postgres_program

    postgres_program("postgres")
    server = PostgresServer(durable=True, settings={"shared_buffers": SHARED_BUFFERS})
    try:
        with server:
            yield server.new_database()
    except RuntimeError as error:
        raise ConnectionLostError(f"{error}\nname another server with --postgres") from error
