from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gapless.errors import OverloadError, StoreError
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.readers import Readers

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def wait_until(holds: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up_s
        time.sleep(0.001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.db"
    connection = connect_writer(path)
    connection.execute("CREATE TABLE numbers (n)")
    connection.execute("INSERT INTO numbers VALUES (1)")
    connection.close()
    return path


def test_a_snapshot_does_not_change_while_others_write(path: Path) -> None:
    readers = Readers(path)
    writer = connect_writer(path)
    with readers.snapshot() as reader:
        first = reader.execute("SELECT count(*) FROM numbers").fetchone()[0]
        writer.execute("INSERT INTO numbers VALUES (2)")
        assert reader.execute("SELECT count(*) FROM numbers").fetchone()[0] == first == 1
    with readers.snapshot() as reader:
        assert reader.execute("SELECT count(*) FROM numbers").fetchone()[0] == 2
    readers.close()
    writer.close()


def test_nothing_can_be_written_through_a_reader(path: Path) -> None:
    readers = Readers(path)
    with pytest.raises(StoreError, match="read-only"), readers.snapshot() as reader:
        reader.execute("INSERT INTO numbers VALUES (2)")
    readers.close()


def test_a_read_that_takes_too_long_is_cut_off_and_the_next_one_is_fine(path: Path) -> None:
    readers = Readers(path, read_timeout_s=0.01)
    with pytest.raises(OverloadError, match="took too long"), readers.snapshot() as reader:
        reader.execute(ENDLESS)
    with readers.snapshot() as reader:
        assert reader.execute("SELECT n FROM numbers").fetchone()[0] == 1
    readers.close()


def test_more_readers_than_there_is_room_for_are_refused(path: Path) -> None:
    readers = Readers(path, capacity=2, room_timeout_s=0.0)
    with (
        readers.snapshot(),
        readers.snapshot(),
        pytest.raises(OverloadError, match="too many searches"),
        readers.snapshot(),
    ):
        pass
    with readers.snapshot() as reader:
        assert reader.execute("SELECT n FROM numbers").fetchone()[0] == 1
    readers.close()


def test_who_came_first_is_served_first(path: Path) -> None:
    readers = Readers(path, capacity=1)
    served: list[int] = []
    callers: list[threading.Thread] = []

    def read(number: int) -> None:
        with readers.snapshot():
            served.append(number)

    with readers.snapshot():
        for number in range(6):
            callers.append(threading.Thread(target=read, args=(number,)))
            callers[-1].start()
            wait_until(lambda: len(readers._waiting) == len(callers))
    # Comes while those wait, and would be faster than any of them.
    read(6)
    for caller in callers:
        caller.join()
    assert served == [*range(7)]
    readers.close()


def test_who_gave_up_waiting_is_not_served(path: Path) -> None:
    readers = Readers(path, capacity=1, room_timeout_s=0.01)
    with readers.snapshot():
        for _ in range(2):
            with pytest.raises(OverloadError), readers.snapshot():
                pass
    for _ in range(2):
        with readers.snapshot() as reader:
            assert reader.execute("SELECT n FROM numbers").fetchone()[0] == 1
    readers.close()


def test_a_connection_is_used_again(path: Path) -> None:
    readers = Readers(path)
    with readers.snapshot() as first:
        pass
    with readers.snapshot() as second:
        pass
    assert first is second
    readers.close()


def test_a_connection_that_is_lent_when_the_store_closes_is_closed_on_return(path: Path) -> None:
    readers = Readers(path)
    with readers.snapshot() as reader:
        readers.close()
        assert reader.execute("SELECT n FROM numbers").fetchone()[0] == 1
    with pytest.raises(sqlite3.ProgrammingError):
        reader.execute("SELECT 1")
    with pytest.raises(StoreError, match="closed"), readers.snapshot():
        pass
