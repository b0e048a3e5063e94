"""A task while it is one's own: its lease is renewed, what was heard is kept, and that it was lost is noticed.

In: a task of the queue, utterances and progress. Out: rows of the store. Invariants: nothing is kept after the lease
was lost; a store that fails for a while is tried again for as long as the lease lasts. Thread: one hears, another
renews; calls to the queue are made one at a time, so that progress never goes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, final

import structlog

from gapless.errors import OverloadError, StoreError
from gapless.jobs.policy import renew_every_ms
from gapless.store.queue import JobQueue, Task
from gapless.transcript import Utterance

AGAIN_MS: Final = 200
"""Between two attempts to reach a store that fails."""

log = structlog.get_logger(__name__)


class Lost(Exception):  # noqa: N818 - no error: somebody else has the task, or nobody wants it any more
    """The task is not one's own any more: stop."""


@final
class Loan:
    """One task, from its claim to its end. Use it as a context manager: the lease is renewed in the block.

    Args:
        queue: lent it.
        task: what was lent.
        now_ms: Unix time.
        lease_ms: how long it is one's own without renewal.
    """

    def __init__(
        self, queue: JobQueue, task: Task, *, now_ms: Callable[[], int], lease_ms: int
    ) -> None:
        self.task: Final = task
        self._queue = queue
        self._now_ms = now_ms
        self._lease_ms = lease_ms
        self._ends_at_ms = now_ms() + lease_ms
        self._heard_ms = max(task.file.heard_ms, task.resume_ms)
        self._duration_ms: int | None = None
        self._calls = threading.Lock()
        """Held while the queue is told something; guards the three above."""
        self._lost = threading.Event()
        self._over = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="job-lease", daemon=True)

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._renewer.join()

    def check(self) -> None:
        """Go on only while the task is one's own.

        Raises:
            Lost: it is not.
        """
        if self._lost.is_set():
            raise Lost

    def cancel(self) -> None:
        """Nobody wants it any more: whoever hears it stops at the next ``check``."""
        self._lost.set()

    def progress(self, heard_ms: int, duration_ms: int | None) -> None:
        """So much is heard; the queue is told with the next renewal."""
        # Not under the lock, which a slow store may hold: two plain assignments.
        self._heard_ms = max(heard_ms, self._heard_ms)
        self._duration_ms = duration_ms

    def keep(self, utterances: Sequence[Utterance], heard_ms: int) -> None:
        """Keep what was heard, with how far it is.

        Raises:
            Lost: nothing was kept.
        """
        self._heard_ms = max(heard_ms, self._heard_ms)

        def keep(now_ms: int) -> bool:
            return self._queue.keep(
                self.task.lease,
                utterances,
                now_ms=now_ms,
                lease_ms=self._lease_ms,
                heard_ms=self._heard_ms,
                duration_ms=self._duration_ms,
            )

        self._tell(keep, renews=True)

    def finish(self, audio_ms: int) -> None:
        """All is heard and kept.

        Raises:
            Lost: somebody else has to say so.
        """
        self._tell(
            lambda now_ms: self._queue.finish(self.task.lease, now_ms=now_ms, audio_ms=audio_ms)
        )

    def fail(self, error: str, retry_in_ms: int | None) -> None:
        """It could not be heard.

        Raises:
            Lost: nobody wants to know.
        """

        def fail(now_ms: int) -> bool:
            retry_at_ms = None if retry_in_ms is None else now_ms + retry_in_ms
            return self._queue.fail(self.task.lease, error, now_ms=now_ms, retry_at_ms=retry_at_ms)

        self._tell(fail)

    def give_back(self) -> None:
        """Others may go on at once; it uses up no attempt.

        Raises:
            Lost: others do already, or nobody wants it.
        """
        self._tell(lambda now_ms: self._queue.give_back(self.task.lease, now_ms=now_ms))

    def _tell(self, call: Callable[[int], bool], *, renews: bool = False) -> None:
        """Call the queue; where the store fails, again, while the lease lasts."""
        while True:
            self.check()
            try:
                with self._calls:
                    now_ms = self._now_ms()
                    if not call(now_ms):
                        self._lost.set()
                    elif renews:
                        self._ends_at_ms = now_ms + self._lease_ms
                self.check()
            except (StoreError, OverloadError) as error:
                if self._now_ms() + AGAIN_MS >= self._ends_at_ms:
                    self._lost.set()
                log.warning("store_fails", job=self.task.lease.job_id, error=str(error))
                self._lost.wait(AGAIN_MS / 1000)
            else:
                return

    def _renew(self) -> None:
        while not self._over.wait(renew_every_ms(self._lease_ms) / 1000):
            if self._lost.is_set():
                return
            try:
                with self._calls:
                    now_ms = self._now_ms()
                    kept = self._queue.renew(
                        self.task.lease,
                        now_ms=now_ms,
                        lease_ms=self._lease_ms,
                        heard_ms=self._heard_ms,
                        duration_ms=self._duration_ms,
                    )
                    if kept:
                        self._ends_at_ms = now_ms + self._lease_ms
            except (StoreError, OverloadError) as error:
                log.warning("store_fails", job=self.task.lease.job_id, error=str(error))
                kept = self._now_ms() < self._ends_at_ms
            if not kept and not self._over.is_set():
                self._lost.set()
