"""The queue under every order of submissions, loans, progress, failures, cancellations, retries and time."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import DataObject, booleans, data, integers, lists, sampled_from

from gapless.errors import NotFoundError, OverloadError
from gapless.store.jobs.rules import rank_ms, state_of
from gapless.store.queue import FileCounts, FileSource, JobOptions, JobQuery, JobState, Lease, Task
from gapless.store.sqlite.store import SqliteStore
from gapless.transcript import Utterance

LEASE_MS = 1000

MAX_JOBS = 4

MAX_BYTES = 30

MISCOUNTED = """
    SELECT kept_bytes, size_bytes FROM jobs
    LEFT JOIN (SELECT job, sum(length(bytes)) AS size_bytes FROM job_chunks GROUP BY job) ON job = key
    WHERE kept_bytes <> coalesce(size_bytes, 0) OR stage <> 'here'"""

STATES: tuple[JobState, ...] = ("queued", "running", "done", "failed", "cancelled")


class File(msgspec.Struct):
    """What the model knows of a file."""

    job: str
    number: int
    content: bytes | None
    rank_ms: int
    state: JobState = "queued"
    ready_at_ms: int = 0
    attempt: int = 0
    attempts: int = 0
    kept: int = 0
    has_content: bool = False
    has_url: bool = False
    has_transcript: bool = False
    is_ended: bool = False
    session_id: str = ""

    def close(self) -> None:
        """Its transcript ends, if it has words."""
        self.has_transcript = self.has_transcript and self.kept > 0
        self.is_ended = self.has_transcript


class Job(msgspec.Struct):
    """What the model knows of a job."""

    created_at_ms: int
    files: list[File]
    finished_at_ms: int | None = None
    revision: int = 0

    @property
    def counts(self) -> FileCounts:
        """Of its files, counted anew."""
        states = [file.state for file in self.files]
        return FileCounts(**{state: states.count(state) for state in STATES})


class QueueMachine(RuleBasedStateMachine):
    """Drives the queue in SQLite beside a model of it: plain objects, searched from end to end."""

    @initialize()
    def start(self) -> None:
        self.dir = Path(tempfile.mkdtemp())
        self.store = SqliteStore(self.dir / "transcripts.db")
        self.queue = self.store.queue
        self.now_ms = 1_000_000
        self.jobs: dict[str, Job] = {}
        self.loans: list[tuple[File, Lease]] = []
        self.submitted = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.dir)

    @rule(step_ms=sampled_from((1, 400, LEASE_MS, 70_000)))
    def time_goes_on(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule(has_bytes=lists(booleans(), min_size=1, max_size=4), is_told=booleans())
    def submit(self, has_bytes: list[bool], *, is_told: bool) -> None:
        self.now_ms += 1
        self.submitted += 1
        name = f"j{self.submitted}"
        content = [name.encode() + bytes([number]) for number in range(len(has_bytes))]
        size_bytes = sum(
            len(content[number]) for number in range(len(content)) if has_bytes[number]
        )
        sources = [
            FileSource(content=[content[number]], size_bytes=len(content[number]) if is_told else 0)
            if is_here
            else FileSource(url=f"{name}/{number}")
            for number, is_here in enumerate(has_bytes)
        ]
        limits = {"now_ms": self.now_ms, "max_jobs": MAX_JOBS, "max_bytes": MAX_BYTES}
        # What is not told beforehand may make others go, and then be refused: that is left to the contract's checks.
        is_full = sum(job.counts.open > 0 for job in self.jobs.values()) >= MAX_JOBS
        if is_full or (is_told and not self.make_room(size_bytes)):
            with pytest.raises(OverloadError):
                self.queue.check_room(size_bytes=size_bytes, **limits)
            with pytest.raises(OverloadError):
                self.queue.submit(name, sources, JobOptions(), **limits)
            return
        if is_told:
            self.queue.check_room(size_bytes=size_bytes, **limits)
        else:
            limits["max_bytes"] = 0
        job = self.queue.submit(name, sources, JobOptions(), **limits)
        self.jobs[name] = Job(
            self.now_ms,
            [
                File(
                    name,
                    number,
                    content[number] if is_here else None,
                    rank_ms(self.now_ms, number),
                    has_content=is_here,
                    has_url=not is_here,
                    session_id=job.files[number].session_id,
                )
                for number, is_here in enumerate(has_bytes)
            ],
        )

    @rule()
    def claim(self) -> None:
        ready = [
            file
            for job in self.jobs.values()
            for file in job.files
            if file.state in {"queued", "running"} and file.ready_at_ms <= self.now_ms
        ]
        task = self.queue.claim("w", now_ms=self.now_ms, lease_ms=LEASE_MS)
        if task is None:
            assert not ready
            return
        file = self.jobs[task.lease.job_id].files[task.lease.number]
        assert file.rank_ms == min(other.rank_ms for other in ready)
        assert file in ready
        file.state, file.ready_at_ms = "running", self.now_ms + LEASE_MS
        file.attempt += 1
        file.attempts += 1
        file.has_transcript, file.is_ended = True, False
        assert_task_is(task, file)
        self.loans.append((file, task.lease))

    @precondition(lambda self: self.loans)
    @rule(draw=data(), number=integers(1, 3), heard_ms=integers(0, 9))
    def keep(self, draw: DataObject, number: int, heard_ms: int) -> None:
        file, lease = self.drawn_loan(draw)
        # One that is there already, then new ones.
        first = max(file.kept, 1)
        spoken = [
            Utterance(f"u{place}", "word", place * 10, place * 10 + 9)
            for place in range(first, first + number)
        ]
        kept = self.queue.keep(
            lease, spoken, now_ms=self.now_ms, lease_ms=LEASE_MS, heard_ms=heard_ms
        )
        assert kept == self.holds(file, lease)
        if kept:
            file.kept = max(file.kept, first + number - 1)
            file.ready_at_ms = self.now_ms + LEASE_MS

    @precondition(lambda self: self.loans)
    @rule(draw=data())
    def finish(self, draw: DataObject) -> None:
        file, lease = self.drawn_loan(draw)
        was_done = file.state == "done" and file.attempt == lease.attempt
        holds = self.holds(file, lease)
        finished = self.queue.finish(lease, now_ms=self.now_ms, audio_ms=5)
        assert finished == (holds or was_done)
        if holds:
            file.state, file.has_content, file.is_ended = "done", False, True
            self.look_whether_over(file)

    @precondition(lambda self: self.loans)
    @rule(draw=data(), delay_ms=sampled_from((None, 0, 500)))
    def fail(self, draw: DataObject, delay_ms: int | None) -> None:
        file, lease = self.drawn_loan(draw)
        retry_at_ms = None if delay_ms is None else self.now_ms + delay_ms
        state: JobState = "failed" if retry_at_ms is None else "queued"
        was_so = file.state == state and file.attempt == lease.attempt
        holds = self.holds(file, lease)
        failed = self.queue.fail(lease, "no", now_ms=self.now_ms, retry_at_ms=retry_at_ms)
        assert failed == (holds or was_so)
        if holds:
            file.state, file.ready_at_ms = state, retry_at_ms or 0
            if state == "failed":
                file.close()
            self.look_whether_over(file)

    @precondition(lambda self: self.loans)
    @rule(draw=data())
    def give_back(self, draw: DataObject) -> None:
        file, lease = self.drawn_loan(draw)
        was_so = file.state == "queued" and file.attempt == lease.attempt
        holds = self.holds(file, lease)
        assert self.queue.give_back(lease, now_ms=self.now_ms) == (holds or was_so)
        if holds:
            file.state, file.ready_at_ms = "queued", 0
            file.attempts -= 1

    @precondition(lambda self: self.loans)
    @rule(draw=data(), content=sampled_from((b"", b"fetched")))
    def store_content(self, draw: DataObject, content: bytes) -> None:
        file, lease = self.drawn_loan(draw)
        # A fetch may outlast its lease, as long as nobody else got the file.
        holds = file.state == "running" and file.attempt == lease.attempt
        assert self.queue.store_content(lease, [content]) == holds
        if holds:
            file.content, file.has_content = content, True

    @precondition(lambda self: self.loans)
    @rule(draw=data())
    def read_content(self, draw: DataObject) -> None:
        file, lease = self.drawn_loan(draw)
        if file.has_content:
            assert b"".join(self.queue.content(lease)) == file.content
        else:
            with pytest.raises(NotFoundError):
                self.queue.content(lease)

    @precondition(lambda self: self.jobs)
    @rule(draw=data())
    def cancel(self, draw: DataObject) -> None:
        name = draw.draw(sampled_from(sorted(self.jobs)))
        self.queue.cancel(name, now_ms=self.now_ms)
        for file in self.jobs[name].files:
            if file.state in {"queued", "running"}:
                file.state = "cancelled"
                file.close()
                self.look_whether_over(file)

    @precondition(lambda self: self.jobs)
    @rule(draw=data())
    def retry(self, draw: DataObject) -> None:
        name = draw.draw(sampled_from(sorted(self.jobs)))
        self.queue.retry(name, now_ms=self.now_ms)
        for file in self.jobs[name].files:
            if file.state in {"failed", "cancelled"} and (file.has_content or file.has_url):
                file.state, file.ready_at_ms, file.attempts = "queued", 0, 0
                file.rank_ms = rank_ms(self.now_ms, file.number)
                self.jobs[name].finished_at_ms = None

    @rule(age_ms=sampled_from((0, 500)))
    def forget(self, age_ms: int) -> None:
        before_ms = self.now_ms - age_ms
        over = [
            name
            for name, job in self.jobs.items()
            if job.finished_at_ms is not None and job.finished_at_ms < before_ms
        ]
        assert self.queue.forget(before_ms, now_ms=self.now_ms) == len(over)
        for name in over:
            del self.jobs[name]
        self.loans = [(file, lease) for file, lease in self.loans if file.job in self.jobs]

    @invariant()
    def it_shows_what_the_model_knows(self) -> None:
        if not hasattr(self, "store"):
            return
        shown = {job.id: job for job in self.queue.list(JobQuery(limit=100)).items}
        newest_first = sorted(self.jobs, key=lambda name: -self.jobs[name].created_at_ms)
        assert list(shown) == newest_first
        for name, known in self.jobs.items():
            job = shown[name]
            assert job.counts == known.counts
            assert job.state == state_of(known.counts)
            assert job.finished_at_ms == known.finished_at_ms
            assert job.revision >= known.revision
            known.revision = job.revision
            for file, expected in zip(job.files, known.files, strict=True):
                assert (file.state, file.attempts) == (expected.state, expected.attempts)
                assert file.has_content == expected.has_content
                self.assert_transcript(expected)
        with closing(sqlite3.connect(self.dir / "transcripts.db")) as connection:
            assert not connection.execute(MISCOUNTED).fetchall()
        by_state = {
            job.id: state
            for state in STATES
            for job in self.queue.list(JobQuery(state=state, limit=100)).items
        }
        assert by_state == {name: job.state for name, job in shown.items()}

    def assert_transcript(self, file: File) -> None:
        if not file.has_transcript:
            with pytest.raises(NotFoundError):
                self.store.get(file.session_id)
            return
        kept = self.store.get(file.session_id)
        assert [utterance.utt for utterance in kept.utterances] == [
            f"u{place}" for place in range(1, file.kept + 1)
        ]
        assert (kept.session.ended_at_ms is not None) == file.is_ended

    def make_room(self, more_bytes: int) -> bool:
        """Let go of bytes as the queue should, if that makes room."""

        def kept(jobs: Iterable[Job]) -> int:
            return sum(
                len(file.content or b"") for job in jobs for file in job.files if file.has_content
            )

        over = [job for job in self.jobs.values() if job.finished_at_ms is not None]
        short_bytes = kept(self.jobs.values()) + more_bytes - MAX_BYTES
        if not more_bytes or short_bytes <= 0:
            return True
        if short_bytes > kept(over):
            return False
        for job in sorted(over, key=lambda job: job.finished_at_ms or 0):
            if short_bytes > 0:
                short_bytes -= kept([job])
                for file in job.files:
                    file.has_content = False
        return True

    def drawn_loan(self, draw: DataObject) -> tuple[File, Lease]:
        # Recent ones more often: most of the old are lost.
        place = draw.draw(integers(0, len(self.loans) - 1))
        return self.loans[-1 - place]

    def holds(self, file: File, lease: Lease) -> bool:
        return (
            file.state == "running"
            and file.attempt == lease.attempt
            and self.now_ms < file.ready_at_ms
        )

    def look_whether_over(self, file: File) -> None:
        job = self.jobs[file.job]
        job.finished_at_ms = None if job.counts.open else self.now_ms


def assert_task_is(task: Task, file: File) -> None:
    """A task is what the model knows of its file."""
    assert task.lease == Lease(file.job, file.number, file.attempt, "w", file.session_id)
    assert task.utterances == file.kept
    assert task.resume_ms == (file.kept * 10 + 9 if file.kept else 0)
    assert (task.file.state, task.file.attempts) == ("running", file.attempts)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)


@pytest.mark.long
def test_queue_machine_at_length() -> None:
    run_state_machine_as_test(
        QueueMachine, settings=settings(max_examples=60, stateful_step_count=60, deadline=None)
    )
