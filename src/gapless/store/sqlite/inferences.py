"""Calls of models in a SQLite file: kept by the thousand, read newest first, deleted oldest first.

In: a connection, inside a transaction. Out: rows. Invariants: what is deleted in one go is bounded, and looked for
among the oldest alone. Thread: the connection's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from gapless.store.cursor import INT64_MAX
from gapless.store.inferences import (
    COLUMNS,
    InferenceQuery,
    InferenceRecord,
    inference_record,
    inference_values,
)

ADD: Final = f"""
    INSERT INTO inferences ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT DO NOTHING"""  # noqa: S608 - our own names

LIST: Final = """
    SELECT * FROM inferences WHERE (at_us, source) < (:at_us, :source)
    ORDER BY at_us DESC, source DESC LIMIT :limit"""

LIST_OF_MODEL: Final = """
    SELECT * FROM inferences WHERE model = :model AND (at_us, source) < (:at_us, :source)
    ORDER BY at_us DESC, source DESC LIMIT :limit"""

PRUNE: Final = """
    DELETE FROM inferences WHERE (at_us, source) IN (
        SELECT at_us, source FROM inferences WHERE at_us < :before_us ORDER BY at_us LIMIT :limit
    )"""


def add_inferences(connection: sqlite3.Connection, records: Sequence[InferenceRecord]) -> None:
    """Keep calls; those that are there stay as they are."""
    connection.executemany(ADD, map(inference_values, records))


def list_inferences(
    connection: sqlite3.Connection, query: InferenceQuery
) -> tuple[InferenceRecord, ...]:
    """Calls, the newest first."""
    at_us, source = query.before or (INT64_MAX, 0)
    parameters = {"model": query.model, "at_us": at_us, "source": source, "limit": query.limit}
    statement = LIST if query.model is None else LIST_OF_MODEL
    return tuple(map(inference_record, connection.execute(statement, parameters)))


def prune_inferences(connection: sqlite3.Connection, before_us: int, limit: int) -> int:
    """Delete the oldest of those from before a time; how many that were."""
    return connection.execute(PRUNE, {"before_us": before_us, "limit": limit}).rowcount
