"""What a store does while its PostgreSQL is gone, slow, full of callers or strange."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress

import psycopg
import pytest

from gapless.errors import ConfigError, GaplessError, OverloadError, StoreError
from gapless.store.contract import SessionRecord, TranscriptQuery
from gapless.store.options import StoreOptions
from gapless.store.postgres.link import Connection
from gapless.store.postgres.store import PostgresStore
from gapless.testing.postgres_server import GUARDED_PASSWORD, GUARDED_ROLE, PostgresServer
from gapless.testing.sound_programs import wait_until
from gapless.testing.store_contract import begin, found, ids
from gapless.transcript import Utterance

pytestmark = pytest.mark.database


def said(number: int) -> Utterance:
    return Utterance(f"u{number}", f"utterance number {number}", number * 1000, number * 1000 + 500)


def kept(url: str) -> list[str]:
    """What is in the table, seen by someone else."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT utt FROM utterances ORDER BY start_ms").fetchall()
    return [row[0] for row in rows]


def reads(store: PostgresStore) -> bool:
    try:
        store.list(TranscriptQuery())
    except StoreError:
        return False
    return True


def test_what_is_written_while_the_server_is_gone_waits_and_nothing_is_lost_or_doubled(
    mortal_postgres: PostgresServer,
) -> None:
    url = mortal_postgres.new_database()
    with closing(PostgresStore(url)) as store, ThreadPoolExecutor(4) as threads:
        begin(store, "s1")
        acknowledged: list[int] = []
        stop = threading.Event()
        lock = threading.Lock()

        def one_stream(first: int) -> None:
            number = first
            while not stop.is_set():
                store.add_utterance("s1", said(number))
                with lock:
                    acknowledged.append(number)
                number += 4

        streams = [threads.submit(one_stream, first) for first in range(4)]
        for _ in range(3):
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) > before + 20, "utterances that are kept")  # noqa: B023
            # In the middle of a batch: four streams write all the time.
            mortal_postgres.kill()
            before = len(acknowledged)
            mortal_postgres.start()
            wait_until(lambda: len(acknowledged) > before + 20, "utterances that are kept again")  # noqa: B023
        stop.set()
        for stream in streams:
            stream.result()
        there = kept(url)
        assert len(there) == len(set(there))
        assert {f"u{number}" for number in acknowledged} == set(there)
        assert store.get("s1").session.utterances == len(there)
        assert store.check() == ()


def test_reads_fail_at_once_while_the_server_is_gone_and_heal_by_themselves(
    mortal_postgres: PostgresServer,
) -> None:
    with closing(PostgresStore(mortal_postgres.new_database())) as store:
        begin(store, "s1")
        mortal_postgres.kill()
        for _ in range(3):
            with pytest.raises(StoreError, match="check that it runs"):
                store.list(TranscriptQuery())
        assert not store.database.stats().there
        waiting = store.add_utterances("s1", [said(1)])
        mortal_postgres.start()
        waiting.result(30)
        wait_until(lambda: reads(store), "a store that reads again")
        assert found(store, "number") == ["u1"]
        assert store.database.stats().losses == 1


def test_connections_that_were_ended_behind_our_back_cost_nobody_an_error(
    mortal_postgres: PostgresServer,
) -> None:
    with closing(PostgresStore(mortal_postgres.new_database())) as store:
        for number in range(5):
            mortal_postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'gapless' AND pid <> pg_backend_pid()"
            )
            begin(store, f"s{number}")
            assert len(store.list(TranscriptQuery()).items) == number + 1


def test_a_server_that_stays_away_is_given_up(mortal_postgres: PostgresServer) -> None:
    with closing(PostgresStore(mortal_postgres.new_database())) as store:
        mortal_postgres.stop()
        with pytest.raises(StoreError, match="check that it runs") as caught:
            store.database.write(_one, patience_s=0.3)
        assert caught.value.retryable


def test_what_waits_is_bounded(mortal_postgres: PostgresServer) -> None:
    options = StoreOptions(max_waiting=10, batch_rows=2)
    with closing(PostgresStore(mortal_postgres.new_database(), options)) as store:
        begin(store, "s1")
        mortal_postgres.kill()
        promises: list[Future[None]] = []
        # As many as may wait, and those that are being written.
        with suppress(OverloadError):
            while len(promises) < 20:
                promises.append(store.add_utterances("s1", [said(len(promises))]))
        assert 10 <= len(promises) <= 12
        mortal_postgres.start()
        for promise in promises:
            promise.result(30)
        assert len(store.get("s1").utterances) == len(promises)


def test_a_row_that_the_server_refuses_takes_no_other_with_it(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        too_much = Utterance("u0", "later than any clock", 2**70, 2**70)
        promises = [store.add_utterances("s1", [said(n)]) for n in range(1, 4)]
        bad = store.add_utterances("s1", [too_much])
        promises += [store.add_utterances("s1", [said(n)]) for n in range(4, 7)]
        lost = store.add_utterances("nobody", [said(9)])
        odd = store.add_utterances("s1", [Utterance("\ud800", "an id that is no text", 0, 1)])
        for promise in promises:
            promise.result(30)
        with pytest.raises(StoreError, match="PostgreSQL refused"):
            bad.result(30)
        with pytest.raises(StoreError, match="deleted"):
            lost.result(30)
        with pytest.raises(UnicodeEncodeError):
            odd.result(30)
        assert kept(postgres_url) == [f"u{n}" for n in range(1, 7)]


def test_a_pool_that_is_busy_says_so_and_recovers(postgres_url: str) -> None:
    options = StoreOptions(pool=2, pool_timeout_ms=100)
    with closing(PostgresStore(postgres_url, options)) as store, ThreadPoolExecutor(2) as threads:
        asleep = [threads.submit(store.database.read, _sleep) for _ in range(2)]
        wait_until(lambda: store.database.stats().lent == 2, "two busy connections")
        with pytest.raises(OverloadError, match="STORE_POOL") as caught:
            store.list(TranscriptQuery())
        assert caught.value.retry_after_ms
        # Those who write have a connection of their own.
        begin(store, "s1")
        for sleeper in asleep:
            sleeper.result(30)
        assert ids(store.list(TranscriptQuery())) == ["s1"]


def test_a_pool_grows_for_callers_who_wait(postgres_url: str) -> None:
    options = StoreOptions(pool=6)
    with closing(PostgresStore(postgres_url, options)) as store, ThreadPoolExecutor(6) as threads:
        assert store.database.stats().size == 2
        list(threads.map(lambda _: store.database.read(_nap), range(60)))
        assert store.database.stats().size == 6
        assert store.database.stats().connections <= 6


def test_a_statement_that_takes_too_long_is_cut_off(postgres_url: str) -> None:
    options = StoreOptions(statement_timeout_ms=50)
    with closing(PostgresStore(postgres_url, options)) as store:
        with pytest.raises(OverloadError, match="too long"):
            store.database.read(_sleep)
        assert ids(store.list(TranscriptQuery())) == []


def test_a_server_that_hangs_is_given_up_and_heals(
    mortal_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = StoreOptions(pool_timeout_ms=100, statement_timeout_ms=100)
    monkeypatch.setattr("gapless.store.postgres.database.ANSWER_S", 0.3)
    with closing(PostgresStore(mortal_postgres.new_database(), options)) as store:
        begin(store, "s1")
        with mortal_postgres.hanging(), pytest.raises(GaplessError):
            store.list(TranscriptQuery())
        wait_until(lambda: reads(store), "a store that reads again")


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        pytest.param({"user": GUARDED_ROLE, "password": "a secret"}, "password", id="password"),
        pytest.param({"user": "nobody_here"}, "STORE_URL", id="role"),
        pytest.param({"database": "nowhere"}, "createdb", id="database"),
    ],
)
def test_what_leads_nowhere_says_what_to_do_and_no_password(
    postgres_server: PostgresServer, change: dict[str, str], advice: str
) -> None:
    with pytest.raises(StoreError, match=advice) as caught:
        PostgresStore(postgres_server.url(**change))
    assert "a secret" not in str(caught.value)
    assert "a%20secret" not in str(caught.value)


def test_a_host_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(StoreError, match="check that it runs") as caught:
        PostgresStore("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "postgresql://me@127.0.0.1:1/db" in str(caught.value)


def test_an_url_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        PostgresStore("postgresql://me:se%zzcret@host/db")
    assert "cret" not in str(caught.value)


def test_a_password_may_be_needed(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    name = url.rpartition("///")[2].partition("?")[0]
    postgres_server.execute(f"GRANT ALL ON DATABASE {name} TO {GUARDED_ROLE}")
    postgres_server.execute(f"GRANT ALL ON SCHEMA public TO {GUARDED_ROLE}", name)
    url = postgres_server.url(name, user=GUARDED_ROLE, password=GUARDED_PASSWORD)
    with closing(PostgresStore(url)) as store:
        begin(store, "s1")
        assert GUARDED_PASSWORD not in store.facts().where


def test_a_database_of_another_encoding_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.execute(
        "CREATE DATABASE old_times ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )
    with pytest.raises(StoreError, match="encoding=UTF8"):
        PostgresStore(postgres_server.url("old_times"))


def test_two_servers_share_a_database(postgres_url: str) -> None:
    def one_server(server: int) -> None:
        with closing(PostgresStore(postgres_url)) as store:
            store.begin_session(SessionRecord("shared", "stream", "m", 1))
            promises = [store.add_utterances("shared", [said(number)]) for number in range(50)]
            promises += [
                store.add_utterances("shared", [said(1000 * server + number)])
                for number in range(100, 120)
            ]
            for promise in promises:
                promise.result(60)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(one_server, range(3)))
    with closing(PostgresStore(postgres_url)) as store:
        assert store.get("shared").session.utterances == 50 + 3 * 20
        assert store.check() == ()


async def _one(connection: Connection) -> None:
    await connection.execute("SELECT 1")


async def _nap(connection: Connection) -> None:
    await connection.execute("SELECT pg_sleep(0.1)")


async def _sleep(connection: Connection) -> None:
    await connection.execute("SELECT pg_sleep(1)")
