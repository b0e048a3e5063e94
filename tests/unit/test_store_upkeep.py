"""Looking after a SQLite file: checks, pruning, vacuum."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gapless.errors import StoreError
from gapless.store.contract import Pruned, TranscriptQuery
from gapless.store.sqlite.pruning import ROWS_OF_A_STEP, in_steps
from gapless.store.sqlite.store import SqliteStore
from gapless.store.sqlite.upkeep import Oldest, oldest_of_size, used_bytes
from gapless.testing.store_contract import begin, found, ids, say
from gapless.transcript import Utterance

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "transcripts.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


def fill(store: SqliteStore, sessions: int, *, utterances: int = 10, word: str = "word") -> None:
    """Sessions that are over, a day apart."""
    for number in range(sessions):
        begin(store, f"s{number:03}", started_at_ms=number * DAY_MS)
        several = [Utterance(f"u{n}", f"{word} {n} " * 200, n, n) for n in range(utterances)]
        store.add_utterances(f"s{number:03}", several).result(30)
        store.end_session(f"s{number:03}", ended_at_ms=number * DAY_MS + 1, audio_ms=1)


def used(store: SqliteStore) -> int:
    return store._writer.run(used_bytes)


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param(
            "UPDATE sessions SET utterances = 7 WHERE id = 's001'",
            "s001 keeps 5 utterances, but 7 were counted",
            id="count",
        ),
        pytest.param(
            "UPDATE utterances SET words = 'none' WHERE utt = 'u1'", "words of u1 of", id="words"
        ),
        pytest.param(
            "INSERT INTO utterances_search (utterances_search) VALUES ('delete-all')",
            "the index differs from the text; `gapless store vacuum`",
            id="index",
        ),
        pytest.param(
            "INSERT INTO utterances (key, session, utt, text, start_ms, end_ms, words, tokens)"
            " VALUES (99 << 24, 99, 'u', 'text', 0, 0, '[]', '[]')",
            "of utterances belongs to nothing that is kept",
            id="orphan",
        ),
    ],
)
def test_what_is_wrong_is_found(store: SqliteStore, path: Path, statement: str, said: str) -> None:
    fill(store, 3, utterances=5)
    assert store.check() == ()
    tamper(path, statement)
    assert any(said in sentence for sentence in store.check())


def test_damage_is_said_and_no_error(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        fill(store, 10)
    with path.open("r+b") as file:
        half = path.stat().st_size // 4096 // 2
        for page in range(half, half + 5):
            file.seek(page * 4096)
            file.write(b"\xff" * 2000)
    with closing(SqliteStore(path)) as store:
        assert any("damaged" in sentence for sentence in store.check())


def test_vacuum_makes_a_wrong_index_anew(store: SqliteStore, path: Path) -> None:
    fill(store, 3)
    tamper(path, "INSERT INTO utterances_search (utterances_search) VALUES ('delete-all')")
    assert not found(store, "word")
    store.vacuum()
    assert store.check() == ()
    assert ids(store.list(TranscriptQuery(text="word"))) == ["s002", "s001", "s000"]


def test_vacuum_gives_the_room_back_to_the_disk(store: SqliteStore) -> None:
    fill(store, 30)
    before = store.facts().size_bytes
    store.prune(before_ms=25 * DAY_MS)
    assert store.facts().size_bytes >= before
    store.vacuum()
    assert store.facts().size_bytes < before / 2


def test_no_file_holds_a_word_that_was_pruned_once_the_room_is_given_back(
    store: SqliteStore, path: Path
) -> None:
    begin(store, "old", started_at_ms=1)
    say(store, "old", "u1", "xylophonic")
    store.end_session("old", ended_at_ms=2, audio_ms=1)
    fill(store, 5)
    assert any(b"xylophonic" in file.read_bytes() for file in path.parent.iterdir())
    assert store.prune(before_ms=DAY_MS // 2) == Pruned(2, 11)
    store.vacuum()
    assert not any(b"xylophonic" in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.long
def test_a_store_that_is_too_large_is_pruned_to_a_little_below_and_not_to_nothing(
    store: SqliteStore,
) -> None:
    fill(store, 60, utterances=10)
    limit = used(store) * 2 // 3
    steps = []
    while (step := store.prune(max_bytes=limit, limit=7)).sessions:
        steps.append(step.sessions)
    assert max(steps) <= 7
    left = store.facts().sessions
    # Two thirds of 60, less the little below, and some for pages that are not full.
    assert 32 <= left <= 42
    assert used(store) <= limit
    assert [item.session.id for item in store.list(TranscriptQuery(limit=1)).items] == ["s059"]
    with pytest.raises(LookupError):
        store.get(f"s{59 - left:03}")
    assert store.get(f"s{60 - left:03}").session.utterances == 10
    assert store.check() == ()


@pytest.mark.long
def test_another_process_does_not_take_what_is_still_in_the_index_for_text(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        fill(store, 40, utterances=10)
        limit = used(store) * 2 // 3
        store._pruner._delete([Oldest(key, 10) for key in range(1, 21)], store._pruner._measure())
        assert store.facts().sessions == 20
    with closing(SqliteStore(path)) as store:
        # Half of it is gone, so that nothing is too much, whatever the index still holds.
        assert store.prune(max_bytes=limit) == Pruned(0, 0)


def test_sessions_are_deleted_in_transactions_of_bounded_size() -> None:
    sessions = [Oldest(n, rows) for n, rows in enumerate((1500, 400, 200, 9000, 1, 1, 1999))]
    steps = list(in_steps(sessions))
    assert [session for step in steps for session in step] == sessions
    assert [[session.utterances for session in step] for step in steps] == [
        [1500, 400],
        [200],
        [9000],
        [1, 1],
        [1999],
    ]
    assert all(
        len(step) == 1 or sum(session.utterances for session in step) <= ROWS_OF_A_STEP
        for step in steps
    )


def test_as_many_are_chosen_as_make_up_for_the_excess() -> None:
    sessions = [Oldest(n, 9) for n in range(10)]
    assert oldest_of_size(sessions, 0, 10) == []
    assert oldest_of_size(sessions, 1, 10) == sessions[:1]
    assert oldest_of_size(sessions, 201, 10) == sessions[:3]
    assert oldest_of_size(sessions, 10**9, 10) == sessions


@pytest.mark.parametrize("work", [SqliteStore.vacuum, SqliteStore.check], ids=["vacuum", "check"])
def test_what_waits_behind_long_work_is_written_after_it(
    store: SqliteStore, work: Callable[[SqliteStore], object]
) -> None:
    fill(store, 3)
    future = store.add_utterances("s000", [Utterance("later", "later", 5, 6)])
    work(store)
    assert future.result(30) is None
    assert found(store, "later") == ["later"]


def test_a_vacuum_that_is_refused_leaves_all_as_it_is(store: SqliteStore, path: Path) -> None:
    fill(store, 5)
    store._writer.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").rowcount)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds it"):
            store.vacuum()
        other.rollback()
    store.vacuum()
    assert store.check() == ()
    assert len(found(store, "word")) == 5 * 10
