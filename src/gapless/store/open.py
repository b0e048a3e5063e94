"""Where transcripts are kept, and opening it: a file of SQLite, or PostgreSQL.

In: settings, or a place as people write it. Out: an open store; a database brought to a schema. Invariants: PostgreSQL
is imported only when it is used. Thread: any; calls block.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

from gapless.errors import MissingDependencyError
from gapless.settings import Settings
from gapless.store.contract import Store
from gapless.store.options import StoreOptions, store_options
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.failure import translated
from gapless.store.sqlite.migrate import migrate
from gapless.store.sqlite.store import SqliteStore

Place: TypeAlias = str | Path
"""The URL of a PostgreSQL database, or the path of a SQLite file."""

SCHEMES: Final = ("postgresql://", "postgres://")

FILE_NAME: Final = Settings().database_path.name


def open_store(settings: Settings) -> Store:
    """The store that the settings name, made where it is missing.

    Raises:
        StoreError: it cannot be opened.
        MissingDependencyError: PostgreSQL is asked for and its driver is not installed.
    """
    return open_place(place_of(settings), store_options(settings))


def place_of(settings: Settings) -> Place:
    """Where the settings keep transcripts."""
    return settings.store_url or settings.database_path


def label_of(place: Place) -> str:
    """A place for people: without a password."""
    if isinstance(place, Path):
        return str(place)
    _need_driver()
    from gapless.store.postgres.address import address

    return address(place).label


def parse_place(text: str) -> Place:
    """A place as people write it: a URL, a file, or a folder that holds or shall hold one."""
    if text.startswith(SCHEMES):
        return text
    path = Path(text).expanduser()
    return path / FILE_NAME if path.is_dir() or text.endswith("/") else path


def open_place(place: Place, options: StoreOptions) -> Store:
    """The store at a place, made where it is missing.

    Raises:
        StoreError: it cannot be opened.
        MissingDependencyError: PostgreSQL is asked for and its driver is not installed.
    """
    if isinstance(place, Path):
        return SqliteStore(place, options)
    _need_driver()
    from gapless.store.postgres.store import PostgresStore

    return PostgresStore(place, options)


def migrate_place(place: Place, target: int | None, *, lose_data: bool) -> tuple[int, int]:
    """Bring the database at a place to a schema without opening a store, which would bring it to the newest.

    Args:
        place: a database; a file is made where it is missing.
        target: the number of the last step that is to be there; None: the newest, 0: none.
        lose_data: whether steps back may drop what is kept.

    Returns:
        The number of the last step before and after.

    Raises:
        StoreError: there is no such step, it would lose what is kept, or the database is not usable.
        MissingDependencyError: PostgreSQL is asked for and its driver is not installed.
    """
    if isinstance(place, Path):
        with translated(place), closing(connect_writer(place)) as connection:
            return migrate(connection, place, target, lose_data=lose_data)
    _need_driver()
    return asyncio.run(_migrate_postgres(place, target, lose_data=lose_data))


async def _migrate_postgres(url: str, target: int | None, *, lose_data: bool) -> tuple[int, int]:
    import psycopg
    from psycopg.rows import dict_row

    from gapless.store.postgres.address import address
    from gapless.store.postgres.failure import store_error
    from gapless.store.postgres.migrate import migrate as migrate_postgres

    where = address(url)
    try:
        async with await psycopg.AsyncConnection.connect(
            **where.parameters, autocommit=True, row_factory=dict_row
        ) as connection:
            return await migrate_postgres(connection, where.label, target, lose_data=lose_data)
    except psycopg.Error as error:
        raise store_error(error, where.label) from error


def _need_driver() -> None:
    try:
        import psycopg
        import psycopg_pool
    except ImportError as error:
        raise MissingDependencyError(
            "PostgreSQL needs its driver; install it with: pip install 'gapless[postgres]'"
        ) from error
    del psycopg, psycopg_pool
