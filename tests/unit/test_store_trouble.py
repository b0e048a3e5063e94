"""What a store says of itself while it fails, and what the log says."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gapless.errors import StoreError
from gapless.store.contract import SessionRecord
from gapless.store.sqlite import writer as writer_module
from gapless.store.sqlite.store import SqliteStore
from gapless.store.sqlite.writer import Writer
from gapless.store.trouble import Trouble
from gapless.testing.clock import ManualClock
from gapless.testing.sound_programs import wait_until
from gapless.transcript import Utterance

SESSION = SessionRecord("s1", "stream", "scripted", 0)


def test_trouble_lasts_until_all_who_met_it_are_well_again() -> None:
    clock = ManualClock()
    trouble = Trouble(clock)
    with capture_logs() as logs:
        trouble.end("nobody met any")
        trouble.begin("reader", "cannot be reached", "connection refused")
        clock.advance(3)
        trouble.begin("writer", "does not answer", "too late")
        told = trouble.words
        trouble.end("reader")
        clock.advance(4)
        still = trouble.words
        trouble.end("writer")
        trouble.end("writer")

    assert told == "cannot be reached, for 3 s now"
    assert still == "cannot be reached, for 7 s now"
    assert trouble.words == ""
    assert [(line["log_level"], line["it"]) for line in logs] == [
        ("warning", "cannot be reached"),
        ("info", "cannot be reached"),
    ]
    assert logs[0]["error"] == "connection refused"
    assert logs[1]["seconds"] == 7


def test_trouble_may_be_noticed_later_than_it_began() -> None:
    clock = ManualClock()
    trouble = Trouble(clock)
    clock.advance(10)
    trouble.begin("writer", "does not answer", "too late", since_s=4.0)

    assert trouble.words == "does not answer, for 6 s now"


def test_a_file_that_cannot_be_written_is_told_of_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.db"
    with closing(SqliteStore(path)) as store:
        store.begin_session(SESSION)
        assert store.trouble == ""
        with capture_logs() as logs:
            store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())
            for number in range(2):
                with pytest.raises(StoreError, match="disk is full"):
                    store.add_utterance("s1", Utterance(f"u{number}", "word " * 20_000, 0, 1))
            told = store.trouble
            store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
            store.add_utterance("s1", Utterance("u3", "kept", 0, 1))

        assert told.startswith("cannot be written, for ")
        assert str(tmp_path) not in told
        assert store.trouble == ""
        assert [line["log_level"] for line in logs] == ["warning", "info"]


def test_a_job_that_is_refused_for_what_it_is_says_nothing_of_the_file(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "transcripts.db")) as store:
        with pytest.raises(StoreError):
            store.add_utterance("nobody", Utterance("u1", "of no session", 0, 1))
        assert store.trouble == ""


def test_a_disk_that_does_not_answer_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "LATE_S", 0.0)
    path = tmp_path / "transcripts.db"
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    reader, pen = os.pipe()
    with closing(Writer(connection, path)) as writer:
        written = writer.submit(lambda _: os.read(reader, 1))
        wait_until(lambda: writer.trouble.startswith("does not answer"), "a word of it")
        os.write(pen, b".")
        written.result(20)
        wait_until(lambda: writer.trouble == "", "an end of it")
    os.close(reader)
    os.close(pen)
