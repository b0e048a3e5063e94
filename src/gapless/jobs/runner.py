"""The workers of this process, and the door to the queue that wakes them.

In: settings, the engine, the queue of the store. Out: jobs, and recordings that are heard. Invariants: at most
``job_workers`` recordings are heard at a time; what is submitted here is begun without waiting for the next look at the
queue; after ``close`` nothing is heard any more, and what was is back in the queue. Thread: any; calls block for the
store.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self, final

import msgspec
import structlog

from gapless.errors import GaplessError
from gapless.jobs.fetch import FetchLimits, fetch
from gapless.jobs.hearing import Ears
from gapless.jobs.loan import Loan
from gapless.jobs.policy import FORGET_EVERY_MS, KEEP_JOBS_MS
from gapless.jobs.source import Fetch
from gapless.jobs.worker import Bench, Outcome, Worker
from gapless.settings import Settings
from gapless.store.queue import FileSource, Job, JobOptions, JobQueue

STOP_S: Final = 30.0
"""How long ``close`` waits for workers; what one of them still hears then goes back when its lease runs out."""

log = structlog.get_logger(__name__)


class RunnerStats(msgspec.Struct, frozen=True):
    """What the workers of this process did since it began."""

    workers: int
    running: int
    done: int
    failed: int
    retried: int
    lost: int
    given_back: int


@final
class Runner:
    """Submits jobs, and hears them. ``start`` the workers; use it as a context manager, or call ``close``.

    Args:
        settings: how many workers, how long their leases are, and what may be fetched.
        ears: the engine.
        queue: of the store.
        told: called in a worker's thread with what became of each recording.
        fetch_url: gets recordings from URLs, where the settings allow it; None: over the public network only.
    """

    def __init__(
        self,
        settings: Settings,
        ears: Ears,
        queue: JobQueue,
        *,
        told: Callable[[Outcome], None] | None = None,
        fetch_url: Fetch | None = None,
    ) -> None:
        self.queue: Final = queue
        self._settings = settings
        self._told = told
        self._counts: Counter[str] = Counter()
        self._running: list[Loan] = []
        self._lock = threading.Lock()
        """Guards the two above."""
        self._closed = threading.Event()
        self._cleaner: threading.Thread | None = None
        fetches = fetch_url or _fetch_within(settings)
        bench = Bench(
            f"{socket.gethostname()}:{os.getpid()}",
            queue,
            ears,
            settings,
            fetches if settings.job_urls else None,
            now_ms,
            self._begin,
            self._end,
        )
        self._workers = [Worker(bench, number) for number in range(1, settings.job_workers + 1)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to hear what waits. Once."""
        if self._workers:
            self._cleaner = threading.Thread(target=self._forget, name="job-cleaner", daemon=True)
            self._cleaner.start()
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Give back what is being heard, and stop. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._cleaner is None:
            return
        for worker in self._workers:
            worker.stop()
        ends_at = time.monotonic() + STOP_S
        stopped = [worker.join(max(ends_at - time.monotonic(), 0.0)) for worker in self._workers]
        if not all(stopped):
            log.warning("workers_hang", workers=stopped.count(False))
        self._cleaner.join(STOP_S)

    @property
    def idle(self) -> bool:
        """Whether all workers found nothing to do when they asked last."""
        return all(worker.idle for worker in self._workers)

    def stats(self) -> RunnerStats:
        """What the workers do and did."""
        with self._lock:
            counts = dict(self._counts)
            running = len(self._running)
        return RunnerStats(
            workers=len(self._workers),
            running=running,
            done=counts.get("done", 0),
            failed=counts.get("failed", 0),
            retried=counts.get("retried", 0),
            lost=counts.get("lost", 0),
            given_back=counts.get("given_back", 0),
        )

    def check_room(self, size_bytes: int = 0) -> None:
        """Refuse early what would be refused late: before a recording is sent for which there is no room.

        Raises:
            OverloadError: too many jobs wait or run, or they have too many bytes; ``retry_after_ms`` says when to come
                back.
            TooLargeError: so many bytes would not fit into an empty queue.
            StoreError: the store fails.
        """
        self.queue.check_room(
            size_bytes=size_bytes,
            now_ms=now_ms(),
            max_jobs=self._settings.max_jobs,
            max_bytes=self._settings.max_job_bytes,
        )

    def submit(self, job_id: str, files: Sequence[FileSource], options: JobOptions) -> Job:
        """Keep a job, and begin it as soon as there is a worker; one of that id that is there already is returned.

        Raises:
            OverloadError: too many jobs wait or run, or they have too many bytes.
            ProtocolError: there is no file, or too many, or they are larger than all jobs may be.
            StoreError: it cannot be kept.
        """
        job = self.queue.submit(
            job_id,
            files,
            options,
            now_ms=now_ms(),
            max_jobs=self._settings.max_jobs,
            max_bytes=self._settings.max_job_bytes,
        )
        self._nudge()
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job; recordings of it that are heard by this process stop at once.

        Raises:
            NotFoundError: no such job.
            StoreError: the store fails.
        """
        job = self.queue.cancel(job_id, now_ms=now_ms())
        with self._lock:
            loans = [loan for loan in self._running if loan.task.lease.job_id == job_id]
        for loan in loans:
            loan.cancel()
        return job

    def retry(self, job_id: str) -> Job:
        """Hear what failed or was cancelled again, from where it ended.

        Raises:
            NotFoundError: no such job.
            StoreError: the store fails.
        """
        job = self.queue.retry(job_id, now_ms=now_ms())
        self._nudge()
        return job

    def _nudge(self) -> None:
        for worker in self._workers:
            worker.nudge()

    def _begin(self, loan: Loan) -> None:
        with self._lock:
            self._running.append(loan)

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            self._running = [loan for loan in self._running if loan.task is not outcome.task]
            self._counts[outcome.result] += 1
        log.info(
            "recording_of_job",
            result=outcome.result,
            job=outcome.task.lease.job_id,
            file=outcome.task.lease.number,
            error=outcome.error,
        )
        if self._told is not None:
            self._told(outcome)

    def _forget(self) -> None:
        """Let go of old jobs, now and then."""
        while True:
            try:
                now = now_ms()
                self.queue.forget(now - KEEP_JOBS_MS, now_ms=now)
            except GaplessError as error:
                log.warning("old_jobs_stay", error=str(error))
            if self._closed.wait(FORGET_EVERY_MS / 1000):
                return


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _fetch_within(settings: Settings) -> Fetch:
    limits = FetchLimits(settings.max_body_bytes)

    def fetch_within(url: str) -> Iterator[bytes]:
        return fetch(url, limits)

    return fetch_within
