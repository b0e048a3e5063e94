from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gapless.errors import StoreError
from gapless.store import migrate as migrations
from gapless.store.connection import connect_writer
from gapless.store.migrate import APPLICATION_ID, migrate, schema_steps, statements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcripts.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect_writer(path)
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row["name"] for row in rows}


def test_steps_are_numbered_without_gaps() -> None:
    assert sorted(schema_steps()) == list(range(1, len(schema_steps()) + 1))


def test_a_new_file_gets_the_newest_schema(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path)
    assert version(connection) == max(schema_steps())
    assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert {"sessions", "utterances", "utterances_search"} <= tables(connection)


def test_migrating_twice_changes_nothing(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path)
    before = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    migrate(connection, path)
    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == before


def test_a_later_step_is_added_to_an_older_file(
    connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(connection, path)
    newest = max(schema_steps())
    later = {newest + 1: "CREATE TABLE one (a);", newest + 2: "CREATE TABLE two (b);\n-- the end"}
    monkeypatch.setattr(migrations, "schema_steps", lambda: schema_steps() | later)
    migrate(connection, path)
    assert version(connection) == newest + 2
    assert {"one", "two"} <= tables(connection)


def test_a_step_that_fails_leaves_the_schema_as_it_was(
    connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(connection, path)
    before = tables(connection)
    newest = max(schema_steps())
    later = {newest + 1: "CREATE TABLE one (a);", newest + 2: "CREATE TABLE one (b);"}
    monkeypatch.setattr(migrations, "schema_steps", lambda: schema_steps() | later)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, path)
    assert version(connection) == newest
    assert tables(connection) == before
    assert not connection.in_transaction


def test_a_file_of_a_newer_gapless_is_left_alone(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match=r"newer Gapless.*upgrade Gapless"):
        migrate(connection, path)
    assert version(connection) == 999


def test_a_database_of_another_program_is_left_alone(
    connection: sqlite3.Connection, path: Path
) -> None:
    connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreError, match="another program"):
        migrate(connection, path)
    assert tables(connection) == {"theirs"}


def test_a_script_is_split_into_statements_that_run_alone() -> None:
    script = "-- a; comment\nCREATE TABLE a (b);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\nEND;\n"
    first, second = statements(script)
    assert "CREATE TABLE" in first
    assert second.startswith("CREATE TRIGGER")
    assert second.rstrip().endswith("END;")
