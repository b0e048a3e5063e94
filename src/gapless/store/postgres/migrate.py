"""Bring a database to the newest schema, or back to an older one.

In: a connection. Out: the same database with the steps of ``schema/`` applied, or taken back, in order.
Invariants: all steps happen in one transaction, so a crash leaves the old schema or the new one; servers that start at
the same moment take turns; a step back that would lose what is kept happens only when that is allowed; the one row of
``gapless_schema`` holds the number of the last step. Thread: the event loop's.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final, Literal, TypeAlias

from psycopg import sql

from gapless.errors import StoreError
from gapless.store.postgres.link import Connection

LOCK: Final = int.from_bytes(b"Gapless", "big")
"""The advisory lock of who migrates."""

Direction: TypeAlias = Literal["up", "down"]

OUR_COLUMNS: Final = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> 'gapless_schema'
    ORDER BY table_name, column_name"""


async def migrate(
    connection: Connection, label: str, target: int | None = None, *, lose_data: bool = False
) -> tuple[int, int]:
    """Apply the steps that are missing, or take back those behind ``target``.

    Args:
        connection: whose user may create tables; outside of a transaction.
        label: the database, for messages.
        target: the last step that is to be there; None: the newest, 0: none.
        lose_data: whether steps back may drop what is kept.

    Returns:
        The number of the last step before and after.

    Raises:
        StoreError: the database belongs to a newer Gapless or holds another program's tables, there is no such step, or
            a step back would lose what is kept.
        psycopg.Error: the database is not usable.
    """
    newest = newest_schema()
    goal = newest if target is None else target
    if not 0 <= goal <= newest:
        raise StoreError(f"there is no schema {goal}; name one from 0 (empty) to {newest}")
    # Most starts find nothing to do, and then need no right to change anything.
    if await schema_version(connection) == goal:
        return goal, goal
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        version = await schema_version(connection)
        if version > newest:
            raise StoreError(
                f"{label} was written by a newer Gapless (schema {version}, known here: {newest}); upgrade Gapless"
            )
        if goal < version:
            await _step_back(connection, label, version, goal, lose_data=lose_data)
        for number, script in sorted(schema_steps().items()):
            if version < number <= goal:
                await connection.execute(script.encode())
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS gapless_schema (version integer NOT NULL)"
        )
        await connection.execute("DELETE FROM gapless_schema")
        await connection.execute("INSERT INTO gapless_schema VALUES (%s)", (goal,))
    return version, goal


async def schema_version(connection: Connection) -> int:
    """The number of the last step that was applied; 0 for a database without any."""
    # Not to_regclass(): that goes by a cache, which may not know yet what another server has just made.
    found = await connection.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_tables"
        " WHERE schemaname = current_schema() AND tablename = 'gapless_schema') AS is_ours"
    )
    row = await found.fetchone()
    if row is None or not row["is_ours"]:
        return 0
    row = await (await connection.execute("SELECT version FROM gapless_schema")).fetchone()
    return 0 if row is None else int(row["version"])


def newest_schema() -> int:
    """The number of the last step that this Gapless knows."""
    return max(schema_steps())


def schema_steps(direction: Direction = "up") -> dict[int, str]:
    """The SQL of each step by its number, from ``schema/NNNN_name.up.sql`` (or ``.down.sql``)."""
    folder = files("gapless.store.postgres") / "schema"
    return {
        int(file.name[:4]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(f".{direction}.sql")
    }


async def _step_back(
    connection: Connection, label: str, version: int, goal: int, *, lose_data: bool
) -> None:
    before = await _columns_in_use(connection)
    for number, script in sorted(schema_steps("down").items(), reverse=True):
        if goal < number <= version:
            await connection.execute(script.encode())
    lost = sorted(before - await _columns_in_use(connection))
    if lost and not lose_data:
        tables = ", ".join(sorted({table for table, _ in lost}))
        raise StoreError(
            f"schema {goal} has no place for what {label} keeps in {tables}; export it first, and allow the loss"
        )


async def _columns_in_use(connection: Connection) -> set[tuple[str, str]]:
    """The table and the name of each column, of tables that have rows."""
    columns = await (await connection.execute(OUR_COLUMNS)).fetchall()
    used: dict[str, bool] = {}
    for table in {column["table_name"] for column in columns}:
        found = await connection.execute(
            sql.SQL("SELECT EXISTS (SELECT 1 FROM {}) AS used").format(sql.Identifier(table))
        )
        row = await found.fetchone()
        used[table] = row is not None and row["used"]
    return {
        (column["table_name"], column["column_name"])
        for column in columns
        if used[column["table_name"]]
    }
