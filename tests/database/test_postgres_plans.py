"""What a request costs the database: how many statements, and by which indexes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from gapless.store.contract import (
    MAX_PAGE,
    Order,
    SessionRecord,
    StoredTranscript,
    TranscriptQuery,
)
from gapless.store.postgres import statements
from gapless.store.postgres.link import Connection
from gapless.store.postgres.reading import page_parameters
from gapless.store.postgres.store import PostgresStore
from gapless.store.words import read_search
from gapless.testing.postgres_server import PostgresServer
from gapless.transcript import Utterance

pytestmark = pytest.mark.database

SESSIONS = 600
UTTERANCES = 20


@pytest.fixture(scope="module")
def logging_server() -> Iterator[PostgresServer]:
    """Writes down every statement."""
    with PostgresServer(
        settings={"log_statement": "all", "log_min_duration_statement": "-1"}
    ) as server:
        yield server


@pytest.fixture(scope="module")
def store(logging_server: PostgresServer) -> Iterator[PostgresStore]:
    """Enough rows for an index to be worth it; one word in every utterance, one in every session, one in a single one."""
    with closing(PostgresStore(logging_server.new_database())) as store:
        for first in range(0, SESSIONS, 100):
            store.restore([_transcript(number) for number in range(first, first + 100)])
        logging_server.execute("VACUUM ANALYZE", "test_1")
        yield store


def _transcript(number: int) -> StoredTranscript:
    rare = "unique" if number == SESSIONS // 2 else "usual"
    texts = [
        f"common word{number} place{place} w{number * place}" for place in range(UTTERANCES - 1)
    ]
    return StoredTranscript(
        SessionRecord(f"s{number:04}", "file", "m", 1000 + number, ended_at_ms=5, audio_ms=5),
        tuple(
            Utterance(f"u{place}", text, place * 1000, place * 1000 + 500)
            for place, text in enumerate([*texts, f"don't be {rare}"])
        ),
    )


def statements_of(server: PostgresServer, act: Callable[[], object]) -> list[str]:
    """What the server was asked meanwhile."""
    before = len(server.log())
    act()
    said = server.log()[before:]
    return re.findall(r"LOG:  (?:statement|execute [^:]*): *(.*)", said)


@pytest.mark.parametrize("order", ["newest", "relevance"])
@pytest.mark.parametrize("text", [None, "common", "unique", "don't"])
@pytest.mark.parametrize("limit", [1, MAX_PAGE])
def test_a_list_is_one_statement_however_long_it_is(
    store: PostgresStore, logging_server: PostgresServer, text: str | None, limit: int, order: Order
) -> None:
    query = TranscriptQuery(text=text, limit=limit, order=order)
    store.list(query)  # opens what connections are needed
    assert len(statements_of(logging_server, lambda: store.list(query))) == 1


def test_a_transcript_is_one_statement(
    store: PostgresStore, logging_server: PostgresServer
) -> None:
    store.get("s0001")
    assert len(statements_of(logging_server, lambda: store.get("s0001"))) == 1


def test_many_utterances_are_as_many_statements_as_one(
    store: PostgresStore, logging_server: PostgresServer
) -> None:
    def add(name: str, count: int) -> list[str]:
        said = [Utterance(f"{name}{number}", "more", 0, 1) for number in range(count)]
        return statements_of(logging_server, lambda: store.add_utterances("s0000", said).result(30))

    add("first", 1)  # a connection that was idle for long is looked at before it is used
    assert len(add("one", 1)) == len(add("many", 40)) == 3  # BEGIN, INSERT, COMMIT
    # The table that rows are copied to, COPY, INSERT.
    assert len(add("bulk", 2000)) == len(add("more", 500)) == 5


def test_a_list_uses_its_indexes(store: PostgresStore) -> None:
    plan = plan_of(store, statements.LIST_ALL, page_parameters(TranscriptQuery(), None))
    assert {"sessions_by_start", "utterances_in_order"} <= indexes_in(plan), plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("statement", [statements.LIST_FOUND, statements.RELEVANT_FOUND])
def test_what_was_found_is_read_by_its_indexes(store: PostgresStore, statement: str) -> None:
    order: Order = "relevance" if statement == statements.RELEVANT_FOUND else "newest"
    query = TranscriptQuery(text="unique", order=order)
    plan = plan_of(store, statement, page_parameters(query, read_search("unique")))
    assert "Function Scan on matches" in plan
    assert {"sessions_pkey", "utterances_in_order"} <= indexes_in(plan), plan
    assert "Seq Scan on utterances" not in plan


@pytest.mark.parametrize("order", ["newest", "relevance"])
@pytest.mark.parametrize(
    ("text", "is_asked"),
    [("common", False), ("unique", True), ("common unique", True), ("don't be unique", True)],
)
def test_only_what_is_rare_is_asked_of_the_index_of_words(
    store: PostgresStore, text: str, is_asked: bool, order: Order
) -> None:
    statement = statements.LIST_FOUND if order == "newest" else statements.RELEVANT_FOUND
    query = TranscriptQuery(text=text, order=order, limit=5)

    async def scans(connection: Connection) -> Counter[str]:
        counts = await connection.execute(
            "SELECT relname, pg_stat_get_xact_numscans(oid) AS scans FROM pg_class"
            " WHERE relname LIKE 'utterances%'"
        )
        return Counter({row["relname"]: row["scans"] for row in await counts.fetchall()})

    async def read(connection: Connection) -> Counter[str]:
        async with connection.transaction():
            before = await scans(connection)
            await connection.execute(statement, page_parameters(query, read_search(text)))
            return await scans(connection) - before

    done = store.database.read(read)
    assert (done["utterances_search"] > 0) == is_asked
    assert done["utterances"] == 0


def test_a_look_up_uses_its_indexes(store: PostgresStore) -> None:
    plan = plan_of(store, statements.GET, {"id": "s0001"})
    assert "sessions_id_key" in plan
    assert re.search(r"utterances_(in_order|pkey)", plan)
    assert "Seq Scan" not in plan


def indexes_in(plan: str) -> set[str]:
    return set(re.findall(r"\w+_(?:start|order|search|pkey)\b", plan))


def plan_of(store: PostgresStore, statement: str, parameters: dict[str, Any]) -> str:
    async def explain(connection: Connection) -> str:
        explained = await connection.execute(
            f"EXPLAIN {statement}".encode(), parameters, prepare=False
        )
        return "\n".join(row["QUERY PLAN"] for row in await explained.fetchall())

    return store.database.read(explain)
