"""Recordings of jobs are heard to the end, whatever happens on the way, and their words are kept once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ConnectionLostError, ModelError, OverloadError
from gapless.infer.inference import Inference
from gapless.jobs.runner import Runner
from gapless.jobs.source import Fetch
from gapless.jobs.worker import Outcome
from gapless.listen.recogniser.contract import Recogniser
from gapless.settings import Settings
from gapless.store.contract import Store
from gapless.store.queue import FileSource, Job, JobFile, JobOptions
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.jobs_ears import GatedRecogniser, ScriptedEars
from gapless.testing.recogniser import Failure, ScriptedRecogniser

FOUR = "utterances.flac"
"""Four utterances with pauses."""


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for what other threads are about to do, at most 20 seconds."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail(f"did not happen: {what}")


class Workshop:
    """A store, and runners over it that end with the test."""

    def __init__(self, stack: ExitStack, store: Store, inference: Inference, speech: Path) -> None:
        self._stack = stack
        self.store = store
        self._inference = inference
        self._speech = speech
        self.outcomes: list[Outcome] = []

    def runner(
        self, recogniser: Recogniser | None = None, fetch_url: Fetch | None = None, **values: Any
    ) -> Runner:
        runner = Runner(
            Settings(**values),
            ScriptedEars(self._inference, recogniser),
            self.store.queue,
            told=self.outcomes.append,
            fetch_url=fetch_url,
        )
        return self._stack.enter_context(runner)

    def hear_whole(self) -> None:
        """A job ``whole``, heard in one go."""
        with self.runner() as runner:
            runner.start()
            runner.submit("whole", [self.source()], JobOptions())
            self.ends(job_id="whole")

    def source(self, name: str = FOUR) -> FileSource:
        return FileSource(name, content=[(self._speech / name).read_bytes()])

    def job(self, job_id: str = "j1") -> Job:
        return self.store.queue.get(job_id)

    def file(self, job_id: str = "j1") -> JobFile:
        return self.job(job_id).files[0]

    def words(self, job_id: str = "j1") -> list[tuple[str, str, int, int]]:
        transcript = self.store.get(self.file(job_id).session_id)
        return [(u.utt, u.text, u.start_ms, u.end_ms) for u in transcript.utterances]

    def ends(self, state: str = "done", job_id: str = "j1") -> None:
        eventually(lambda: self.job(job_id).finished_at_ms is not None, f"{job_id} is over")
        assert self.job(job_id).state == state


@pytest.fixture
def workshop(tmp_path: Path, inference: Inference, speech_dir: Path) -> Iterator[Workshop]:
    store = SqliteStore(tmp_path / "transcripts.db")
    with ExitStack() as stack:
        stack.callback(store.close)
        yield Workshop(stack, store, inference, speech_dir)


@pytest.mark.long
def test_recordings_are_heard_and_kept(workshop: Workshop) -> None:
    recogniser = ScriptedRecogniser()
    runner = workshop.runner(recogniser)
    runner.start()
    job = runner.submit(
        "j1",
        [workshop.source(), workshop.source("sentence.flac")],
        JobOptions(model="scripted", prompt="a talk"),
    )
    assert job.counts.total == 2
    workshop.ends()
    first, second = workshop.job().files
    assert [name for name, *_ in workshop.words()] == ["u1", "u2", "u3", "u4"]
    kept = workshop.store.get(second.session_id)
    assert len(kept.utterances) == 1
    assert (kept.session.source, kept.session.model, kept.session.name) == (
        "file",
        "scripted",
        "sentence.flac",
    )
    assert kept.session.ended_at_ms is not None
    assert kept.session.audio_ms == second.duration_ms or kept.session.audio_ms > 3000
    assert first.heard_ms > 0
    eventually(lambda: runner.stats().done == 2, "both are counted")
    assert runner.stats().running == 0
    # Live speech goes first, and nobody reads partial results.
    assert all(options.bulk and not options.partials for options in recogniser.opened)
    assert {options.prompt for options in recogniser.opened} == {"a talk"}


@pytest.mark.long
def test_what_a_worker_gives_back_another_ends_with_the_same_words(workshop: Workshop) -> None:
    workshop.hear_whole()

    gated = GatedRecogniser(free=2)
    first = workshop.runner(gated)
    first.start()
    first.submit("j1", [workshop.source()], JobOptions())
    assert gated.waits.wait(20)
    assert len(workshop.words()) == 2
    closing = threading.Thread(target=first.close)
    closing.start()
    eventually(first._workers[0]._stopping.is_set, "the worker is told to stop")
    gated.gate.set()
    closing.join(20)
    assert not closing.is_alive()
    assert workshop.outcomes[-1].result == "given_back"
    file = workshop.file()
    assert (file.state, file.attempts, file.error) == ("queued", 0, None)
    kept = len(workshop.words())
    assert 2 <= kept < 4

    recogniser = ScriptedRecogniser()
    second = workshop.runner(recogniser)
    second.start()
    workshop.ends()
    assert workshop.words() == workshop.words("whole")
    assert len(recogniser.opened) == 4 - kept, "nothing is heard twice"
    eventually(lambda: len(workshop.outcomes) == 3, "the second worker has told")
    assert workshop.outcomes[2].audio_ms == workshop.outcomes[0].audio_ms


@pytest.mark.long
def test_a_recording_whose_worker_died_is_heard_on_by_another(workshop: Workshop) -> None:
    """A lease that nobody renews stands for a worker that was killed."""
    workshop.hear_whole()

    queue = workshop.store.queue
    queue.submit("j1", [workshop.source()], JobOptions(), now_ms=unix_ms(), max_jobs=9)
    task = queue.claim("killed", now_ms=unix_ms(), lease_ms=200)
    assert task is not None
    said = workshop.store.get(workshop.file("whole").session_id).utterances[:2]
    assert queue.keep(task.lease, said, now_ms=unix_ms(), lease_ms=200, heard_ms=4000)
    recogniser = ScriptedRecogniser()
    workshop.runner(recogniser).start()
    workshop.ends()
    assert workshop.words() == workshop.words("whole")
    assert len(recogniser.opened) == 2
    assert workshop.file().attempts == 2


def test_a_recording_that_kills_workers_is_given_up(workshop: Workshop) -> None:
    queue = workshop.store.queue
    queue.submit("j1", [workshop.source()], JobOptions(), now_ms=unix_ms(), max_jobs=9)
    for _ in range(2):
        assert queue.claim("killed", now_ms=unix_ms(), lease_ms=0) is not None
    recogniser = ScriptedRecogniser()
    workshop.runner(recogniser, job_attempts=2).start()
    workshop.ends("failed")
    assert "2 times" in (workshop.file().error or "")
    assert not recogniser.opened


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"no sound at all" * 100, JobOptions(), "not"),
        (None, JobOptions(model="gone"), "no model"),
        (None, JobOptions(language="xx"), "language"),
    ],
    ids=["no_audio", "no_model", "no_language"],
)
def test_what_will_not_go_away_is_tried_once(
    workshop: Workshop, content: bytes | None, options: JobOptions, said: str
) -> None:
    runner = workshop.runner()
    runner.start()
    source = workshop.source() if content is None else FileSource("x", content=[content])
    runner.submit("j1", [source, workshop.source()], options)
    eventually(lambda: workshop.file().state == "failed", "the first has failed")
    assert said in (workshop.file().error or "")
    assert workshop.file().attempts == 1


@pytest.mark.long
def test_what_fails_is_tried_again_from_where_it_ended(workshop: Workshop) -> None:
    recogniser = ScriptedRecogniser()
    recogniser.failure = Failure("finish", ModelError("out of memory; use a smaller model"))
    runner = workshop.runner(recogniser, job_attempts=3)
    runner.start()
    runner.submit("j1", [workshop.source("sentence.flac")], JobOptions())
    eventually(lambda: bool(workshop.outcomes), "the first attempt is over")
    assert workshop.outcomes[0].result == "retried"
    assert workshop.outcomes[0].error == "out of memory; use a smaller model"
    recogniser.failure = None
    workshop.ends()
    assert len(workshop.words()) == 1


@pytest.mark.long
def test_a_cancelled_job_stops_at_once_and_can_be_heard_on(workshop: Workshop) -> None:
    gated = GatedRecogniser(free=1)
    runner = workshop.runner(gated)
    runner.start()
    runner.submit("j1", [workshop.source()], JobOptions())
    assert gated.waits.wait(20)
    assert runner.cancel("j1").state == "cancelled"
    gated.gate.set()
    eventually(lambda: bool(workshop.outcomes), "the worker has stopped")
    assert workshop.outcomes[0].result == "lost"
    assert len(workshop.words()) == 1
    assert runner.retry("j1").state == "queued"
    workshop.ends()
    assert len(workshop.words()) == 4


@pytest.mark.long
def test_a_job_that_another_process_cancels_stops(workshop: Workshop) -> None:
    gated = GatedRecogniser(free=1)
    runner = workshop.runner(gated, job_lease_ms=500)
    runner.start()
    runner.submit("j1", [workshop.source()], JobOptions())
    assert gated.waits.wait(20)
    workshop.store.queue.cancel("j1", now_ms=unix_ms())
    eventually(runner._running[0]._lost.is_set, "the renewal was refused")
    gated.gate.set()
    eventually(lambda: bool(workshop.outcomes), "the worker has stopped")
    assert workshop.outcomes[0].result == "lost"
    assert len(workshop.words()) == 1


@pytest.mark.long
def test_a_lease_is_renewed_while_a_step_takes_long(workshop: Workshop) -> None:
    gated = GatedRecogniser(free=1)
    runner = workshop.runner(gated, job_lease_ms=500)
    runner.start()
    runner.submit("j1", [workshop.source()], JobOptions())
    assert gated.waits.wait(20)
    revision = workshop.job().revision
    threading.Event().wait(1.0)
    assert workshop.store.queue.claim("thief", now_ms=unix_ms(), lease_ms=500) is None
    gated.gate.set()
    workshop.ends()
    assert workshop.job().revision > revision
    assert workshop.file().attempts == 1


def test_a_full_queue_is_known_to_be_full(workshop: Workshop) -> None:
    runner = workshop.runner(max_jobs=1, job_workers=0)
    runner.check_room()
    runner.submit("j1", [workshop.source()], JobOptions())
    with pytest.raises(OverloadError) as refused:
        runner.check_room()
    assert refused.value.retry_after_ms
    assert runner.submit("j1", [workshop.source()], JobOptions()).counts.total == 1, (
        "the same job again"
    )


@pytest.mark.long
def test_a_recording_at_a_url_is_fetched_once(workshop: Workshop, speech_dir: Path) -> None:
    asked: list[str] = []

    def fetch(url: str) -> Iterator[bytes]:
        asked.append(url)
        if len(asked) == 1:
            raise ConnectionLostError("it cannot be reached; try again later")
        yield (speech_dir / "sentence.flac").read_bytes()

    recogniser = ScriptedRecogniser()
    recogniser.failure = Failure("finish", ModelError("broken; look at the log"))
    runner = workshop.runner(recogniser, fetch, job_urls=True)
    runner.start()
    runner.submit("j1", [FileSource("talk", "http://example.org/talk.flac")], JobOptions())
    eventually(lambda: len(workshop.outcomes) == 2, "two attempts are over")
    recogniser.failure = None
    workshop.ends()
    assert asked == ["http://example.org/talk.flac"] * 2
    assert len(workshop.words()) == 1


def test_a_recording_for_which_there_is_no_room_is_heard_all_the_same(
    workshop: Workshop, speech_dir: Path
) -> None:
    recording = (speech_dir / "sentence.flac").read_bytes()
    other = FileSource("other", content=[b"x"], size_bytes=1)
    whole = 1024 * 1024
    waiting = FileSource("waiting", content=[b"x" * whole], size_bytes=whole)
    with workshop.runner(job_workers=0, max_job_mb=1) as runner:
        runner.submit("waiting", [waiting], JobOptions())
        with pytest.raises(OverloadError):
            runner.submit("other", [other], JobOptions())
        runner.submit("j1", [FileSource("talk", "http://example.org/talk.flac")], JobOptions())
    workshop.store.queue.claim("other", now_ms=unix_ms(), lease_ms=60_000)
    runner = workshop.runner(fetch_url=lambda _: iter([recording]), job_urls=True, max_job_mb=1)
    runner.start()
    workshop.ends()
    assert len(workshop.words()) == 1
    assert workshop.job("waiting").files[0].has_content


def test_nothing_is_fetched_where_that_is_not_allowed(workshop: Workshop) -> None:
    runner = workshop.runner(fetch_url=lambda _: pytest.fail("it was fetched"))
    runner.start()
    runner.submit("j1", [FileSource("talk", "http://example.org/talk.flac")], JobOptions())
    workshop.ends("failed")
    assert "job_urls" in (workshop.file().error or "")


@pytest.mark.long
def test_several_workers_share_a_job(workshop: Workshop) -> None:
    runner = workshop.runner(job_workers=3)
    runner.start()
    runner.submit("j1", [workshop.source("sentence.flac")] * 7, JobOptions())
    workshop.ends()
    assert workshop.job().counts.done == 7
    assert all(file.attempts == 1 for file in workshop.job().files)
