"""What a search finds by windows and by indexes is what a plain comparison of everything finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest

from gapless.store.contract import Order, SessionRecord, StoredTranscript, TranscriptQuery
from gapless.store.postgres.store import PostgresStore
from gapless.store.words import highlights, read_search
from gapless.testing.postgres_server import PostgresServer
from gapless.transcript import Utterance

pytestmark = pytest.mark.database

SESSIONS = 500
DAY_MS = 24 * 3600 * 1000

EVERYWHERE, OFTEN, SELDOM = (
    ["hum", "has", "had"],
    ["kite", "lamp", "land"],
    ["moss", "moth", "nest"],
)

TEXTS = (
    *("h", "hum", "ha", "k", "kite", "la", "lam", "mo", "moss", "nest", "zebra", "z", "q", "qu"),
    *(
        "hum kite",
        "kite h",
        "kite lamp",
        "hum moss",
        "moss h",
        "moss nest",
        "nest mo",
        "hum zebra",
        "zebra h",
    ),
    *("don't", "hum don't", "don't h", "don't moss", "isn't", "kite o'clock", "o'c"),
)


def transcripts() -> list[StoredTranscript]:
    """Years of talk, with hours in which much was said, equal moments, and one word that was said once."""
    random = Random(3)
    started_at_ms = -5 * DAY_MS
    made: list[StoredTranscript] = []
    for number in range(SESSIONS):
        started_at_ms += random.choice([0, 1, 700, 60_000, 3_600_000, DAY_MS, 20 * DAY_MS])
        said = [
            " ".join(
                random.choice(
                    random.choices(
                        [EVERYWHERE, OFTEN, SELDOM, ["don't"], ["o'clock"]], [60, 20, 1, 2, 1]
                    )[0]
                )
                for _ in range(random.randint(1, 4))
            )
            for _ in range(random.randint(0, 6))
        ]
        if number == SESSIONS // 3:
            said.append("hum quiet zebra")
        made.append(
            StoredTranscript(
                SessionRecord(f"s{random.randrange(1 << 40):010x}", "file", "m", started_at_ms),
                tuple(
                    Utterance(f"u{place}", text, place, place + 1)
                    for place, text in enumerate(said)
                ),
            )
        )
    random.shuffle(made)
    return made


@pytest.fixture(scope="module")
def kept() -> list[StoredTranscript]:
    """In the order of a list: the newest first."""
    return sorted(transcripts(), key=place, reverse=True)


@pytest.fixture(scope="module", params=["analyzed", "new"])
def store(
    request: pytest.FixtureRequest, postgres_server: PostgresServer
) -> Iterator[PostgresStore]:
    with closing(PostgresStore(postgres_server.new_database())) as store:
        store.restore(transcripts())
        if request.param == "analyzed":
            store.vacuum()
        yield store


def place(transcript: StoredTranscript) -> tuple[int, str]:
    return transcript.session.started_at_ms, transcript.session.id


def matching(kept: list[StoredTranscript], query: TranscriptQuery) -> dict[str, list[str]]:
    """The utterances that match, by session, by looking at all of them."""
    search = read_search(query.text or "")
    assert search is not None
    parts = [search._replace(phrases=(), beginning=search.beginning)] + [
        search._replace(phrases=(phrase,), beginning=phrase) for phrase in search.phrases
    ]
    found: dict[str, list[str]] = {}
    for transcript in kept:
        started_at_ms = transcript.session.started_at_ms
        if query.since_ms is not None and started_at_ms < query.since_ms:
            continue
        if query.until_ms is not None and started_at_ms >= query.until_ms:
            continue
        for utterance in transcript.utterances:
            words = f" {utterance.text.replace(chr(39), ' ')} "
            if all(highlights(utterance.text, part) for part in parts[:1]) and all(
                f" {' '.join(phrase)} " in words for phrase in search.phrases
            ):
                found.setdefault(transcript.session.id, []).append(utterance.utt)
    return found


def pages(store: PostgresStore, query: TranscriptQuery, limit: int) -> dict[str, list[str]]:
    """What is found, page by page."""
    found: dict[str, list[str]] = {}
    cursor: str | None = None
    while True:
        page = store.list(
            TranscriptQuery(
                text=query.text,
                since_ms=query.since_ms,
                until_ms=query.until_ms,
                order=query.order,
                limit=limit,
                cursor=cursor,
            )
        )
        for item in page.items:
            assert item.session.id not in found
            found[item.session.id] = [hit.utt for hit in item.hits]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("text", TEXTS)
def test_pages_hold_all_that_matches_newest_first(
    store: PostgresStore, kept: list[StoredTranscript], text: str
) -> None:
    random = Random(text)
    moments = [transcript.session.started_at_ms for transcript in kept]
    ranges = [
        (None, None),
        *(sorted(random.sample(moments, 2)) for _ in range(4)),
        (moments[0], None),
        (None, moments[-1]),
    ]
    for since_ms, until_ms in ranges:
        query = TranscriptQuery(text=text, since_ms=since_ms, until_ms=until_ms)
        wanted = matching(kept, query)
        found = pages(store, query, random.choice([1, 7, 20, 100]))
        assert list(found) == list(wanted)
        assert found == {session: utts[: len(found[session])] for session, utts in wanted.items()}
        assert all(found.values())


@pytest.mark.parametrize("text", TEXTS)
def test_relevance_holds_the_same(
    store: PostgresStore, kept: list[StoredTranscript], text: str
) -> None:
    order: Order = "relevance"
    query = TranscriptQuery(text=text, order=order)
    wanted = matching(kept, query)
    if sum(map(len, wanted.values())) <= 1000:
        assert pages(store, query, 20).keys() == wanted.keys()
