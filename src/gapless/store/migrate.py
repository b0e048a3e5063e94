"""Bring a database to the newest schema.

In: a connection for writing. Out: the same database with every step of ``schema/`` applied, once and in order.
Invariants: all steps that are missing happen in one transaction, so a crash leaves the old schema or the new one;
``PRAGMA user_version`` is the number of the last step. Thread: the connection's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from gapless.errors import StoreError
from gapless.store.connection import transaction

APPLICATION_ID: Final = int.from_bytes(b"Gapl", "big")
"""Marks a SQLite file as ours."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply the steps that are missing.

    Args:
        connection: open for writing.
        path: the file, for messages.

    Raises:
        StoreError: the file belongs to another program, or to a newer Gapless.
        sqlite3.Error: the file is not usable.
    """
    steps = schema_steps()
    # Two processes may start on one file: whoever comes second finds the work done.
    with transaction(connection, "IMMEDIATE"):
        version = _checked_version(connection, path, newest=max(steps))
        for number in sorted(step for step in steps if step > version):
            for statement in statements(steps[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def schema_steps() -> dict[int, str]:
    """The SQL of each step by its number, from ``schema/NNNN_name.sql``."""
    folder = files("gapless.store") / "schema"
    return {
        int(file.name[:4]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def statements(script: str) -> Iterator[str]:
    """The statements of a script. ``executescript`` would commit the transaction that they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _checked_version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if is_empty:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return 0
    if owner != APPLICATION_ID:
        raise StoreError(
            f"{path} is a database of another program; choose another folder with --data-dir"
        )
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer Gapless (schema {version}, known here: {newest}); upgrade Gapless"
        )
    return version
