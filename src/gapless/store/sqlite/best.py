"""The sessions in which what was said fits some words best.

In: a connection inside a transaction, and the parameters of a ranked list. Out: sessions in order with their scores,
and which of their utterances match. Invariants: of what matches a bounded number of utterances is looked at, those that
were kept last, so that the answer takes no longer for a word that is said all the time than for a rare one.
Thread: the connection's.

The score of an utterance is that of BM25 for one word, with how often any of the words was met as the frequency: all of
them are in every utterance that is found, so how rare each one is decides little. FTS5's own ``bm25()`` would count all
rows of every word first. An average length is assumed, lest all had to be measured.
Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from gapless.store.cursor import INT64_MAX
from gapless.store.sqlite.newest import Found
from gapless.store.text import CLOSE_MARK

LARGEST_KEY: Final = (1 << 39) - 1
"""Of a session."""

SATURATION: Final = 1.2
LENGTH_WEIGHT: Final = 0.75
"""BM25's k1 and b."""

AVERAGE_CHARS: Final = 80
"""Of an utterance."""

KEYS: Final = """
    SELECT coalesce(min(key), 0) AS first, coalesce(max(key), 0) AS last FROM sessions
    WHERE started_at_ms >= :since_ms AND started_at_ms < :until_ms"""

MARKED: Final = """
    SELECT utterances_search.rowid AS row, key, started_at_ms, id,
           highlight(utterances_search, 0, '', :mark) AS marked
    FROM utterances_search
    CROSS JOIN sessions ON key = utterances_search.rowid >> 24
    WHERE utterances_search MATCH :match
      AND utterances_search.rowid BETWEEN :first << 24 AND (:last << 24) + 0xFFFFFF
      AND started_at_ms >= :since_ms AND started_at_ms < :until_ms
    ORDER BY utterances_search.rowid DESC LIMIT :ranked"""
"""What was kept last of all that matches, with a mark behind each word that was met."""


def best_matches(
    connection: sqlite3.Connection, parameters: Mapping[str, Any], ranked: int
) -> tuple[Found, dict[int, float]]:
    """The first ``limit`` sessions behind a place that fit best, and their scores: the lower the better.

    Args:
        connection: sees one unchanging view.
        parameters: ``match``, ``since_ms``, ``until_ms``, ``limit``, and the place: ``above_score``, ``before_ms``,
            ``before_id``.
        ranked: utterances that are looked at, at most.
    """
    ends = {"first": 0, "last": LARGEST_KEY}
    if parameters["since_ms"] > -INT64_MAX or parameters["until_ms"] < INT64_MAX:
        ends = dict(connection.execute(KEYS, parameters).fetchone())
    found: Found = {}
    starts: dict[int, tuple[int, str]] = {}
    scores: dict[int, float] = {}
    given = {**parameters, **ends, "mark": CLOSE_MARK, "ranked": ranked}
    rows = connection.cursor()
    rows.row_factory = None  # plain tuples: there may be a thousand
    for row, key, started_at_ms, session_id, marked in rows.execute(MARKED, given):
        met = marked.count(CLOSE_MARK)
        score = -_fit(met, len(marked) - met)
        if key not in found:
            found[key] = [row]
            starts[key] = (started_at_ms, session_id)
            scores[key] = score
        else:
            found[key].append(row)
            scores[key] = min(scores[key], score)
    last = parameters["above_score"]
    before = (parameters["before_ms"], parameters["before_id"])
    behind = [
        key
        for key, score in scores.items()
        if score > last or (score == last and starts[key] < before)
    ]
    # Sorting is stable, so equal scores stay in order of time.
    behind.sort(key=starts.__getitem__, reverse=True)
    behind.sort(key=scores.__getitem__)
    return {key: found[key] for key in behind[: parameters["limit"]]}, scores


def _fit(met: int, chars: int) -> float:
    length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * chars / AVERAGE_CHARS
    return met * (SATURATION + 1) / (met + SATURATION * length)
