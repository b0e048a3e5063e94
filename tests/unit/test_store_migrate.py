from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gapless.errors import StoreError
from gapless.store.contract import SessionRecord
from gapless.store.rows import session_parameters
from gapless.store.sqlite import migrate as migrations
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.migrate import (
    APPLICATION_ID,
    Direction,
    migrate,
    schema_steps,
    statements,
)
from gapless.store.sqlite.statements import BEGIN_SESSION
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, say


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


def test_steps_are_numbered_without_gaps_and_each_can_be_taken_back() -> None:
    assert sorted(schema_steps()) == list(range(1, len(schema_steps()) + 1))
    assert schema_steps("down").keys() == schema_steps("up").keys()


@pytest.mark.parametrize("step", sorted(schema_steps()))
def test_a_step_back_leaves_what_was_there_before_the_step(
    connection: sqlite3.Connection, path: Path, step: int
) -> None:
    def schema() -> list[tuple[str, str]]:
        rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
        return [tuple(row) for row in rows]

    assert migrate(connection, path, step - 1) == (0, step - 1)
    before = schema()
    assert migrate(connection, path, step) == (step - 1, step)
    assert schema() != before
    assert migrate(connection, path, step - 1) == (step, step - 1)
    assert schema() == before
    migrate(connection, path)
    assert version(connection) == max(schema_steps())


def test_a_step_back_keeps_what_has_a_place_and_loses_nothing_unasked(
    connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(connection, path)
    newest = max(schema_steps())
    extra = {
        "up": {newest + 1: "CREATE TABLE one (a);\nALTER TABLE sessions ADD COLUMN mood TEXT;"},
        "down": {newest + 1: "DROP TABLE one;\nALTER TABLE sessions DROP COLUMN mood;"},
    }

    def steps(direction: Direction = "up") -> dict[int, str]:
        return schema_steps(direction) | extra[direction]

    monkeypatch.setattr(migrations, "schema_steps", steps)
    migrate(connection, path)
    # Empty tables have nothing to lose.
    assert migrate(connection, path, newest) == (newest + 1, newest)
    migrate(connection, path)
    session = session_parameters(SessionRecord("s1", "stream", "m", 1))
    connection.execute(BEGIN_SESSION, session)
    connection.execute("INSERT INTO one VALUES (1)")
    with pytest.raises(StoreError, match=r"no place for what .* keeps in one, sessions; export"):
        migrate(connection, path, newest)
    assert version(connection) == newest + 1
    assert connection.execute("SELECT count(*) FROM one").fetchone()[0] == 1

    migrate(connection, path, newest, lose_data=True)
    assert version(connection) == newest
    assert "one" not in tables(connection)
    assert connection.execute("SELECT id FROM sessions").fetchone()[0] == "s1"


def test_a_step_to_nothing_drops_all_that_was_kept_only_if_told(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "some words")
    with closing(connect_writer(path)) as connection:
        with pytest.raises(StoreError, match="sessions, utterances"):
            migrate(connection, path, 0)
        migrate(connection, path, 0, lose_data=True)
        assert tables(connection) <= {"sqlite_sequence"}
    with closing(SqliteStore(path)) as store:
        assert store.facts().sessions == 0
        begin(store, "s1")


@pytest.mark.parametrize("target", [-1, 999])
def test_a_schema_that_nobody_knows_is_refused(
    connection: sqlite3.Connection, path: Path, target: int
) -> None:
    with pytest.raises(StoreError, match="name one from 0"):
        migrate(connection, path, target)


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
