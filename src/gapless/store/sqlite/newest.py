"""The newest sessions in which something was said.

In: a connection inside a transaction, and the parameters of ``FOUND``. Out: sessions in order, and which of their
utterances match. Invariants: the answer is exact, whatever the order in which sessions were kept; where they were kept
nearly in the order in which they began, what is read is bounded by what is asked for, not by how often the words were
said. Thread: the connection's.

``FOUND`` collects all that matches before it looks who is newest: among a million utterances that takes 50 ms for a
common word. But the index gives its rows by descending key at no cost, and keys of sessions grow with time; so it is
followed from the newest session down until enough were met. Sessions of the same stretch of time whose keys lie
elsewhere, because they came from another store for instance, are then looked at one by one. A rare word is followed to
its end, and then there is nothing elsewhere. What is neither is left to ``FOUND``.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

LONGEST_STRETCH: Final = 1_000
"""Keys of sessions on the way to the last one that is wanted; so many of them are looked through for stragglers."""

MOST_STRAGGLERS: Final = 100
"""Each is a question to the index of some 20 us."""

MOST_ROWS: Final = 2_000
"""Of a walk that goes on to the end: more than that are found faster by ``FOUND``."""

Found: TypeAlias = dict[int, list[int]]
"""The keys of the utterances that match, by the key of their session; sessions in the order that was asked for."""

ENDS: Final = """
    WITH range AS NOT MATERIALIZED (
        SELECT key, started_at_ms, id FROM sessions
        WHERE started_at_ms >= :since_ms AND started_at_ms < :until_ms
          AND (started_at_ms, id) < (:before_ms, :before_id)
    )
    SELECT
        (SELECT key FROM range ORDER BY started_at_ms DESC, id DESC LIMIT 1) AS newest,
        (SELECT key FROM range ORDER BY started_at_ms, id LIMIT 1) AS oldest,
        (SELECT max(key) FROM sessions) AS largest,
        (SELECT min(key) FROM sessions) AS smallest"""
"""The keys of the newest and the oldest session of the range, and the largest and the smallest of all."""

WALK: Final = """
    SELECT utterances_search.rowid, key, started_at_ms, id FROM utterances_search
    CROSS JOIN sessions ON key = utterances_search.rowid >> 24
    WHERE utterances_search MATCH :match
      AND utterances_search.rowid BETWEEN :first << 24 AND (:last << 24) + 0xFFFFFF
      AND started_at_ms >= :since_ms AND started_at_ms < :until_ms
      AND (started_at_ms, id) < (:before_ms, :before_id)
    ORDER BY utterances_search.rowid DESC"""

STRAGGLERS: Final = """
    SELECT key, started_at_ms, id FROM sessions
    WHERE started_at_ms >= :floor_ms AND started_at_ms < :until_ms
      AND (started_at_ms, id) < (:before_ms, :before_id)
      AND key NOT BETWEEN :lowest AND :last
    LIMIT :most + 1"""
"""Sessions of a stretch of time whose keys lie elsewhere."""

MATCHING: Final = """
    SELECT utterances_search.rowid FROM json_each(:keys) AS one
    CROSS JOIN utterances_search
    WHERE utterances_search MATCH :match
      AND utterances_search.rowid BETWEEN one.value << 24 AND (one.value << 24) + 0xFFFFFF"""
"""The utterances of some sessions that match."""

FOUND: Final = """
    SELECT key FROM sessions
    WHERE started_at_ms >= :since_ms AND started_at_ms < :until_ms
      AND (started_at_ms, id) < (:before_ms, :before_id)
      AND key IN (SELECT rowid >> 24 FROM utterances_search WHERE utterances_search MATCH :match)
    ORDER BY started_at_ms DESC, id DESC LIMIT :limit"""

Places: TypeAlias = dict[int, tuple[int, str]]
"""Start and id of sessions, by key: their place in the order."""


def newest_matches(connection: sqlite3.Connection, parameters: Mapping[str, Any]) -> Found:
    """The first ``limit`` sessions that match.

    Args:
        connection: sees one unchanging view.
        parameters: those of ``FOUND``.
    """
    ends = connection.execute(ENDS, parameters).fetchone()
    if ends["newest"] is None:
        return {}
    # Of equal starts, or after a clock went back, the newest may have the smaller key.
    first, last = sorted((ends["oldest"], ends["newest"]))
    is_all = (first, last) == (ends["smallest"], ends["largest"])
    found = _walked(connection, {**parameters, "first": first, "last": last}, is_all=is_all)
    if found is None:
        keys = [key for (key,) in connection.execute(FOUND, parameters)]
        matching = _matching(connection, keys, parameters["match"])
        found = {key: matching[key] for key in keys}
    return found


def _walked(
    connection: sqlite3.Connection, parameters: dict[str, Any], *, is_all: bool
) -> Found | None:
    """Those that match by descending key, put in order; None: that is no way to find them."""
    limit, last = parameters["limit"], parameters["last"]
    places: Places = {}
    found = defaultdict[int, list[int]](list)
    lowest = parameters["first"]
    rows = connection.cursor()
    rows.row_factory = None  # plain tuples: there may be hundreds
    rows.execute(WALK, parameters)
    for count, (row, key, started_at_ms, session_id) in enumerate(rows):
        if key not in places:
            # All that the others said was met; the last of them may be the newest.
            if len(places) >= limit:
                if last - lowest <= LONGEST_STRETCH:
                    break
                if not is_all or count > MOST_ROWS:
                    rows.close()
                    return None
            places[key] = (started_at_ms, session_id)
            lowest = key
        found[key].append(row)
    else:
        if is_all:
            return _first(found, places, limit)
        lowest = parameters["first"]
    rows.close()
    if last - lowest > LONGEST_STRETCH:
        return None
    is_full = len(places) >= limit
    parameters |= {
        "lowest": lowest,
        "floor_ms": min(places.values())[0] if is_full else parameters["since_ms"],
        "most": MOST_STRAGGLERS,
    }
    stragglers: Places = {
        key: (started_at_ms, session_id)
        for key, started_at_ms, session_id in connection.execute(STRAGGLERS, parameters)
    }
    if len(stragglers) > MOST_STRAGGLERS:
        return None
    if stragglers:
        found |= _matching(connection, stragglers, parameters["match"])
        places |= stragglers
    return _first(found, places, limit)


def _matching(connection: sqlite3.Connection, keys: Any, match: str) -> Found:
    """The utterances of some sessions that match."""
    found = defaultdict[int, list[int]](list)
    given = {"keys": msgspec.json.encode(list(keys)).decode(), "match": match}
    for (row,) in connection.execute(MATCHING, given):
        found[row >> 24].append(row)
    return found


def _first(found: Found, places: Places, limit: int) -> Found:
    order = sorted(found, key=places.__getitem__, reverse=True)
    return {key: found[key] for key in order[:limit]}
