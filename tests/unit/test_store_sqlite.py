"""What is true of the SQLite store alone; what any store does is in tests/contract."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gapless.errors import OverloadError, StoreError
from gapless.store.contract import Store, StoredTranscript, TranscriptQuery
from gapless.store.sqlite import statements
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.failure import store_error
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, found, say, text_of
from gapless.transcript import Utterance

NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "transcripts.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_ours(statement: str) -> bool:
    """Whether the store asked it, rather than the full-text index its own tables."""
    return not statement.startswith("--") and "'main'." not in statement


def files_hold(folder: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in folder.iterdir())


def test_only_the_owner_can_read_what_is_kept(store: SqliteStore, path: Path) -> None:
    begin(store, "s1")
    assert mode(path.parent) == 0o700
    assert {file.name: mode(file) for file in path.parent.iterdir()} == {
        "transcripts.db": 0o600,
        "transcripts.db-shm": 0o600,
        "transcripts.db-wal": 0o600,
    }


def test_one_file_is_left_when_the_store_is_closed(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        begin(store, "s1")
        store.list(TranscriptQuery())
    assert [file.name for file in path.parent.iterdir()] == ["transcripts.db"]


def test_any_name_of_a_folder_will_do(tmp_path: Path) -> None:
    path = tmp_path / "50 % done? #1 é 'x'" / "transcripts.db"
    with closing(SqliteStore(path)) as store:
        begin(store, "s1")
        assert len(store.list(TranscriptQuery()).items) == 1
    assert path.exists()


def test_commits_wait_for_the_disk(store: SqliteStore) -> None:
    full = 2
    assert store._writer.run(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == full


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be kept in .*--data-dir"):
        SqliteStore(tmp_path / "file" / "transcripts.db")


def test_a_folder_in_the_place_of_the_file_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(path)


@pytest.fixture
def not_root() -> Iterator[None]:
    """Root may write anywhere: be somebody else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(user)


@pytest.mark.usefixtures("not_root")
def test_a_folder_that_may_not_be_written_to_is_said() -> None:
    with pytest.raises(StoreError, match=r"cannot be kept in .*Permission denied"):
        SqliteStore(Path("/gapless-may-not-write-here/transcripts.db"))


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="no database: move the file away"):
        SqliteStore(path)
    assert path.read_text() == "dear diary, " * 1000


def test_a_damaged_file_is_an_error_that_says_what_to_do(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        begin(store, "s1")
        for number in range(200):
            say(store, "s1", f"u{number}", "some words that fill pages " * 5)
    page = 4096
    damaged = bytearray(path.read_bytes())
    damaged[2 * page :] = b"\xff" * (len(damaged) - 2 * page)
    path.write_bytes(damaged)
    with (
        pytest.raises(StoreError, match=r"damaged.*restore a backup"),
        closing(SqliteStore(path)) as store,
    ):
        store.get("s1")


def test_a_full_disk_fails_the_write_and_the_store_goes_on(store: SqliteStore) -> None:
    begin(store, "s1")
    say(store, "s1", "u1", "before")
    store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(StoreError, match="disk is full: free some space"):
        say(store, "s1", "u2", "too much " * 100_000)
    assert found(store, "before") == ["u1"]
    store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    say(store, "s1", "u2", "after")
    assert text_of(store, "s1") == "before after"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_READONLY_DIRECTORY, "read-only"),
        (sqlite3.SQLITE_IOERR_WRITE, "check the disk"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program"),
        (sqlite3.SQLITE_CORRUPT_VTAB, "damaged"),
        (sqlite3.SQLITE_PERM, "who owns"),
        (sqlite3.SQLITE_MISMATCH, "gapless doctor"),
    ],
)
def test_each_family_of_errors_says_what_to_do(code: int, said: str) -> None:
    error = sqlite3.OperationalError("something happened")
    error.sqlite_errorcode = code
    assert said in str(store_error(error, Path("transcripts.db")))


def test_a_read_that_was_cut_off_is_overload() -> None:
    error = sqlite3.OperationalError("interrupted")
    error.sqlite_errorcode = sqlite3.SQLITE_INTERRUPT
    assert isinstance(store_error(error, Path("transcripts.db")), OverloadError)


def test_no_file_holds_a_word_of_a_deleted_transcript(store: SqliteStore, path: Path) -> None:
    for session_id, name in (("keep", "ordinary"), ("drop", "xylophonic"), ("also", "ordinary")):
        begin(store, session_id)
        for number in range(50):
            say(store, session_id, f"u{number}", f"{name} words number {number}")
    assert files_hold(path.parent, b"xylophonic")

    store.delete("drop")

    assert not files_hold(path.parent, b"xylophonic")
    assert len(found(store, "ordinary")) == 20


def test_lists_take_a_bounded_number_of_statements_however_much_is_found(path: Path) -> None:
    ran: list[str] = []

    def count(store: Store, query: TranscriptQuery) -> int:
        ran.clear()
        store.list(query)
        return sum(map(is_ours, ran))

    with closing(SqliteStore(path, trace=ran.append)) as store:
        begin(store, "s0")
        say(store, "s0", "u0", "a word")
        queries = [
            TranscriptQuery(),
            TranscriptQuery(text="word"),
            TranscriptQuery(text="word", order="relevance"),
        ]
        few = [count(store, query) for query in queries]
        for number in range(1, 20):
            begin(store, f"s{number}")
            for utterance in range(12):
                say(store, f"s{number}", f"u{utterance}", "a word")
        many = [count(store, query) for query in queries]
        # BEGIN, what matches, its text, its sessions, COMMIT; what matches is looked for from the newest session down,
        # once it is known which that is, and two questions more say whether others of that time match.
        assert few == [3, 6, 5]
        assert many == [3, 8, 5]
        ran.clear()
        store.get("s5")
        assert sum(map(is_ours, ran)) == 4
        ran.clear()
        store.facts()
        assert sum(map(is_ours, ran)) == 4


def test_several_rows_are_one_transaction_and_nothing_is_looked_up_for_each(
    store: SqliteStore,
) -> None:
    ran: list[str] = []
    begin(store, "s1")
    several = [Utterance(f"u{n}", "a word", n, n) for n in range(50)]

    def look_ups(act: Callable[[], object]) -> int:
        ran.clear()
        act()
        assert ran.count("BEGIN IMMEDIATE") == 1
        return sum(is_ours(statement) and "SELECT" in statement[:20] for statement in ran)

    store._writer.run(lambda connection: connection.set_trace_callback(ran.append))
    # The session, and which of them are there.
    assert look_ups(lambda: store.add_utterances("s1", several).result(30)) == 2
    assert look_ups(lambda: store.add_utterances("s1", several).result(30)) == 2
    whole = store.get("s1")
    others = [
        StoredTranscript(msgspec.structs.replace(whole.session, id=f"other {n}"), whole.utterances)
        for n in range(3)
    ]
    assert look_ups(lambda: store.restore(others)) == 2 * len(others)
    assert look_ups(lambda: store.restore(others)) == 0


STATEMENTS = {
    name: text for name, text in vars(statements).items() if name.isupper() and name != "PAGE"
}

READS_ALL = {"COUNTS": {"sessions"}, "WRONG_COUNTS": {"sessions"}, "WRONG_WORDS": {"utterances"}}
"""Facts and checks are of everything; the number of sessions is small beside that of what they said."""

INDEX_ALONE = {"PURGE_INDEX", "CHECK_INDEX", "REBUILD_INDEX", "BEGIN_SESSION", "ADD_UTTERANCE"}
"""Commands to the search index, and rows that are looked for by nothing: they have no plan."""


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_reads_a_whole_table(store: SqliteStore, name: str) -> None:
    parameters = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]))
    bound = parameters or (None,) * STATEMENTS[name].count("?")
    plan = store._writer.run(
        lambda connection: connection.execute(
            f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", bound
        ).fetchall()
    )
    steps = [row["detail"] for row in plan]
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    if name in INDEX_ALONE:
        assert scanned == set()
        return
    assert name == "COUNTS" or any(step.startswith("SEARCH") for step in steps)
    # What is left to scan is a page of results, and the index for what matches.
    assert scanned & {"sessions", "utterances", "u"} == READS_ALL.get(name, set())


def test_counts_and_index_are_those_of_what_is_kept(store: SqliteStore, path: Path) -> None:
    for session_id in ("s1", "s2", "s3"):
        begin(store, session_id)
        for number in range(30):
            say(store, session_id, f"u{number}", f"word {number}")
    store.delete("s2")
    with closing(connect_writer(path)) as connection:
        # Compares the index with the text it was made from, and fails if they differ.
        connection.execute(
            "INSERT INTO utterances_search (utterances_search, rank) VALUES ('integrity-check', 1)"
        )
        counted = connection.execute(
            "SELECT id, sessions.utterances, count(utt) FROM sessions"
            " LEFT JOIN utterances ON session = sessions.key GROUP BY id"
        ).fetchall()
    assert [tuple(row) for row in counted] == [("s1", 30, 30), ("s3", 30, 30)]
