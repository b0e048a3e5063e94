"""The queue of jobs in PostgreSQL keeps to the contract, also when workers die and when there are several."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from gapless.store.postgres.store import PostgresStore
from gapless.testing.postgres_server import PostgresServer
from gapless.testing.queue_contract import LEASE_MS, QUEUE_CHECKS, claim, say, submit
from gapless.testing.queue_workers import crash_in_the_middle_is_resumed, workers_share_the_files
from gapless.testing.store_contract import OpenStore, opened

pytestmark = pytest.mark.database


@pytest.mark.parametrize("check", QUEUE_CHECKS, ids=lambda check: check.__name__)
def test_postgres(check: Callable[[OpenStore], None], postgres_url: str) -> None:
    check(lambda: PostgresStore(postgres_url))


@pytest.mark.parametrize("utterances", [1, 40])
def test_a_worker_that_is_killed_is_replaced(postgres_url: str, utterances: int) -> None:
    open_store = partial(PostgresStore, postgres_url)
    crash_in_the_middle_is_resumed(open_store, f"postgres {postgres_url}", utterances)


def test_workers_of_two_processes_share_the_files(postgres_url: str) -> None:
    workers_share_the_files(partial(PostgresStore, postgres_url), f"postgres {postgres_url}")


def test_a_file_that_another_is_just_getting_is_skipped(postgres_url: str) -> None:
    with opened(lambda: PostgresStore(postgres_url)) as store:
        submit(store, "j1", 2, now_ms=0)
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT * FROM job_files WHERE number = 0 FOR UPDATE")
            assert claim(store, 1).lease.number == 1
            assert store.queue.claim("w", now_ms=1, lease_ms=LEASE_MS) is None
        assert claim(store, 1).lease.number == 0


def test_a_server_that_crashes_between_loan_and_end(mortal_postgres: PostgresServer) -> None:
    url = mortal_postgres.new_database()
    with opened(lambda: PostgresStore(url)) as store:
        submit(store, "j1", 1, now_ms=0)
        task = claim(store, 1)
        mortal_postgres.kill()
        mortal_postgres.start()
        # Calls that write wait for the server, and find everything as it was.
        spoken = [say("u1", 0, 90)]
        assert store.queue.keep(task.lease, spoken, now_ms=2, lease_ms=LEASE_MS, heard_ms=90)
        assert store.queue.finish(task.lease, now_ms=3, audio_ms=100)
        assert store.queue.get("j1").state == "done"
        assert store.get(task.lease.session_id).utterances == tuple(spoken)
