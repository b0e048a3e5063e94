"""The queue of jobs in SQLite keeps to the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gapless.store.sqlite.store import SqliteStore
from gapless.testing.queue_contract import QUEUE_CHECKS
from gapless.testing.store_contract import OpenStore


@pytest.mark.parametrize("check", QUEUE_CHECKS, ids=lambda check: check.__name__)
def test_sqlite(check: Callable[[OpenStore], None], tmp_path: Path) -> None:
    check(lambda: SqliteStore(tmp_path / "transcripts.db"))
