"""What is read: pages, hits and whole transcripts.

In: a connection that sees one unchanging view, and a checked query. Out: records of the contract.
Invariants: a page takes a bounded number of statements, however long it is. Thread: the connection's.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gapless.store.answer import shorten, unknown_transcript
from gapless.store.contract import (
    MAX_HITS,
    RANKED_UTTERANCES,
    Hit,
    Page,
    StoredTranscript,
    TranscriptQuery,
    TranscriptSummary,
)
from gapless.store.cursor import (
    INT64_MAX,
    NEWEST,
    Place,
    RankedPlace,
    decode_cursor,
    decode_ranked_cursor,
    encode_cursor,
)
from gapless.store.rows import session_record, utterance_record
from gapless.store.sqlite.best import best_matches
from gapless.store.sqlite.newest import newest_matches
from gapless.store.sqlite.search import match_expression
from gapless.store.sqlite.statements import (
    GET_SESSION,
    GET_UTTERANCES,
    HITS,
    LIST,
    LIST_KEYS,
)
from gapless.store.words import Search, highlights, read_search

MOST_RELEVANT: Final = RankedPlace(float("-inf"), NEWEST.started_at_ms, NEWEST.id)
"""Before all others: the better an utterance fits, the lower the score that FTS5 gives it."""


def place_parameters(query: TranscriptQuery, *, ranked: bool) -> dict[str, Any]:
    """From where on to list, by parameter.

    Raises:
        ProtocolError: the cursor is none of ours.
    """
    if ranked:
        last = decode_ranked_cursor(query.cursor) if query.cursor else MOST_RELEVANT
        return {
            "above_score": last.score,
            "before_ms": last.started_at_ms,
            "before_id": last.id,
        }
    before = decode_cursor(query.cursor) if query.cursor else NEWEST
    return {"before_ms": before.started_at_ms, "before_id": before.id}


def list_page(
    connection: sqlite3.Connection, query: TranscriptQuery, place: dict[str, Any], text: str
) -> Page:
    """A page of transcripts from a place in the order on, of those in which ``text`` was said, if any."""
    parameters = place | {
        "since_ms": -INT64_MAX if query.since_ms is None else query.since_ms,
        "until_ms": INT64_MAX if query.until_ms is None else query.until_ms,
        # One more than asked for tells whether there is a next page.
        "limit": query.limit + 1,
        "match": match_expression(text),
    }
    if not text:
        rows = connection.execute(LIST, parameters).fetchall()
        page = [_summary(row) for row in rows[: query.limit]]
        return Page(tuple(page), _next_cursor(page) if len(rows) > len(page) else None)
    search = read_search(text)
    if search is None:
        return Page((), None)
    scores: dict[int, float] | None = None
    if "above_score" in place:
        found, scores = best_matches(connection, parameters, RANKED_UTTERANCES)
    else:
        found = newest_matches(connection, parameters)
    keys = list(found)[: query.limit]
    hits = _hits(connection, [row for key in keys for row in found[key]], search)
    rows = connection.execute(LIST_KEYS, {"keys": msgspec.json.encode(keys).decode()}).fetchall()
    page = [_summary(row, hits[row["key"]]) for row in rows]
    if len(found) == len(page):
        return Page(tuple(page), None)
    return Page(tuple(page), _next_cursor(page, None if scores is None else scores[keys[-1]]))


def get_transcript(connection: sqlite3.Connection, session_id: str) -> StoredTranscript:
    """A session and its utterances.

    Raises:
        NotFoundError: no such session.
    """
    session = connection.execute(GET_SESSION, (session_id,)).fetchone()
    if session is None:
        raise unknown_transcript(session_id)
    rows = connection.execute(GET_UTTERANCES, (session["key"],))
    return StoredTranscript(session_record(session), tuple(utterance_record(row) for row in rows))


def _summary(row: sqlite3.Row, hits: Sequence[Hit] = ()) -> TranscriptSummary:
    return TranscriptSummary(session_record(row), shorten(row["preview"] or ""), tuple(hits))


def _next_cursor(page: Sequence[TranscriptSummary], score: float | None = None) -> str:
    last = page[-1].session
    if score is None:
        return encode_cursor(Place(last.started_at_ms, last.id))
    return encode_cursor(RankedPlace(score, last.started_at_ms, last.id))


def _hits(
    connection: sqlite3.Connection, utterances: Sequence[int], search: Search
) -> dict[int, list[Hit]]:
    """The first of these utterances of each session, by its key."""
    parameters = {"keys": msgspec.json.encode(utterances).decode(), "max_hits": MAX_HITS}
    hits = defaultdict[int, list[Hit]](list)
    for session, utt, start_ms, end_ms, text in connection.execute(HITS, parameters):
        hits[session].append(Hit(utt, start_ms, end_ms, text, highlights(text, search)))
    return hits
