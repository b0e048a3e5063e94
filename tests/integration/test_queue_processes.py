"""The queue of jobs when workers die, when there are several, and what its answers cost."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gapless.store.jobs import statements
from gapless.store.jobs.statements import NO_LOCKS, with_locks
from gapless.store.queue import CHUNK_BYTES, FileSource, JobOptions, JobQuery
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.queue_contract import submit
from gapless.testing.queue_workers import (
    WAIT_S,
    Worker,
    crash_in_the_middle_is_resumed,
    workers_share_the_files,
)


@pytest.mark.long
@pytest.mark.parametrize("utterances", [1, 7, 40])
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path, utterances: int) -> None:
    path = tmp_path / "transcripts.db"
    crash_in_the_middle_is_resumed(partial(SqliteStore, path), f"sqlite {path}", utterances)


@pytest.mark.long
def test_workers_of_two_processes_share_the_files(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    workers_share_the_files(partial(SqliteStore, path), f"sqlite {path}")


@pytest.mark.long
def test_a_submission_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    with closing(SqliteStore(path)) as store:
        with Worker(f"sqlite {path}", "submit", "1") as process:
            process.read_line()
            process.send_signal(signal.SIGKILL)
            assert process.wait(WAIT_S) == -signal.SIGKILL
        assert store.queue.list(JobQuery()).items == ()
        store.queue.forget(0, now_ms=10**12)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("jobs", "job_chunks"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 30])
def test_answers_take_as_many_statements_however_many_jobs(tmp_path: Path, jobs: int) -> None:
    asked: list[str] = []
    with closing(SqliteStore(tmp_path / "transcripts.db", trace=asked.append)) as store:
        for number in range(jobs):
            submit(store, f"j{number}", 2, now_ms=number)

        def cost(ask: Callable[[], object]) -> int:
            asked.clear()
            ask()
            return sum("FROM" in statement for statement in asked)

        queue = store.queue
        assert cost(lambda: queue.list(JobQuery(limit=100))) == 1
        assert cost(lambda: queue.list(JobQuery(limit=100, state="queued"))) == 1
        assert cost(lambda: queue.get("j0")) == 1
        assert cost(lambda: queue.revision("j0")) == 1
        assert cost(lambda: queue.files("j0")) == 2
        # Nothing to lend: one look, and no writer is kept waiting.
        queue.cancel("j0", now_ms=1)
        assert cost(lambda: queue.claim("w", now_ms=-1, lease_ms=1)) == 1


PARAMETERS = {
    "now_ms": 1,
    "job_id": "j",
    "job": 1,
    "file": 0,
    "number": 0,
    "session_id": "s",
    "attempt": 1,
    "before_ms": 1,
    "before_id": "",
    "state": "done",
    "shown": 10,
    "limit": 20,
    "start": 0,
}


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ANY_READY", "job_files_open"),
        ("NEXT_READY", "job_files_open"),
        ("HELD", "jobs_by_id"),
        ("KEY_OF_JOB", "jobs_by_id"),
        ("GET", "jobs_by_id"),
        ("LIST", "jobs_by_creation"),
        ("LIST_STATE", "jobs_by_state"),
        ("COUNT_OPEN", "jobs_open"),
        ("EXPIRE_ARRIVALS", "jobs_open"),
        ("FORGET", "jobs_over"),
        ("LEAVING_JOB", "jobs_leaving"),
        ("LEAVING_FILE", "job_files_leaving"),
        ("CHUNK", "sqlite_autoindex_job_chunks"),
    ],
)
def test_statements_use_their_indexes(tmp_path: Path, name: str, index: str) -> None:
    path = tmp_path / "transcripts.db"
    SqliteStore(path).close()
    statement = with_locks(getattr(statements, name), NO_LOCKS)
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", PARAMETERS).fetchall()
    steps = [row[3] for row in plan]
    assert any(index in step for step in steps)
    # A scan of an index that holds only what is asked for, and in that order, is none of the table.
    tables = ("jobs", "j", "job_files", "f", "job_chunks", "c")
    assert not [step for step in steps if step in {f"SCAN {table}" for table in tables}]
    # A page is cut out of its index in order; what is sorted is that page with its files, which is bounded.
    sorts = sum("USE TEMP B-TREE FOR ORDER BY" in step for step in steps)
    assert sorts == name.startswith("LIST")


def test_other_writers_come_through_while_a_large_file_arrives(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "transcripts.db")) as store:
        seen = []

        def content() -> Iterator[bytes]:
            for number in range(4):
                submit(store, f"small{number}", 1, now_ms=number)
                seen.append(store.queue.get(f"small{number}").state)
                yield b"x" * CHUNK_BYTES

        source = FileSource(content=content())
        store.queue.submit("large", [source], JobOptions(), now_ms=9, max_jobs=9)
        assert seen == ["queued"] * 4
        assert store.queue.get("large").files[0].size_bytes == 4 * CHUNK_BYTES
