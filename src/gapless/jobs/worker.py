"""One who hears the recordings of jobs, one after the other.

    claim -> bytes -> listen -> keep, keep, keep ... -> finish
       ^                                    |
       `------- fail, give back, lost ------'

In: the queue. Out: transcripts in the store, and an ``Outcome`` for each task. Invariants: whatever happens to a
recording, the worker goes on; what it stops with, it gives back at once. Thread: its own.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Literal, TypeAlias, final

import msgspec
import structlog

from gapless.errors import GaplessError, OverloadError, StoreError
from gapless.jobs.hearing import Ears, hear_task
from gapless.jobs.loan import Loan, Lost
from gapless.jobs.policy import idle_ms, is_worn_out, retry_in_ms
from gapless.jobs.source import Fetch, open_source
from gapless.listen.events import Final as FinalEvent
from gapless.listen.recording import Progress
from gapless.settings import Settings
from gapless.store.queue import JobQueue, Task
from gapless.transcript import Transcript

Result: TypeAlias = Literal["done", "failed", "retried", "lost", "given_back"]

log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a task."""

    result: Result
    """``retried``: it failed and waits for the next attempt; ``lost``: others have it, or nobody wants it any more."""
    task: Task
    audio_ms: int = 0
    """Of the whole recording, when it is done."""
    error: str | None = None


class Bench(msgspec.Struct, frozen=True):
    """What all workers of a process work with."""

    name: str
    """Of the process, for people."""
    queue: JobQueue
    ears: Ears
    settings: Settings
    fetch: Fetch | None
    now_ms: Callable[[], int]
    """Unix time."""
    begun: Callable[[Loan], None]
    told: Callable[[Outcome], None]
    """Both are called in the worker's thread."""


class _Stopped(Exception):  # noqa: N818 - no error: the process ends
    pass


@final
class Worker:
    """Hears recordings until it is stopped."""

    def __init__(self, bench: Bench, number: int) -> None:
        self._bench = bench
        self._name = f"{bench.name}/{number}"
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._chance = random.Random()
        self.idle = False
        """Whether it found nothing to do when it asked last."""
        self._thread = threading.Thread(target=self._run, name=f"job-worker-{number}", daemon=True)

    def start(self) -> None:
        """Begin to ask for tasks."""
        self._thread.start()

    def nudge(self) -> None:
        """There may be something to do."""
        self.idle = False
        self._nudged.set()

    def stop(self) -> None:
        """Give back what is being heard; does not wait for it."""
        self._stopping.set()
        self._nudged.set()

    def join(self, timeout_s: float) -> bool:
        """Whether it has stopped."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        empty = 0
        while not self._stopping.is_set():
            self._nudged.clear()
            task = self._claim()
            if task is not None:
                empty = 0
                self._bench.told(self._work(task))
                continue
            empty += 1
            self.idle = True
            if self._nudged.wait(idle_ms(empty, self._chance.random()) / 1000):
                empty = 0

    def _claim(self) -> Task | None:
        bench = self._bench
        try:
            return bench.queue.claim(
                self._name,
                now_ms=bench.now_ms(),
                lease_ms=bench.settings.job_lease_ms,
                model=bench.ears.default_model().name,
                language=bench.settings.language,
            )
        except GaplessError as error:
            # The store has said that it is away, and will say when it is back; this comes with every look.
            log.debug("no_task", error=str(error))
            return None

    def _work(self, task: Task) -> Outcome:
        """Hear one recording, whatever happens."""
        bench = self._bench
        settings = bench.settings
        loan = Loan(bench.queue, task, now_ms=bench.now_ms, lease_ms=settings.job_lease_ms)
        bench.begun(loan)
        try:
            with loan:
                return self._hear_and_tell(loan)
        except Lost:
            return Outcome("lost", task)
        except (StoreError, OverloadError) as error:
            # Not even the failure can be told: the lease runs out.
            log.warning("task_left", job=task.lease.job_id, error=str(error))
            return Outcome("lost", task, error=str(error))

    def _hear_and_tell(self, loan: Loan) -> Outcome:
        task, settings = loan.task, self._bench.settings
        attempts = task.file.attempts
        if is_worn_out(attempts, settings.job_attempts):
            error = (
                f"whoever heard this recording ended {attempts - 1} times without a word of why; "
                "`gapless jobs retry` tries again"
            )
            loan.fail(error, None)
            return Outcome("failed", task, error=error)
        try:
            audio_ms = self._hear(loan)
        except _Stopped:
            loan.give_back()
            return Outcome("given_back", task)
        except Lost:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a recording does, the next one is heard
            error = _sentence(failure)
            wait_ms = retry_in_ms(failure, attempts, settings.job_attempts, self._chance.random())
            loan.fail(error, wait_ms)
            return Outcome("failed" if wait_ms is None else "retried", task, error=error)
        loan.finish(audio_ms)
        return Outcome("done", task, audio_ms)

    def _hear(self, loan: Loan) -> int:
        """Hear a recording to its end; its length."""
        bench = self._bench
        max_ms = bench.settings.max_file_ms
        audio_ms = heard_ms = 0
        with (
            open_source(bench.queue, loan, bench.fetch, bench.settings.max_job_bytes) as source,
            closing(hear_task(bench.ears, loan.task, source, max_ms=max_ms)) as events,
        ):
            for event in events:
                if self._stopping.is_set():
                    raise _Stopped
                loan.check()
                if isinstance(event, FinalEvent):
                    heard_ms = max(heard_ms, event.utterance.end_ms)
                    loan.keep([event.utterance], heard_ms)
                elif isinstance(event, Progress):
                    heard_ms = event.heard_ms
                    loan.progress(heard_ms, event.duration_ms)
                elif isinstance(event, Transcript):
                    audio_ms = event.duration_ms
        return audio_ms


def _sentence(failure: Exception) -> str:
    if isinstance(failure, GaplessError):
        return failure.message
    log.error("recording_broke", exc_info=failure)
    return "something broke while this recording was heard; look into the worker's log"
