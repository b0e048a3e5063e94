"""Schemas, checks and mending of a PostgreSQL store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import psycopg
import pytest

from gapless.errors import StoreError
from gapless.store.contract import TranscriptQuery
from gapless.store.options import StoreOptions
from gapless.store.postgres.address import address
from gapless.store.postgres.database import Database
from gapless.store.postgres.migrate import migrate, newest_schema, schema_steps
from gapless.store.postgres.store import PostgresStore
from gapless.testing.store_contract import begin, found, say

pytestmark = pytest.mark.database

TABLES = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'gapless_schema' ORDER BY 1, 2"""

INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


def migrate_to(url: str, target: int | None, *, lose_data: bool = False) -> tuple[int, int]:
    with closing(Database(address(url), StoreOptions())) as database:
        return database.alone(partial(migrate, label="here", target=target, lose_data=lose_data))


def shape(url: str) -> list[object]:
    with psycopg.connect(url) as connection:
        return [*connection.execute(TABLES).fetchall(), *connection.execute(INDEXES).fetchall()]


def test_every_step_goes_up_and_down_and_up_again(postgres_url: str) -> None:
    newest = newest_schema()
    assert sorted(schema_steps("down")) == sorted(schema_steps("up")) == list(range(1, newest + 1))
    shapes = [shape(postgres_url)]
    for step in range(1, newest + 1):
        assert migrate_to(postgres_url, step) == (step - 1, step)
        shapes.append(shape(postgres_url))
    for step in reversed(range(newest)):
        assert migrate_to(postgres_url, step) == (step + 1, step)
        assert shape(postgres_url) == shapes[step]
    assert migrate_to(postgres_url, None) == (0, newest)
    assert migrate_to(postgres_url, None) == (newest, newest)
    assert shape(postgres_url) == shapes[newest]


def test_a_step_back_does_not_lose_what_is_kept_unless_it_may(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "still here")
    with pytest.raises(StoreError, match="export it first"):
        migrate_to(postgres_url, 0)
    with closing(PostgresStore(postgres_url)) as store:
        assert found(store, "still") == ["u1"]
    migrate_to(postgres_url, 0, lose_data=True)
    with closing(PostgresStore(postgres_url)) as store:
        assert store.list(TranscriptQuery()).items == ()


def test_a_database_of_a_newer_gapless_is_refused(postgres_url: str) -> None:
    migrate_to(postgres_url, None)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE gapless_schema SET version = 999")
    with pytest.raises(StoreError, match="upgrade Gapless"):
        PostgresStore(postgres_url)


def test_a_schema_that_does_not_exist_is_refused(postgres_url: str) -> None:
    with pytest.raises(StoreError, match="no schema 99"):
        migrate_to(postgres_url, 99)


def test_servers_that_start_together_make_one_schema(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: migrate_to(postgres_url, None), range(4)))
    assert min(before for before, _ in done) == 0
    assert {after for _, after in done} == {newest_schema()}


def test_a_crash_in_the_middle_of_a_migration_leaves_the_old_schema(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # In the way of a later step: nothing of the earlier ones may stay.
        connection.execute("CREATE TABLE utterances (mine integer)")
    with pytest.raises(StoreError, match="already exists"):
        PostgresStore(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    assert tables == [("utterances",)]


def test_a_check_tells_what_is_wrong_and_vacuum_mends_the_index(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        for number in range(3):
            say(store, "s1", f"u{number}", f"number {number} isn't lost", start_ms=number)
        assert store.check() == ()
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE utterances SET search = '''other''' WHERE utt = 'u1'")
            connection.execute("UPDATE utterances SET began_ms = 7 WHERE utt = 'u2'")
        wrong = store.check()
        for name, sentence in zip(["u1 of s1", "u2 of s1"], wrong, strict=True):
            assert name in sentence
            assert "gapless store vacuum" in sentence
        assert found(store, "isn't") == ["u0", "u2"]
        store.vacuum()
        assert store.check() == ()
        assert found(store, "isn't") == ["u0", "u1", "u2"]
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE utterances SET words = 'oh', search = '' WHERE utt = 'u2'")
            connection.execute("UPDATE sessions SET utterances = 7")
        wrong = store.check()
        assert len(wrong) == 3
        assert "7 were counted" in wrong[0]


def test_size_is_estimated_from_what_is_kept_and_the_oldest_go(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        for number in range(20):
            begin(store, f"s{number:02}", started_at_ms=1000 + number)
            store.end_session(f"s{number:02}", ended_at_ms=5000, audio_ms=1)
            text = " ".join(f"word{number}x{word}" for word in range(2000))
            say(store, f"s{number:02}", "u1", text)
        size_bytes = store.facts().size_bytes
        assert store.prune(max_bytes=size_bytes).sessions == 0
        pruned = store.prune(max_bytes=200_000)
        assert 0 < pruned.sessions == pruned.utterances < 20
        left = [item.session.id for item in store.list(TranscriptQuery(limit=100)).items]
        assert left == [f"s{number:02}" for number in reversed(range(pruned.sessions, 20))]
        # The files are as large as before, and what is kept is not too much any more.
        assert store.prune(max_bytes=200_000).sessions == 0
