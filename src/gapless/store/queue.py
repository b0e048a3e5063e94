r"""The queue of recordings to be heard when there is time, as any store keeps it.

In: jobs of one or many files, whose bytes the queue keeps until they are heard. Out: tasks, each lent to one worker.
Invariants: when a call that writes returns, what it wrote survives SIGKILL and power loss; a task is lent to one worker
at a time; a worker whose lease ran out, or whose task was lent again, writes nothing more; an utterance is kept once;
``Job.revision`` grows with every change that ``get`` shows.
Thread: any; calls block. Times are Unix milliseconds and always an argument: the queue has no clock. Where workers run
on several machines, their clocks have to agree to well within a lease; where they do not, work is done twice, but no
result is doubled or mixed, because every loan has a number and only the last one may write.

The states of a file, and the calls that change them::

    queued --claim--> running --finish--> done
      ^                |  |  \--fail(None)--> failed
      |<--fail(time)---|  |
      |<--give_back----'  '--lease runs out: lent again by claim
      '--retry-- failed, cancelled <--cancel-- queued, running

Order: the oldest first, but each file of a job counts as ``PACE_MS`` younger than the one before it. A job of 10,000
files so gets all that is free, yet what comes after it waits only for as many of its files as minutes passed between
the two; and no file waits for ever, since whatever comes later is younger in the end. Source: the virtual clock of
L. Zhang, "VirtualClock: a new traffic control algorithm for packet switching networks", SIGCOMM 1990.

Room: a job takes up its bytes from the moment that it is announced until they are let go: when a file is done, or its
job is forgotten. Where there is no room, the bytes of jobs that are over (failed and cancelled files, kept for
``retry``) go first, those of the job that was over first before all others.

The transcript of a file begins with its first loan and ends when it is done, has failed or is cancelled; one without a
word is deleted unless the file is done. Deleting a transcript while its file is heard cancels the file.

Every call raises ``StoreError`` and ``OverloadError`` as the store's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from gapless.transcript import Utterance

JobState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
"""A job is ``queued`` while all its files are, ``running`` until none is left to hear, then ``cancelled`` if any of
them is, else ``failed`` if any has, else ``done``."""

CHUNK_BYTES: Final = 1024 * 1024
"""Most bytes of a recording in one row."""

MAX_FILES: Final = 10_000
"""Most files of a job."""

MAX_SHOWN_FILES: Final = 1000
"""Most files that ``get`` and ``files`` answer; ``Job.counts`` counts them all."""

MAX_LISTED_FILES: Final = 10
"""Most files that ``list`` shows of each job."""

MAX_JOB_PAGE: Final = 100
"""Most jobs on a page."""

MAX_ERROR_CHARS: Final = 1000
"""Longest error that is kept of a file; the rest is cut off."""

PACE_MS: Final = 60_000
"""By how much each file of a job counts as younger than the one before it."""

ARRIVAL_MS: Final = 3_600_000
"""A submission that is not complete after this was cut off by a crash; ``forget`` lets go of it."""


class JobOptions(msgspec.Struct, frozen=True):
    """How the recordings of a job are heard; what is None is as the server's settings say."""

    model: str | None = None
    language: str | None = None
    denoise: float | None = None
    prompt: str | None = None


class FileSource(msgspec.Struct, frozen=True):
    """A recording of a new job: bytes, or where to fetch them."""

    name: str | None = None
    url: str | None = None
    content: Iterable[bytes] | None = None
    """In chunks of any size; read once, and never held as a whole. None where there is a URL."""
    size_bytes: int = 0
    """Of the content, as far as it is known beforehand: what is announced is refused before it is read."""


class JobFile(msgspec.Struct, frozen=True):
    """One recording of a job."""

    number: int
    """From 0, in the order they were sent."""
    state: JobState
    session_id: str
    """Where its transcript is kept, once it was lent to a worker."""
    name: str | None = None
    url: str | None = None
    size_bytes: int = 0
    """Of its content; 0 while that is not fetched yet."""
    has_content: bool = False
    """Whether its bytes are kept: until it is done, its job is forgotten, or it is over and others need the room."""
    attempts: int = 0
    """Loans since it was submitted or retried, the present one included, but for those that were given back; a worker
    that is killed uses one up."""
    heard_ms: int = 0
    duration_ms: int | None = None
    """None while nobody knows."""
    worker: str | None = None
    """Who hears it, or did last."""
    error: str | None = None
    """Of the last attempt that failed."""


class FileCounts(msgspec.Struct, frozen=True):
    """How many files of a job are in each state."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All files of the job."""
        return self.queued + self.running + self.done + self.failed + self.cancelled

    @property
    def open(self) -> int:
        """Files that wait or are heard."""
        return self.queued + self.running


class Job(msgspec.Struct, frozen=True):
    """What was asked for, and how far it is."""

    id: str
    state: JobState
    created_at_ms: int
    options: JobOptions
    counts: FileCounts
    files: tuple[JobFile, ...]
    """The first ones: ``MAX_SHOWN_FILES`` at most, ``MAX_LISTED_FILES`` in lists; ``JobQueue.files`` has the others."""
    revision: int = 0
    """Grows with every change."""
    finished_at_ms: int | None = None


class Lease(msgspec.Struct, frozen=True):
    """A task that is lent: what proves that it is one's own."""

    job_id: str
    number: int
    attempt: int
    """Counts all loans of the file, from 1; a later one takes the task away from an earlier."""
    worker: str
    session_id: str
    """Of the file; tells apart jobs that had the same id one after the other."""


class Task(msgspec.Struct, frozen=True):
    """A recording to hear."""

    lease: Lease
    file: JobFile
    options: JobOptions
    utterances: int = 0
    """Kept already, by an earlier attempt: the next one is ``u<utterances + 1>``."""
    resume_ms: int = 0
    """Where the last of them ends, in audio time: go on behind it."""


class JobQuery(msgspec.Struct, frozen=True):
    """Which jobs to list, newest first."""

    state: JobState | None = None
    limit: int = 20
    """1 to ``MAX_JOB_PAGE``."""
    cursor: str | None = None
    """Opaque: ``next_cursor`` of the page before."""


class JobPage(msgspec.Struct, frozen=True):
    """One page of jobs."""

    items: tuple[Job, ...]
    next_cursor: str | None


class JobQueue(Protocol):
    """Keeps jobs and lends their recordings."""

    def submit(
        self,
        job_id: str,
        files: Sequence[FileSource],
        options: JobOptions,
        *,
        now_ms: int,
        max_jobs: int,
        max_bytes: int = 0,
    ) -> Job:
        """Keep a new job with all its bytes, or nothing; if one of that id is there already, it is returned as it is.

        Bytes are written as they come, in small transactions; nobody sees the job before the last of them is there.

        Raises:
            OverloadError: ``max_jobs`` jobs wait, run or arrive already, or the recordings of all jobs would have more
                than ``max_bytes`` (0: no bound).
            TooLargeError: this job alone has more than that.
            ProtocolError: no file, more than ``MAX_FILES``, or one with neither content nor URL, or both.
            StoreError: the bytes took longer than ``ARRIVAL_MS`` to come.
        """
        ...

    def check_room(
        self, *, size_bytes: int, now_ms: int, max_jobs: int, max_bytes: int = 0
    ) -> None:
        """Refuse what ``submit`` would refuse now for want of room: cheap, and before a recording is sent.

        Raises:
            OverloadError: as ``submit``.
            TooLargeError: likewise.
        """
        ...

    def claim(
        self,
        worker: str,
        *,
        now_ms: int,
        lease_ms: int,
        model: str = "",
        language: str | None = None,
    ) -> Task | None:
        """Borrow the file that waits longest, or one whose lease ran out; None if there is none. Cheap when idle.

        How often a file may be lent is the worker's to decide: see ``Task.file.attempts``.

        Args:
            worker: who asks, for people.
            now_ms: Unix time.
            lease_ms: how long the task is the worker's without ``renew`` or ``keep``.
            model: what the transcript names where the job asks for none.
            language: likewise.
        """
        ...

    def renew(
        self,
        lease: Lease,
        *,
        now_ms: int,
        lease_ms: int,
        heard_ms: int,
        duration_ms: int | None = None,
    ) -> bool:
        """Tell how far it is and keep the task; False: it is lost (to another worker, or cancelled), so stop.

        A ``duration_ms`` of None leaves what is known.
        """
        ...

    def keep(
        self,
        lease: Lease,
        utterances: Sequence[Utterance],
        *,
        now_ms: int,
        lease_ms: int,
        heard_ms: int,
        duration_ms: int | None = None,
    ) -> bool:
        """As ``renew``, with what was heard kept in the same transaction; False: nothing was kept.

        An utterance whose ``utt`` is there already stays as it is.
        """
        ...

    def content(self, lease: Lease) -> Iterator[bytes]:
        """The bytes of the file, in order, a row at a time: no connection is held in between.

        Raises:
            NotFoundError: they are not here (any more), also while they are read; or not fetched yet.
        """
        ...

    def store_content(self, lease: Lease, chunks: Iterable[bytes], *, max_bytes: int = 0) -> bool:
        """Keep the bytes of a file that came from a URL, so that another attempt need not fetch it again.

        All of them or nothing. Does not renew the lease. False: the task is lost.

        Raises:
            OverloadError: the recordings of all jobs would have more than ``max_bytes`` (0: no bound).
        """
        ...

    def finish(self, lease: Lease, *, now_ms: int, audio_ms: int) -> bool:
        """It is heard to the end: its bytes are let go, its transcript is ended. False: the lease was lost."""
        ...

    def fail(
        self, lease: Lease, error: str, *, now_ms: int, retry_at_ms: int | None = None
    ) -> bool:
        """It could not be heard; it waits until ``retry_at_ms``, or has failed for good with None. False: lost.

        The bytes of what failed for good are kept for ``retry`` until the job is forgotten.
        """
        ...

    def give_back(self, lease: Lease, *, now_ms: int) -> bool:
        """Let others go on at once, because the worker stops: the loan uses up no attempt. False: it was lost."""
        ...

    def get(self, job_id: str) -> Job:
        """A job with its first files.

        Raises:
            NotFoundError: no such job.
        """
        ...

    def revision(self, job_id: str) -> int:
        """``Job.revision`` alone, to see cheaply whether anything changed.

        Raises:
            NotFoundError: no such job.
        """
        ...

    def files(
        self,
        job_id: str,
        *,
        state: JobState | None = None,
        start: int = 0,
        limit: int = MAX_SHOWN_FILES,
    ) -> tuple[JobFile, ...]:
        """Files of a job by number, from ``start`` on, ``MAX_SHOWN_FILES`` at most; ``state``: only those.

        Raises:
            NotFoundError: no such job.
            ProtocolError: limit is not usable.
        """
        ...

    def list(self, query: JobQuery) -> JobPage:
        """One page of jobs: one statement, however long it is.

        Raises:
            ProtocolError: limit or cursor are not usable.
        """
        ...

    def cancel(self, job_id: str, *, now_ms: int) -> Job:
        """Stop a job; what was heard stays, and the bytes for ``retry``. A job that is over stays as it is.

        Raises:
            NotFoundError: no such job.
        """
        ...

    def retry(self, job_id: str, *, now_ms: int) -> Job:
        """Queue the failed and cancelled files of a job again, to go on behind what was kept of them.

        They are submitted anew, as it were: behind all that waits, with no attempts used up. Not those whose bytes are
        neither here nor at a URL.

        Raises:
            NotFoundError: no such job.
        """
        ...

    def forget(self, before_ms: int, *, now_ms: int) -> int:
        """Delete jobs that were over before a time, with their bytes (their transcripts stay).

        Also lets go of what crashes left behind: submissions that were cut off, bytes of files that are done. To be
        called now and then.

        Returns:
            How many jobs there were.
        """
        ...
