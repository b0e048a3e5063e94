from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from gapless.errors import NotFoundError, OverloadError, StoreError
from gapless.store.backlog import UNKNOWN_RETRY_MS
from gapless.store.options import StoreOptions
from gapless.store.sqlite.connection import connect_reader, connect_writer
from gapless.store.sqlite.writer import Writer

WAIT_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    connection = connect_writer(path)
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    writer = Writer(
        connection, path, StoreOptions(max_waiting=20, batch_ms=60_000), room_timeout_s=0.0
    )
    yield writer
    writer.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(30) as pool:
        yield pool


def add(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return work


def numbers(path: Path) -> list[int]:
    connection = connect_reader(path)
    found = [row["n"] for row in connection.execute("SELECT n FROM numbers ORDER BY n")]
    connection.close()
    return found


@contextmanager
def held_up(writer: Writer, threads: ThreadPoolExecutor) -> Iterator[None]:
    """The writer is busy with one job, so that others wait."""
    started, released = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        started.set()
        assert released.wait(WAIT_S)

    blocking = threads.submit(writer.run, work)
    assert started.wait(WAIT_S)
    try:
        yield
    finally:
        released.set()
        blocking.result(WAIT_S)


def submit_waiting(
    writer: Writer,
    threads: ThreadPoolExecutor,
    jobs: list[Callable[[sqlite3.Connection], int]],
) -> list[Future[int]]:
    """Start jobs one after the other, each waiting in the queue before the next comes."""
    futures = []
    for job in jobs:
        futures.append(threads.submit(writer.run, job))
        wait_until(lambda: writer.stats().waiting == len(futures))
    return futures


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(WAIT_S * 1000)):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("the condition never came true")


def test_a_job_is_committed_when_run_returns(writer: Writer, path: Path) -> None:
    assert writer.run(add(7)) == 7
    assert numbers(path) == [7]


def test_jobs_that_wait_together_share_one_commit(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    with held_up(writer, threads):
        futures = submit_waiting(writer, threads, [add(n) for n in range(10)])
    assert [future.result(WAIT_S) for future in futures] == list(range(10))
    assert writer.stats().jobs == writer.stats().rows == 11
    # Those that came while the transaction was open joined it.
    assert writer.stats().commits == 1
    assert numbers(path) == list(range(10))


@pytest.mark.parametrize(
    ("options", "commits"),
    [
        pytest.param(StoreOptions(batch_rows=1), 13, id="one row"),
        pytest.param(StoreOptions(batch_rows=4, batch_ms=60_000), 4, id="four rows"),
        pytest.param(StoreOptions(batch_rows=100, batch_ms=60_000), 1, id="many rows"),
        pytest.param(StoreOptions(batch_rows=100, batch_ms=0), 13, id="no time"),
    ],
)
def test_a_transaction_is_bounded_in_rows_and_in_time(
    path: Path, threads: ThreadPoolExecutor, options: StoreOptions, commits: int
) -> None:
    connection = connect_writer(path)
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    writer = Writer(connection, path, options)
    with held_up(writer, threads):
        futures = submit_waiting(writer, threads, [add(n) for n in range(12)])
    assert [future.result(WAIT_S) for future in futures] == list(range(12))
    assert writer.stats().commits == commits
    writer.close()


def test_a_job_of_many_rows_is_not_taken_apart_and_goes_alone(
    path: Path, threads: ThreadPoolExecutor
) -> None:
    connection = connect_writer(path)
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    writer = Writer(connection, path, StoreOptions(batch_rows=4, batch_ms=60_000, max_waiting=8))
    with held_up(writer, threads):
        # More than all the room, but nothing else waits.
        large = writer.submit(add(1), rows=9)
        with pytest.raises(OverloadError, match="9 rows wait to be written and 8 may"):
            writer.submit(add(2))
        assert writer.stats().waiting == 9
    assert large.result(WAIT_S) == 1
    assert writer.submit(add(2)).result(WAIT_S) == 2
    assert writer.stats().refused == 1
    assert writer.stats().commits == 3
    writer.close()


def test_a_job_that_nobody_waits_for_any_more_is_not_run(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    with held_up(writer, threads):
        given_up, kept = writer.submit(add(1)), writer.submit(add(2))
        assert given_up.cancel()
    assert kept.result(WAIT_S) == 2
    assert numbers(path) == [2]


def test_what_runs_alone_is_in_no_transaction_and_others_wait_for_it(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    with held_up(writer, threads):
        before = writer.submit(add(1))
        alone = threads.submit(writer.run_alone, lambda connection: connection.in_transaction)
        wait_until(lambda: len(writer._jobs) == 2)
        after = writer.submit(add(2))
    assert alone.result(WAIT_S) is False
    assert (before.result(WAIT_S), after.result(WAIT_S)) == (1, 2)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT n FROM nowhere")

    with pytest.raises(StoreError, match="no such table"):
        writer.run_alone(fail)
    assert writer.run(add(3)) == 3
    assert numbers(path) == [1, 2, 3]


def test_a_job_that_fails_takes_only_its_own_writes_back(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    def fail(connection: sqlite3.Connection) -> int:
        add(100)(connection)
        raise NotFoundError("there is no such thing")

    def break_a_rule(connection: sqlite3.Connection) -> int:
        add(101)(connection)
        return add(1)(connection)

    with held_up(writer, threads):
        good, bad, worse, last = submit_waiting(
            writer, threads, [add(1), fail, break_a_rule, add(2)]
        )
    assert [good.result(WAIT_S), last.result(WAIT_S)] == [1, 2]
    with pytest.raises(NotFoundError, match="no such thing"):
        bad.result(WAIT_S)
    with pytest.raises(StoreError, match="UNIQUE constraint"):
        worse.result(WAIT_S)
    assert numbers(path) == [1, 2]
    assert writer.stats().commits == 1


def test_a_job_that_ends_the_whole_transaction_still_fails_alone(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    def too_much(connection: sqlite3.Connection) -> int:
        # What SQLite does by itself when the disk is full.
        return connection.execute("INSERT OR ROLLBACK INTO numbers VALUES (1), (1)").rowcount

    with held_up(writer, threads):
        before, culprit, after = submit_waiting(writer, threads, [add(10), too_much, add(20)])
    assert [before.result(WAIT_S), after.result(WAIT_S)] == [10, 20]
    with pytest.raises(StoreError):
        culprit.result(WAIT_S)
    assert numbers(path) == [10, 20]


def test_a_full_queue_pushes_back_and_the_rest_is_written(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    with held_up(writer, threads):
        futures = submit_waiting(writer, threads, [add(n) for n in range(20)])
        with pytest.raises(OverloadError) as refused:
            writer.run(add(99))
        assert refused.value.retry_after_ms == UNKNOWN_RETRY_MS
        assert writer.stats().refused == 1
    assert [future.result(WAIT_S) for future in futures] == list(range(20))
    assert numbers(path) == list(range(20))


def test_who_is_refused_is_told_what_was_measured_once_something_was(
    writer: Writer, threads: ThreadPoolExecutor
) -> None:
    writer.run(add(1000))
    with held_up(writer, threads):
        submit_waiting(writer, threads, [add(n) for n in range(20)])
        with pytest.raises(OverloadError) as refused:
            writer.run(add(99))
    assert refused.value.retry_after_ms not in (None, UNKNOWN_RETRY_MS)


def test_closing_writes_what_waits_and_refuses_what_comes(
    writer: Writer, path: Path, threads: ThreadPoolExecutor
) -> None:
    with held_up(writer, threads):
        futures = submit_waiting(writer, threads, [add(n) for n in range(5)])
        closing = threads.submit(writer.close)
        wait_until(lambda: writer._closed)
        with pytest.raises(StoreError, match="closed"):
            writer.run(add(99))
    assert [future.result(WAIT_S) for future in futures] == list(range(5))
    closing.result(WAIT_S)
    writer.close()
    assert numbers(path) == list(range(5))


def test_a_file_that_another_program_holds_fails_the_write_but_not_the_writer(path: Path) -> None:
    connection = connect_writer(path)
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    connection.execute("PRAGMA busy_timeout = 0")
    writer = Writer(connection, path)
    other = connect_writer(path)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="another program holds it"):
        writer.run(add(1))
    other.execute("ROLLBACK")
    assert writer.run(add(2)) == 2

    other.close()
    writer.close()
    assert numbers(path) == [2]
