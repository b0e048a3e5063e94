"""Transcripts on their way between stores and files."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BufferedReader, BytesIO
from pathlib import Path

import msgspec
import pytest

from gapless.errors import StoreError
from gapless.store.archive import archive_lines, read_archive
from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.store.moving import BATCH_ROWS, Moved, copy_store, keep_all, transcripts_of
from gapless.store.queue import FileSource, JobOptions
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.store_contract import FULL_SESSION, FULL_UTTERANCE, begin, say
from gapless.transcript import Utterance

WAIT_S = 30.0


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "source.db")) as store:
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "target.db")) as store:
        yield store


def fill(store: SqliteStore, sessions: int = 210) -> None:
    """More than two pages, several of a time, one of many rows."""
    transcripts = [
        StoredTranscript(
            SessionRecord(f"s{n:03}", "stream", "m", 1000 + n // 3, ended_at_ms=9000, audio_ms=n),
            tuple(Utterance(f"u{u}", f"{n} said {u}", u * 10, u * 10 + 5) for u in range(n % 7)),
        )
        for n in range(sessions)
    ]
    long = tuple(Utterance(f"u{u}", "long", u, u) for u in range(BATCH_ROWS + 7))
    transcripts.append(StoredTranscript(SessionRecord("long", "file", "m", 5000), long))
    transcripts.append(
        StoredTranscript(
            msgspec.structs.replace(FULL_SESSION, ended_at_ms=1, audio_ms=2), (FULL_UTTERANCE,)
        )
    )
    assert store.restore(transcripts) == len(transcripts)


def everything(store: SqliteStore) -> list[StoredTranscript]:
    return list(transcripts_of(store))


def ignore(_: int) -> None:
    pass


@pytest.mark.long
def test_a_copy_is_all_that_was_there(source: SqliteStore, target: SqliteStore) -> None:
    fill(source)
    steps: list[int] = []
    copied = copy_store(source, target, steps.append)
    assert everything(target) == everything(source)
    assert copied.moved == Moved(new=212)
    assert sum(steps) == 212
    assert copied.is_complete
    assert not copied.open_jobs
    assert copied.source.utterances == copied.target.utterances == source.facts().utterances
    assert target.check() == ()

    again = copy_store(source, target, ignore)
    assert again.moved == Moved(skipped=212)
    assert again.is_complete


def test_a_copy_of_nothing_is_complete(source: SqliteStore, target: SqliteStore) -> None:
    assert copy_store(source, target, ignore).is_complete


@pytest.mark.long
@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_copy_that_was_interrupted_goes_on(
    source: SqliteStore, target: SqliteStore, stop_at: int
) -> None:
    fill(source)
    calls: list[int] = []

    def stop(count: int) -> None:
        calls.append(count)
        if len(calls) == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(source, target, stop)
    arrived = target.facts().sessions
    assert arrived == sum(calls)
    copied = copy_store(source, target, ignore)
    assert copied.moved == Moved(new=212 - arrived, skipped=arrived)
    assert everything(target) == everything(source)


def test_a_session_that_went_on_is_completed_and_what_is_there_stays(
    source: SqliteStore, target: SqliteStore
) -> None:
    begin(source, "running")
    say(source, "running", "u1", "the first")
    begin(source, "silent")
    begin(target, "theirs", started_at_ms=7)
    copy_store(source, target, ignore)
    for number in range(2, 2 * BATCH_ROWS, 500):
        say(source, "running", f"u{number}", "and more", start_ms=number)
    source.end_session("running", ended_at_ms=9, audio_ms=8)
    source.end_session("silent", ended_at_ms=9, audio_ms=8)
    copied = copy_store(source, target, ignore)
    assert copied.moved == Moved(completed=2)
    assert copied.is_complete
    assert target.get("running") == source.get("running")
    assert target.get("silent") == source.get("silent")
    assert target.get("theirs").session.started_at_ms == 7
    assert copy_store(source, target, ignore).moved == Moved(skipped=2)


@pytest.mark.long
def test_what_comes_while_it_copies_is_copied_too(source: SqliteStore, target: SqliteStore) -> None:
    fill(source, 5)

    def speak(_: int) -> None:
        begin(source, "new", started_at_ms=2**42)
        say(source, "long", "one more", "long", start_ms=10**6)

    copied = copy_store(source, target, speak)
    assert copied.is_complete
    assert everything(target) == everything(source)
    assert target.get("long").utterances[-1].utt == "one more"


def test_another_transcript_of_the_same_id_is_left_alone_and_told(
    source: SqliteStore, target: SqliteStore
) -> None:
    begin(source, "s1", started_at_ms=1)
    say(source, "s1", "u1", "ours")
    begin(source, "s2", started_at_ms=1)
    begin(target, "s1", started_at_ms=2)
    say(target, "s1", "u1", "theirs")
    copied = copy_store(source, target, ignore)
    assert not copied.is_complete
    assert copied.moved == Moved(new=1, conflicts=("s1",))
    assert target.get("s1").utterances[0].text == "theirs"


def test_recordings_that_wait_are_told(source: SqliteStore, target: SqliteStore) -> None:
    source.queue.submit(
        "j1", [FileSource("a.wav", content=[b"RIFF"])], JobOptions(), now_ms=1, max_jobs=10
    )
    assert copy_store(source, target, ignore).open_jobs


def archive(store: SqliteStore) -> bytes:
    return b"".join(archive_lines(transcripts_of(store), now_ms=5))


def opened(content: bytes) -> BufferedReader:
    return BufferedReader(BytesIO(content))


@pytest.mark.long
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_is_read_back_as_it_was_and_only_once(
    source: SqliteStore, target: SqliteStore, pack: Callable[[bytes], bytes]
) -> None:
    fill(source)
    content = pack(archive(source))
    steps: list[int] = []
    moved = keep_all(read_archive(opened(content), "a"), target, steps.append)
    assert moved == Moved(new=212)
    assert sum(steps) == 212
    assert everything(target) == everything(source)
    assert keep_all(read_archive(opened(content), "a"), target, ignore) == Moved(skipped=212)
    assert target.facts().utterances == source.facts().utterances


def test_an_archive_of_nothing_is_one_too(source: SqliteStore) -> None:
    assert list(read_archive(opened(archive(source)), "a")) == []


def cut_line(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


def cut_middle(content: bytes) -> bytes:
    return content[: len(content) // 2]


def lose_line(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:2] + lines[3:])


def cut_packed(content: bytes) -> bytes:
    return gzip.compress(content)[:-20]


def damage_packed(content: bytes) -> bytes:
    packed = bytearray(gzip.compress(content))
    packed[len(packed) // 2 :] = b"\x00" * (len(packed) - len(packed) // 2)
    return bytes(packed)


@pytest.mark.long
@pytest.mark.parametrize("harm", [cut_line, cut_middle, lose_line, cut_packed, damage_packed])
def test_a_damaged_archive_is_told_and_what_came_before_is_kept(
    source: SqliteStore, target: SqliteStore, harm: Callable[[bytes], bytes]
) -> None:
    fill(source, 100)
    whole = archive(source)
    with pytest.raises(
        StoreError, match=r"of a .*export (it|them) again|a .*export (it|them) again"
    ):
        keep_all(read_archive(opened(harm(whole)), "a"), target, ignore)
    # The rest comes with a file that is whole.
    arrived = target.facts().sessions
    assert arrived <= 102
    assert arrived or harm is damage_packed
    assert keep_all(read_archive(opened(whole), "a"), target, ignore).new == 102 - arrived
    assert everything(target) == everything(source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut off behind line 0"),
        (b"dear diary", "no archive of transcripts"),
        (b'{"session": {}}\n', "no archive of transcripts"),
        (b"\xff\xfe", "no archive of transcripts"),
        (b'{"format":"gapless-transcripts","version":2,"exported_at_ms":1}\n', "upgrade Gapless"),
        (
            b'{"format":"gapless-transcripts","version":1,"exported_at_ms":1}\n{"session":{}}\n',
            "line 2 of a is no transcript",
        ),
        (b"\x1f\x8bnothing that was packed", "cannot be read"),
    ],
)
def test_what_is_no_archive_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        list(read_archive(opened(content), "a"))
