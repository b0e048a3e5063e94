"""The store when processes die, and when there are several."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gapless.errors import StoreError
from gapless.store.contract import TranscriptQuery
from gapless.store.sqlite.connection import connect_writer
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, found, say
from gapless.transcript import Utterance

WAIT_S = 60

# Says the name of each utterance as soon as the store has answered; four streams speak at a time.
SPEAKER = """
import os, sys, threading
from pathlib import Path
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin, say

store = SqliteStore(Path(sys.argv[1]))
most = int(sys.argv[2])

def speak(session_id):
    begin(store, session_id)
    for number in range(most):
        say(store, session_id, f"u{number}", f"sentence number {number} of {session_id}")
        # One write of less than a pipe's atomic size: lines of threads do not mix.
        os.write(1, f"{session_id} u{number}\\n".encode())

streams = [threading.Thread(target=speak, args=(f"{sys.argv[3]}{n}",)) for n in range(4)]
[stream.start() for stream in streams]
[stream.join() for stream in streams]
store.close()
"""


@contextmanager
def speaker(path: Path, most: int, name: str) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", SPEAKER, str(path), str(most), name]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.parametrize("answers", [1, 37, 400])
def test_what_was_answered_survives_a_kill(tmp_path: Path, answers: int) -> None:
    path = tmp_path / "transcripts.db"
    with speaker(path, 1_000_000, "s") as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(answers)]
        process.send_signal(signal.SIGKILL)
        # What was answered between the last line read and the kill counts as well.
        said += process.stdout.readlines()
        assert process.wait(WAIT_S) == -signal.SIGKILL

    with closing(SqliteStore(path)) as store:
        sessions = {item.session.id: item.session for item in store.list(TranscriptQuery()).items}
        kept = {
            f"{session_id} {utterance.utt}\n"
            for session_id in sessions
            for utterance in store.get(session_id).utterances
        }
        assert len(said) >= answers
        assert set(said) <= kept
        assert {session.ended_at_ms for session in sessions.values()} == {None}
        # It goes on as if nothing had happened.
        begin(store, "next")
        say(store, "next", "u0", "afterwards")
        assert found(store, "afterwards") == ["u0"]
    with closing(connect_writer(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        connection.execute(
            "INSERT INTO utterances_search (utterances_search, rank) VALUES ('integrity-check', 1)"
        )


@pytest.mark.long
def test_several_processes_may_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    with speaker(path, 25, "a") as first, speaker(path, 25, "b") as second:
        for process in (first, second):
            output, _ = process.communicate(timeout=WAIT_S)
            assert process.returncode == 0
            assert len(output.splitlines()) == 100
    with closing(SqliteStore(path)) as store:
        counts = {
            item.session.id: item.session.utterances for item in store.list(TranscriptQuery()).items
        }
    assert counts == {f"{name}{number}": 25 for name in "ab" for number in range(4)}


@pytest.mark.long
def test_what_one_process_writes_another_one_finds_at_once(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    with closing(SqliteStore(path)) as store, speaker(path, 1_000_000, "s") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        session_id, utt = line.split()
        kept = store.get(session_id).utterances
        assert utt in {utterance.utt for utterance in kept}
        # Both write at the same time.
        begin(store, "mine")
        say(store, "mine", "u1", "unmistakable")
        assert found(store, "unmistakable") == ["u1"]


def test_a_file_that_another_program_locks_for_long_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path)) as other:
        store._writer.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").rowcount)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds it"):
            begin(store, "s1")
        # Reading goes on meanwhile.
        assert store.list(TranscriptQuery()).items == ()
        other.rollback()
        begin(store, "s1")


# Hands over batches without waiting, and says the number of each once it is durable.
BATCHES = """
import os, sys
from itertools import count
from pathlib import Path
from gapless.errors import OverloadError
from gapless.store.options import StoreOptions
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin
from gapless.transcript import Utterance

store = SqliteStore(Path(sys.argv[1]), StoreOptions(batch_rows=300, max_waiting=2000))
begin(store, "s1")
for number in count():
    batch = [Utterance(f"b{number} {n}", f"sentence {n}", number * 100 + n, 0) for n in range(100)]
    try:
        future = store.add_utterances("s1", batch)
    except OverloadError:
        future.result()
        future = store.add_utterances("s1", batch)
    future.add_done_callback(lambda _, number=number: os.write(1, f"{number}\\n".encode()))
"""


@pytest.mark.long
@pytest.mark.parametrize("answers", [1, 3, 10, 25])
def test_a_kill_amid_batches_loses_nothing_that_was_answered_and_halves_none(
    tmp_path: Path, answers: int
) -> None:
    path = tmp_path / "transcripts.db"
    arguments = [sys.executable, "-c", BATCHES, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(answers)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        assert process.wait(WAIT_S) == -signal.SIGKILL
    with closing(SqliteStore(path)) as store:
        kept = [utterance.utt for utterance in store.get("s1").utterances]
        batches = sorted({int(utt[1:].split()[0]) for utt in kept})
        assert {int(number) for number in said} <= set(batches)
        # All of a batch or nothing, in the order they came, and each once.
        assert batches == list(range(len(batches)))
        assert kept == [f"b{number} {n}" for number in batches for n in range(100)]
        # What was under way comes again: that doubles nothing.
        again = [Utterance(f"b0 {n}", "again", n, 0) for n in range(100)]
        store.add_utterances("s1", again).result(WAIT_S)
        assert store.get("s1").session.utterances == len(kept)
        assert store.check() == ()


# The kernel lets no file grow beyond a limit, as a quota does; then the limit is lifted.
SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from gapless.errors import StoreError
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import begin
from gapless.transcript import Utterance

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Path(sys.argv[1]))
begin(store, "s1")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, most))
answered, refused = [], []
for number in range(60):
    batch = [Utterance(f"{number} {n}", "some words " * 50, number, n) for n in range(20)]
    try:
        store.add_utterances("s1", batch).result(30)
        answered.append(number)
    except StoreError as error:
        refused.append(number)
        print(error, file=sys.stderr)
assert answered and refused
assert store.get("s1").session.utterances == 20 * len(answered)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
for number in refused:
    batch = [Utterance(f"{number} {n}", "some words " * 50, number, n) for n in range(20)]
    store.add_utterances("s1", batch).result(30)
store.close()
print(len(answered), len(refused))
"""


@pytest.mark.long
def test_a_disk_that_is_full_for_a_while_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "check the disk" in done.stderr or "disk is full" in done.stderr
    with closing(SqliteStore(path)) as store:
        assert store.get("s1").session.utterances == 60 * 20
        assert store.check() == ()


def test_batches_that_meet_a_lock_fail_together_and_come_through_afterwards(
    tmp_path: Path,
) -> None:
    path = tmp_path / "transcripts.db"
    batches = [
        [Utterance(f"{number} {n}", "words", number, n) for n in range(10)] for number in range(8)
    ]
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path)) as other:
        begin(store, "s1")
        store._writer.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").rowcount)
        other.execute("BEGIN IMMEDIATE")
        for future in [store.add_utterances("s1", batch) for batch in batches]:
            with pytest.raises(StoreError, match="another program holds it"):
                future.result(WAIT_S)
        other.rollback()
        for future in [store.add_utterances("s1", batch) for batch in batches * 2]:
            future.result(WAIT_S)
        assert store.get("s1").session.utterances == 80
