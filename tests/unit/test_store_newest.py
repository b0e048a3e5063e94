"""The walk from the newest session down finds what a search through everything finds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.store.cursor import INT64_MAX
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.store.sqlite import newest
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.migrate import migrate
from gapless.store.sqlite.newest import FOUND, newest_matches
from gapless.store.sqlite.writing import TranscriptRows, restore
from gapless.transcript import Utterance

SESSIONS = 60

BOUNDS = (newest.MOST_STRAGGLERS, newest.LONGEST_STRETCH, newest.MOST_ROWS)

MATCHING = """
    SELECT rowid FROM utterances_search
    WHERE utterances_search MATCH :match AND rowid >> 24 = :key ORDER BY rowid"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def transcripts(starts: list[int]) -> list[StoredTranscript]:
    random = Random(5)
    return [
        StoredTranscript(
            SessionRecord(f"s{random.random():.9f}", "stream", "test", started_at_ms=start),
            tuple(
                Utterance(
                    f"u{place}", random.choice(["the sea", "a gap", "the gap", "nothing"]), 0, 1
                )
                for place in range(random.randrange(4))
            ),
        )
        for start in starts
    ]


def starts_of(order: str) -> list[int]:
    random = Random(9)
    starts = [random.randrange(40) for _ in range(SESSIONS)]
    if order == "shuffled":
        return starts
    if order == "equal":
        return [7] * SESSIONS
    starts.sort()
    if order == "two stores":
        return starts[::2] + starts[1::2]
    if order == "backwards":
        return starts[::-1]
    return starts


@pytest.mark.long
@pytest.mark.parametrize(
    "bounds",
    [(0, 10, 5), (3, 10, 2000), (100, 10, 5), (0, 1000, 5), (3, 1000, 2000), BOUNDS],
    ids=str,
)
@pytest.mark.parametrize("order", ["in order", "equal", "two stores", "shuffled", "backwards"])
def test_walk_finds_what_a_full_search_finds(
    path: Path, order: str, bounds: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, longest, rows = bounds
    monkeypatch.setattr(newest, "MOST_STRAGGLERS", most)
    monkeypatch.setattr(newest, "LONGEST_STRETCH", longest)
    monkeypatch.setattr(newest, "MOST_ROWS", rows)
    random = Random(1)
    ran: list[str] = []
    asked = 80
    with closing(connect_writer(path)) as connection:
        migrate(connection, path)
        kept = [
            TranscriptRows(
                session_parameters(transcript.session),
                [utterance_parameters(one) for one in transcript.utterances],
            )
            for transcript in transcripts(starts_of(order))
        ]
        connection.execute("BEGIN")
        assert restore(connection, kept) == SESSIONS
        connection.execute("COMMIT")
        for _ in range(asked):
            bounded = random.random() < 0.5
            limit = random.choice([1, 2, 7, 100])
            parameters = {
                "match": random.choice(['"the"*', '"g"*', '"the" "gap"*', '"never"*']),
                "since_ms": random.randrange(-1, 30) if bounded else -INT64_MAX,
                "until_ms": random.randrange(10, 41) if bounded else INT64_MAX,
                "before_ms": random.choice([INT64_MAX, random.randrange(41)]),
                "before_id": random.choice(["", "s0.5"]),
                "limit": limit,
            }
            expected = [row["key"] for row in connection.execute(FOUND, parameters)]
            connection.set_trace_callback(ran.append)
            found = newest_matches(connection, parameters)
            connection.set_trace_callback(None)
            assert list(found) == expected
            for key, utterances in found.items():
                matching = connection.execute(MATCHING, {**parameters, "key": key})
                assert sorted(utterances) == [row[0] for row in matching]
    in_full = sum("IN (SELECT rowid >> 24" in statement for statement in ran)
    if order in {"in order", "equal", "two stores"} and bounds == BOUNDS:
        assert in_full < asked // 4
