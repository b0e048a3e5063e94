"""What is read: pages, hits and whole transcripts.

In: a connection, and a checked query. Out: records of the contract. Invariants: one statement for each answer, and so
of one moment. Thread: the event loop's; the rest are pure functions.
"""

from __future__ import annotations

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
from gapless.store.postgres.link import Connection, Row
from gapless.store.postgres.search import search_parameters
from gapless.store.postgres.statements import (
    GET,
    LIST_ALL,
    LIST_FOUND,
    RELEVANT_FOUND,
)
from gapless.store.rows import session_record, utterance_record
from gapless.store.text import keepable
from gapless.store.words import Search, highlights

MOST_RELEVANT: Final = RankedPlace(-1e9, NEWEST.started_at_ms, NEWEST.id)
"""Before all others: the better an utterance fits, the lower its score, which is never below -1000."""


class HitRow(msgspec.Struct, array_like=True):
    """A hit as the statement gives it."""

    utt: str
    start_ms: int
    end_ms: int
    text: str


def page_parameters(query: TranscriptQuery, search: Search | None) -> dict[str, Any]:
    """What a list's statement needs.

    Raises:
        ProtocolError: the cursor is none of ours.
    """
    parameters: dict[str, Any] = {
        "since_ms": -INT64_MAX if query.since_ms is None else query.since_ms,
        "until_ms": INT64_MAX if query.until_ms is None else query.until_ms,
        # One more than asked for tells whether there is a next page.
        "limit": query.limit + 1,
        "max_hits": MAX_HITS,
    }
    if search is not None and query.order == "relevance":
        last = decode_ranked_cursor(query.cursor) if query.cursor else MOST_RELEVANT
        before = Place(last.started_at_ms, last.id)
        # The same are compared for every page.
        found_before = NEWEST
        wanted = {"wanted_sessions": 0, "wanted_utterances": RANKED_UTTERANCES}
        parameters["above_score"] = last.score
    else:
        before = found_before = decode_cursor(query.cursor) if query.cursor else NEWEST
        wanted = {"wanted_sessions": query.limit + 1, "wanted_utterances": 0}
    parameters |= {"before_ms": before.started_at_ms, "before_id": keepable(before.id)}
    if search is None:
        return parameters
    parameters |= {
        "found_before_ms": found_before.started_at_ms,
        "found_before_id": keepable(found_before.id),
    }
    return parameters | wanted | search_parameters(search)


async def list_page(
    connection: Connection,
    query: TranscriptQuery,
    search: Search | None,
    parameters: dict[str, Any],
) -> Page:
    """A page of transcripts from a place in the order on."""
    ranked = "above_score" in parameters
    statement = LIST_ALL if search is None else RELEVANT_FOUND if ranked else LIST_FOUND
    rows = await (await connection.execute(statement, parameters)).fetchall()
    page = rows[: query.limit]
    items = tuple(
        TranscriptSummary(session_record(row), shorten(row["preview"] or ""), _hits(row, search))
        for row in page
    )
    if len(rows) == len(page):
        return Page(items, None)
    last = items[-1].session
    if ranked:
        end = RankedPlace(page[-1]["score"], last.started_at_ms, last.id)
        return Page(items, encode_cursor(end))
    return Page(items, encode_cursor(Place(last.started_at_ms, last.id)))


async def get_transcript(connection: Connection, session_id: str) -> StoredTranscript:
    """A session and its utterances.

    Raises:
        NotFoundError: no such session.
    """
    rows = await (await connection.execute(GET, {"id": keepable(session_id)})).fetchall()
    if not rows:
        raise unknown_transcript(session_id)
    return StoredTranscript(
        session_record(rows[0]),
        tuple(
            utterance_record(row | {"language": row["utterance_language"]})
            for row in rows
            if row["utt"] is not None
        ),
    )


def _hits(row: Row, search: Search | None) -> tuple[Hit, ...]:
    if search is None:
        return ()
    return tuple(
        Hit(hit.utt, hit.start_ms, hit.end_ms, hit.text, highlights(hit.text, search))
        for hit in msgspec.json.decode(row["hits"], type=list[HitRow])
    )
