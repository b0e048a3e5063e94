"""The store in PostgreSQL keeps to the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gapless.store.postgres.store import PostgresStore
from gapless.testing.store_contract import STORE_CHECKS, OpenStore

pytestmark = pytest.mark.database


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_postgres(check: Callable[[OpenStore], None], postgres_url: str) -> None:
    check(lambda: PostgresStore(postgres_url))
