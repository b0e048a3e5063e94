"""Every store keeps to the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import STORE_CHECKS, OpenStore


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_sqlite(check: Callable[[OpenStore], None], tmp_path: Path) -> None:
    check(lambda: SqliteStore(tmp_path / "transcripts.db"))
