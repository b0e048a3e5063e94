"""Calls of models in a PostgreSQL: kept by the thousand, read newest first, deleted oldest first.

In: a connection. Out: rows. Invariants: one statement each, however many rows there are; what is deleted in one go is
bounded, and looked for among the oldest alone. Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, LiteralString

from gapless.store.cursor import INT64_MAX
from gapless.store.inferences import (
    COLUMNS,
    InferenceQuery,
    InferenceRecord,
    inference_record,
    inference_values,
)
from gapless.store.postgres.link import Connection
from gapless.store.text import keepable

ADD: Final[LiteralString] = """
    INSERT INTO inferences (
        at_us, source, model, version, rows, batch_rows, queue_us, compute_us, cached, status, request_id
    )
    SELECT * FROM unnest(
        %(at_us)s::bigint[], %(source)s::bigint[], %(model)s::text[], %(version)s::text[], %(rows)s::bigint[],
        %(batch_rows)s::bigint[], %(queue_us)s::bigint[], %(compute_us)s::bigint[], %(cached)s::boolean[],
        %(status)s::text[], %(request_id)s::text[]
    )
    ON CONFLICT DO NOTHING"""

LIST: Final[LiteralString] = """
    SELECT * FROM inferences WHERE (at_us, source) < (%(at_us)s::bigint, %(source)s::bigint)
    ORDER BY at_us DESC, source DESC LIMIT %(limit)s"""

LIST_OF_MODEL: Final[LiteralString] = """
    SELECT * FROM inferences WHERE model = %(model)s::text
      AND (at_us, source) < (%(at_us)s::bigint, %(source)s::bigint)
    ORDER BY at_us DESC, source DESC LIMIT %(limit)s"""

# Locked in their order; those that another server deletes are left to it, so that two that sweep do not wait.
PRUNE: Final[LiteralString] = """
    DELETE FROM inferences WHERE (at_us, source) IN (
        SELECT at_us, source FROM inferences WHERE at_us < %(before_us)s::bigint
        ORDER BY at_us, source LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )"""


async def add_inferences(connection: Connection, records: Sequence[InferenceRecord]) -> None:
    """Keep calls; those that are there stay as they are."""
    columns = zip(*map(inference_values, records), strict=True)
    await connection.execute(ADD, dict(zip(COLUMNS, map(list, columns), strict=True)))


async def list_inferences(
    connection: Connection, query: InferenceQuery
) -> tuple[InferenceRecord, ...]:
    """Calls, the newest first."""
    at_us, source = query.before or (INT64_MAX, 0)
    parameters = {
        "model": None if query.model is None else keepable(query.model),
        "at_us": at_us,
        "source": source,
        "limit": query.limit,
    }
    statement = LIST if query.model is None else LIST_OF_MODEL
    found = await (await connection.execute(statement, parameters)).fetchall()
    return tuple(map(inference_record, found))


async def prune_inferences(connection: Connection, before_us: int, limit: int) -> int:
    """Delete the oldest of those from before a time; how many that were."""
    done = await connection.execute(PRUNE, {"before_us": before_us, "limit": limit})
    return done.rowcount
