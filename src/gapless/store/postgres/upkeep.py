"""Looking after a database: facts, checks, deleting what is old, giving room back.

In: a connection. Out: facts, sentences, counts. Invariants: deleting takes a bounded number of sessions at a time;
nothing but ``vacuum`` keeps others waiting. Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, LiteralString

import msgspec
from psycopg import sql

from gapless.store.contract import CALLS_OF_A_STEP, Pruned, StoreFacts
from gapless.store.cursor import INT64_MAX
from gapless.store.postgres.inferences import prune_inferences
from gapless.store.postgres.link import Connection, Row
from gapless.store.postgres.migrate import schema_version
from gapless.store.postgres.search import indexed, lexemes
from gapless.store.postgres.statements import (
    CALLS,
    DELETE_KEYS,
    FACTS,
    INDEX_AGAIN,
    OLDEST,
    ROW_BYTES,
    TEXTS,
    USED,
    WRONG_COUNTS,
)
from gapless.store.rows import WordRow

DAY_MS: Final = 24 * 3600 * 1000

US_PER_MS: Final = 1000

PRUNE_TO: Final = 0.95
"""Of the largest size: below it by a little, so that the next final does not make the store too large again."""

INDEX_FACTOR: Final = 1.7
"""Bytes on the disk, indexes included, for each byte of the rows of utterances: measured with 200,000 of them."""

CALL_BYTES: Final = 200
"""Of a call of a model on the disk, indexes included: measured with 100,000 of them."""

ROWS_AT_A_TIME: Final = 500
"""That ``check`` holds in memory."""

MOST_FAULTS: Final = 20
"""That are told of one kind."""

RESTORE_ADVICE: Final = (
    "stop Gapless and restore a backup, or save what can be read with `gapless store export --all`"
)


async def read_facts(connection: Connection, label: str) -> StoreFacts:
    """What the database is and holds; the size is that of all its tables and indexes."""
    row = await _one(connection, FACTS)
    return StoreFacts(
        kind="postgresql", where=label, schema=await schema_version(connection), **row
    )


async def check(connection: Connection) -> tuple[str, ...]:
    """Read everything; a sentence for each thing that is wrong."""
    wrong = [
        f"{row['id']} keeps {row['kept']} utterances, but {row['noted']} were counted; "
        "export it, delete it and import it again"
        for row in await (await connection.execute(WRONG_COUNTS)).fetchall()
    ]
    faults = 0
    async for row in _texts(connection):
        for sentence in _faults(row):
            faults += 1
            if faults <= MOST_FAULTS:
                wrong.append(sentence)
    if faults > MOST_FAULTS:
        wrong.append(f"{faults - MOST_FAULTS} more utterances are wrong; see to these first")
    return tuple(wrong)


async def vacuum(connection: Connection) -> None:
    """Mend the search index, and write all tables and indexes anew, without gaps; others wait."""
    async for row in _texts(connection):
        if not _is_indexed(row):
            vector, words = indexed(row["text"])
            found_by = {"search": vector, "search_words": words}
            await connection.execute(INDEX_AGAIN, row | found_by)
    tables = await (
        await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
        )
    ).fetchall()
    for table in tables:
        name = sql.Identifier(table["tablename"])
        await connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(name))


async def prune(
    connection: Connection, before_ms: int | None, max_bytes: int | None, limit: int
) -> Pruned:
    """Delete some of the oldest sessions; see ``Store.prune``."""
    pruned = Pruned(0, 0)
    if before_ms is not None:
        chosen = await _oldest(connection, before_ms, before_ms - DAY_MS, limit)
        calls = await prune_inferences(connection, before_ms * US_PER_MS, CALLS_OF_A_STEP)
        pruned = await _delete(connection, [row["key"] for row in chosen])
        pruned = msgspec.structs.replace(pruned, calls=calls)
    if max_bytes is not None and pruned.sessions < limit and not pruned.calls:
        # What was asked of models goes first: nobody said it.
        if calls := await _delete_excess_calls(connection, max_bytes):
            return msgspec.structs.replace(pruned, calls=calls)
        # Whatever its age, a session that has not ended may be running.
        chosen = await _oldest(connection, INT64_MAX, -INT64_MAX, limit - pruned.sessions)
        keys = await _too_much(connection, chosen, max_bytes)
        more = await _delete(connection, keys)
        pruned = Pruned(pruned.sessions + more.sessions, pruned.utterances + more.utterances)
    return pruned


async def _delete_excess_calls(connection: Connection, max_bytes: int) -> int:
    """Delete some of the oldest calls of models, if there is too much of everything; how many that were."""
    size_bytes = (await _one(connection, USED))["size_bytes"]
    if size_bytes <= max_bytes:
        return 0
    rows = await _one(connection, ROW_BYTES)
    calls = await _one(connection, CALLS)
    kept_bytes = rows["size_bytes"] * INDEX_FACTOR + calls["calls"] * CALL_BYTES
    if min(size_bytes, kept_bytes) <= max_bytes:
        return 0
    return await prune_inferences(connection, INT64_MAX, CALLS_OF_A_STEP)


async def _too_much(connection: Connection, oldest: Sequence[Row], max_bytes: int) -> list[int]:
    """As many of the oldest as make the store small enough."""
    size_bytes = (await _one(connection, USED))["size_bytes"]
    if size_bytes <= max_bytes:
        return []
    # The files do not shrink with what is in them. What is in them is estimated by the size of the rows themselves.
    row = await _one(connection, ROW_BYTES)
    kept_bytes = min(size_bytes, row["size_bytes"] * INDEX_FACTOR)
    if kept_bytes <= max_bytes:
        return []
    row_bytes = kept_bytes / max(1, row["rows"])
    excess_bytes = kept_bytes - PRUNE_TO * max_bytes
    keys: list[int] = []
    for session in oldest:
        if excess_bytes <= 0:
            break
        keys.append(session["key"])
        excess_bytes -= (session["utterances"] + 1) * row_bytes
    return keys


async def _oldest(
    connection: Connection, before_ms: int, unended_before_ms: int, limit: int
) -> list[Row]:
    parameters = {"before_ms": before_ms, "unended_before_ms": unended_before_ms, "limit": limit}
    return await (await connection.execute(OLDEST, parameters)).fetchall()


async def _delete(connection: Connection, keys: Sequence[int]) -> Pruned:
    if not keys:
        return Pruned(0, 0)
    deleted = await (await connection.execute(DELETE_KEYS, {"keys": list(keys)})).fetchall()
    return Pruned(len(deleted), sum(row["utterances"] for row in deleted))


async def _one(connection: Connection, statement: LiteralString) -> Row:
    row = await (await connection.execute(statement)).fetchone()
    return {} if row is None else row


async def _texts(connection: Connection) -> AsyncIterator[Row]:
    """All utterances, in one transaction; from a cursor of the server's, so that they need not fit into memory."""
    async with connection.transaction(), connection.cursor("gapless_texts") as cursor:
        cursor.itersize = ROWS_AT_A_TIME
        await cursor.execute(TEXTS)
        async for row in cursor:
            yield row


def _faults(row: Row) -> Iterator[str]:
    """What is wrong with an utterance."""
    name = f"{row['utt']} of {row['id']}"
    try:
        msgspec.json.decode(row["words"], type=list[WordRow])
        msgspec.json.decode(row["tokens"], type=tuple[int, ...])
    except ValueError:
        yield f"the words of {name} cannot be read; {RESTORE_ADVICE}"
    if not _is_indexed(row):
        yield f"searching may miss {name}, the index differs from what is kept; `gapless store vacuum` makes it anew"


def _is_indexed(row: Row) -> bool:
    """Whether an utterance is found by its words, and in its time."""
    return (
        row["began_ms"] == row["started_at_ms"]
        and set(row["lexemes"]) == lexemes(row["text"])
        and row["search_words"] == indexed(row["text"]).words
    )
