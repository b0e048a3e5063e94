"""Bring a database to the newest schema, or back to an older one.

In: a connection for writing. Out: the same database with the steps of ``schema/`` applied, or taken back, in order.
Invariants: all steps happen in one transaction, so a crash leaves the old schema or the new one; a step back that would
lose what is kept happens only when that is allowed; ``PRAGMA user_version`` is the number of the last step.
Thread: the connection's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, TypeAlias

from gapless.errors import StoreError
from gapless.store.sqlite.connection import transaction

APPLICATION_ID: Final = int.from_bytes(b"Gapl", "big")
"""Marks a SQLite file as ours."""

Direction: TypeAlias = Literal["up", "down"]


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    target: int | None = None,
    *,
    lose_data: bool = False,
) -> tuple[int, int]:
    """Apply the steps that are missing, or take back those behind ``target``.

    Args:
        connection: open for writing.
        path: the file, for messages.
        target: the last step that is to be there; None: the newest, 0: none.
        lose_data: whether steps back may drop what is kept.

    Returns:
        The number of the last step before and after.

    Raises:
        StoreError: the file belongs to another program or to a newer Gapless, there is no such step, or a step back
            would lose what is kept.
        sqlite3.Error: the file is not usable.
    """
    newest = max(schema_steps())
    goal = newest if target is None else target
    if not 0 <= goal <= newest:
        raise StoreError(f"there is no schema {goal}; name one from 0 (empty) to {newest}")
    # Two processes may start on one file: whoever comes second finds the work done.
    with transaction(connection, "IMMEDIATE"):
        version = _checked_version(connection, path, newest)
        if goal < version:
            _step_back(connection, path, version, goal, lose_data=lose_data)
        for number, script in sorted(schema_steps().items()):
            if version < number <= goal:
                _apply(connection, script)
        connection.execute(f"PRAGMA user_version = {goal}")
    return version, goal


def schema_steps(direction: Direction = "up") -> dict[int, str]:
    """The SQL of each step by its number, from ``schema/NNNN_name.up.sql`` (or ``.down.sql``)."""
    folder = files("gapless.store.sqlite") / "schema"
    return {
        int(file.name[:4]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(f".{direction}.sql")
    }


def statements(script: str) -> Iterator[str]:
    """The statements of a script. ``executescript`` would commit the transaction that they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _apply(connection: sqlite3.Connection, script: str) -> None:
    for statement in statements(script):
        connection.execute(statement)


def _step_back(
    connection: sqlite3.Connection, path: Path, version: int, goal: int, *, lose_data: bool
) -> None:
    before = _columns_in_use(connection)
    for number, script in sorted(schema_steps("down").items(), reverse=True):
        if goal < number <= version:
            _apply(connection, script)
    lost = sorted(before - _columns_in_use(connection))
    if lost and not lose_data:
        tables = ", ".join(sorted({name.partition(".")[0] for name in lost}))
        raise StoreError(
            f"schema {goal} has no place for what {path} keeps in {tables}; export it first, and allow the loss"
        )


def _columns_in_use(connection: sqlite3.Connection) -> set[str]:
    """``table.column`` of every table of ours that has rows."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        r" AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'utterances\_search\_%' ESCAPE '\'"
    ).fetchall()
    return {
        f"{name}.{column['name']}"
        for (name,) in tables
        if connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0]  # noqa: S608 - our own names
        for column in connection.execute(f'PRAGMA table_info ("{name}")')
    }


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
