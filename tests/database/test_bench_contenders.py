"""What `gapless bench database` asks of a PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from gapless.bench.contenders import database_rows, database_store
from gapless.bench.database_fill import fill_postgres
from gapless.bench.drive import Work

pytestmark = pytest.mark.database

WORK_S = 0.05

UTTERANCES = 3_000


@pytest.mark.parametrize("make", [database_rows.store, database_rows.bare])
def test_rows_are_kept(
    make: Callable[..., AbstractContextManager[Work]], postgres_url: str
) -> None:
    with make(postgres_url, rows=20) as work:
        samples = work(WORK_S)
    assert samples.units == 20 * len(samples.took_ns) > 0


def test_questions_are_answered(postgres_url: str) -> None:
    filled = fill_postgres(postgres_url, UTTERANCES, lambda *_: None)
    where, sessions = filled.where, filled.sessions
    for work_of in (
        database_store.get(where, sessions=sessions),
        database_store.bare_get(where, sessions=sessions),
        database_store.page(where, sessions=sessions, last_ms=filled.last_ms),
        database_store.search(where, words="two", order="newest"),
        database_store.search(where, words="beginning", order="relevance"),
        database_store.bare_search(where, words="common"),
        database_store.points(where, sessions=sessions, callers=2, bare=True),
        database_store.points(where, sessions=sessions, callers=2, bare=False),
    ):
        with work_of as work:
            assert work(WORK_S).took_ns
