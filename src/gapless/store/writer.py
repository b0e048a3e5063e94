"""The one thread that writes, and the queue before it.

In: jobs from any thread. Out: each job's result or error, after its commit.
Invariants: jobs run one after the other in the order they came; jobs that wait together share one transaction, so one
wait for the disk serves them all (group commit); a job that fails takes back what it wrote and nothing else.
Thread: ``run``, ``stats`` and ``close`` from any; jobs and the connection belong to the writer's thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final, Generic, TypeVar, final

import msgspec

from gapless.batching.batcher import Batch, Batcher, Policy
from gapless.errors import StoreError
from gapless.store.connection import rollback
from gapless.store.failure import store_error

Result = TypeVar("Result")

CAPACITY: Final = 256
"""Jobs that may wait."""

LARGEST_GROUP: Final = 64
"""Jobs that share a transaction at most; the first of them waits until the last is written."""

ROOM_TIMEOUT_S: Final = 5.0
"""How long a caller waits for room in a full queue."""

ANSWER_TIMEOUT_S: Final = 30.0
"""How long a caller waits for its commit; a disk that takes longer hangs."""


class WriterStats(msgspec.Struct, frozen=True):
    """What the writer has done so far."""

    waiting: int
    jobs: int
    commits: int
    refused: int


class Job(Generic[Result]):
    """Something to write, and the promise of its outcome."""

    def __init__(self, work: Callable[[sqlite3.Connection], Result]) -> None:
        self.work = work
        """May run twice; what its first run wrote was rolled back before."""
        self.future: Future[Result] = Future()


@final
class Writer:
    """Runs jobs on its own thread, a group of them to a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        capacity: int = CAPACITY,
        room_timeout_s: float = ROOM_TIMEOUT_S,
    ) -> None:
        """Take over ``connection``: from here on it belongs to the writer's thread, which closes it in the end."""
        self._path = path
        self._capacity = capacity
        self._room_timeout_s = room_timeout_s
        # Guards everything below; `_room` and `_work` are two doors to the same room.
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._work = threading.Condition(lock)
        # Of one kind and none with a deadline: first come, first served.
        policy = Policy(buckets=(LARGEST_GROUP,), max_waiting=capacity)
        self._jobs: Batcher[None, Job[Any]] = Batcher(lambda _: policy, max_waiting=capacity)
        self._closed = False
        self._written = self._commits = 0
        # A daemon, because a caller only ever counts on writes whose commit it has seen.
        self._thread = threading.Thread(
            target=self._serve, args=(connection,), name="gapless-store", daemon=True
        )
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` on the writer's thread and wait until what it wrote is on the disk.

        Raises:
            OverloadError: the queue stayed full.
            StoreError: it cannot be written, or the store is closed.
            GaplessError: whatever ``work`` raises.
        """
        job = Job(work)
        with self._room:
            self._room.wait_for(self._may_enter, self._room_timeout_s)
            if self._closed:
                raise closed_error()
            self._jobs.offer(None, job, monotonic_ns())
            self._work.notify()
        try:
            return job.future.result(ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            job.future.cancel()
            raise StoreError(
                f"the disk of {self._path} has not answered for {ANSWER_TIMEOUT_S:.0f} s; check the disk"
            ) from error

    def stats(self) -> WriterStats:
        """Counts since the start."""
        with self._work:
            jobs = self._jobs.stats
            return WriterStats(jobs.waiting, self._written, self._commits, jobs.refused)

    def close(self) -> None:
        """Write what waits, then close the connection. Idempotent."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
        self._thread.join(ANSWER_TIMEOUT_S)

    def _may_enter(self) -> bool:
        return self._closed or self._jobs.stats.waiting < self._capacity

    def _serve(self, connection: sqlite3.Connection) -> None:
        with closing(connection):
            while group := self._next_group():
                jobs = [entry.row for entry in group.entries]
                awaited = [job for job in jobs if job.future.set_running_or_notify_cancel()]
                began_ns = monotonic_ns()
                self._write(connection, awaited)
                ended_ns = monotonic_ns()
                with self._work:
                    self._jobs.finish(group, ended_ns, ended_ns - began_ns)

    def _next_group(self) -> Batch[None, Job[Any]] | None:
        """The jobs that wait, at least one; None when the writer is closed and all is written."""
        with self._work:
            self._work.wait_for(lambda: self._jobs.stats.waiting or self._closed)
            group = self._jobs.take(monotonic_ns())
            if group is not None:
                self._room.notify(group.rows)
            return group

    def _write(self, connection: sqlite3.Connection, group: list[Job[Any]]) -> None:
        """Run a group in one transaction and settle its promises."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # Another process held the file too long, or the disk is gone: no job would fare better alone.
            for job in group:
                job.future.set_exception(store_error(error, self._path))
            return
        try:
            settle = [self._attempt(connection, job) for job in group]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            rollback(connection)
            if len(group) > 1:
                # One of them was too much, for a full disk perhaps; the others may well fit.
                for job in group:
                    self._write(connection, [job])
            else:
                group[0].future.set_exception(store_error(error, self._path))
            return
        with self._work:
            self._written += len(group)
            self._commits += 1
        for tell in settle:
            tell()

    def _attempt(self, connection: sqlite3.Connection, job: Job[Any]) -> Callable[[], None]:
        """Run one job of a group; returns what tells its caller the outcome once the group is committed.

        Raises:
            sqlite3.Error: SQLite gave up the whole transaction.
        """
        connection.execute("SAVEPOINT job")
        try:
            result = job.work(connection)
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO job")
            outcome = store_error(error, self._path) if isinstance(error, sqlite3.Error) else error
            tell = partial(job.future.set_exception, outcome)
        else:
            tell = partial(job.future.set_result, result)
        connection.execute("RELEASE job")
        return tell


def closed_error() -> StoreError:
    """What any call to a closed store raises."""
    return StoreError("the store is closed; start the server or command again")
