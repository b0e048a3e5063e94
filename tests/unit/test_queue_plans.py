"""What is asked before every submission is answered from an index alone, however many jobs there are and were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gapless.store.jobs.statements import (
    COUNT_BYTES,
    COUNT_OPEN,
    NO_LOCKS,
    OVER_FOR_LONGEST,
    with_locks,
)
from gapless.store.sqlite.store import SqliteStore


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        (COUNT_OPEN, "USING COVERING INDEX jobs_open"),
        (COUNT_BYTES, "USING COVERING INDEX jobs_kept"),
        (OVER_FOR_LONGEST, "USING COVERING INDEX jobs_kept"),
    ],
    ids=["jobs", "bytes", "oldest"],
)
def test_room_is_counted_in_an_index(tmp_path: Path, statement: str, step: str) -> None:
    file = tmp_path / "transcripts.db"
    SqliteStore(file).close()
    with closing(sqlite3.connect(file)) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {with_locks(statement, NO_LOCKS)}", {"before_ms": 0}
        )
        steps = [row[3] for row in plan]
    assert any(step in each for each in steps)
    assert not any("TEMP B-TREE" in each or each == "SCAN jobs" for each in steps), steps
