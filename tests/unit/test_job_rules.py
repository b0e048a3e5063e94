"""The queue's rules that no database has a part in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gapless.store.jobs.rules import backoff_ms, rank_ms, rows_of, state_of
from gapless.store.jobs.statements import NO_LOCKS, ROW_LOCKS, with_locks
from gapless.store.queue import CHUNK_BYTES, PACE_MS, FileCounts, JobState


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        (FileCounts(queued=2), "queued"),
        (FileCounts(queued=1, running=1), "running"),
        (FileCounts(queued=1, done=1), "running"),
        (FileCounts(queued=1, cancelled=1), "running"),
        (FileCounts(running=1, failed=1), "running"),
        (FileCounts(done=2), "done"),
        (FileCounts(done=1, failed=1), "failed"),
        (FileCounts(done=1, failed=1, cancelled=1), "cancelled"),
    ],
    ids=str,
)
def test_state_of_a_job(counts: FileCounts, state: JobState) -> None:
    assert state_of(counts) == state


@pytest.mark.parametrize(
    ("attempts", "least_ms", "most_ms"),
    [(1, 500, 1000), (2, 1000, 2000), (5, 8000, 16_000), (11, 300_000, 600_000)],
)
def test_back_off_doubles(attempts: int, least_ms: int, most_ms: int) -> None:
    assert [backoff_ms(attempts, chance) for chance in (0, 1)] == [least_ms, most_ms]


def test_back_off_is_bounded() -> None:
    assert backoff_ms(10**9, 1) == backoff_ms(11, 1)


def test_files_of_a_job_grow_younger() -> None:
    assert rank_ms(5, 3) - rank_ms(5, 2) == PACE_MS
    assert rank_ms(5 + PACE_MS, 0) == rank_ms(5, 1)


@pytest.mark.parametrize("piece_bytes", [1000, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("total_bytes", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_rows_are_full_but_for_the_last(piece_bytes: int, total_bytes: int) -> None:
    whole = bytes(number % 251 for number in range(1000)) * (total_bytes // 1000 + 1)
    whole = whole[:total_bytes]
    rows = list(rows_of(whole[at : at + piece_bytes] for at in range(0, total_bytes, piece_bytes)))
    assert b"".join(rows) == whole
    assert all(len(row) == CHUNK_BYTES for row in rows[:-1])
    assert all(0 < len(row) <= CHUNK_BYTES for row in rows[-1:])


def test_rows_come_before_all_is_read() -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * (CHUNK_BYTES // 4)

    rows = rows_of(chunks())
    next(rows)
    assert read == 4


def test_locks_are_said_where_they_are_needed() -> None:
    statement = "SELECT key FROM jobs AS j {lock_free_job}"
    assert with_locks(statement, NO_LOCKS).strip() == "SELECT key FROM jobs AS j"
    assert with_locks(statement, ROW_LOCKS).endswith("FOR UPDATE OF j SKIP LOCKED")
