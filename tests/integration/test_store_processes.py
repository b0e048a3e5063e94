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
from gapless.store.connection import connect_writer
from gapless.store.contract import TranscriptQuery
from gapless.store.sqlite import SqliteStore
from gapless.testing.store_contract import begin, found, say

WAIT_S = 60

# Says the name of each utterance as soon as the store has answered; four streams speak at a time.
SPEAKER = """
import os, sys, threading
from pathlib import Path
from gapless.store.sqlite import SqliteStore
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
