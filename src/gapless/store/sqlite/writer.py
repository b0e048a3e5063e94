"""The one thread that writes, and the queue before it.

In: jobs from any thread. Out: each job's result or error, after its commit.
Invariants: jobs run one after the other in the order they came; jobs that wait together share a transaction up to its
bounds in rows and in time, so one wait for the disk serves them all (group commit), and none waits for more to come; a
job that fails takes back what it wrote and nothing else; the rows that wait are bounded.
Thread: ``run``, ``submit``, ``run_alone``, ``stats`` and ``close`` from any; jobs and the connection belong to the
writer's thread, which also calls back what was added to a future.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any, Final, Generic, TypeVar, final

import msgspec

from gapless.errors import StoreError
from gapless.store.backlog import Backlog
from gapless.store.options import StoreOptions
from gapless.store.sqlite.connection import rollback
from gapless.store.sqlite.failure import kind_of, store_error
from gapless.store.times import Times
from gapless.store.trouble import CANNOT_WRITE, SILENT, Trouble, told

Result = TypeVar("Result")

NS_PER_S: Final = 1_000_000_000

ROOM_TIMEOUT_S: Final = 5.0
"""How long a caller waits for room in a full queue."""

ANSWER_TIMEOUT_S: Final = 30.0
"""How long a caller waits for its commit; a disk that takes longer hangs."""

LATE_S: Final = 5.0
"""A disk that has not written a group for so long is said to be late."""

JOBS_OWN_FAULT: Final = (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG)
"""What says nothing about the disk and the file."""


class WriterStats(msgspec.Struct, frozen=True):
    """What the writer has done so far; all but ``jobs`` and ``commits`` are rows."""

    waiting: int
    rows: int
    refused: int
    jobs: int
    commits: int


class Job(Generic[Result]):
    """Something to write, and the promise of its outcome."""

    def __init__(
        self, work: Callable[[sqlite3.Connection], Result], rows: int, *, alone: bool = False
    ) -> None:
        self.work = work
        """May run twice; what its first run wrote was rolled back before."""
        self.rows = rows
        self.alone = alone
        """Outside of any transaction."""
        self.future: Future[Result] = Future()
        self.asked_s = monotonic()


@final
class Writer:
    """Runs jobs on its own thread, a group of them to a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        options: StoreOptions | None = None,
        *,
        room_timeout_s: float = ROOM_TIMEOUT_S,
        times: Times | None = None,
    ) -> None:
        """Take over ``connection``: from here on it belongs to the writer's thread, which closes it in the end."""
        options = options or StoreOptions()
        self._path = path
        self._batch_rows = options.batch_rows
        self._batch_ns = options.batch_ms * 1_000_000
        self._room_timeout_s = room_timeout_s
        self._times = times or Times()
        # Guards everything below; `_room` and `_work` are two doors to the same room.
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._work = threading.Condition(lock)
        self._jobs: Backlog[Job[Any]] = Backlog(options.max_waiting)
        self._closed = False
        self._alone = False
        self._written = self._rows = self._commits = 0
        self._busy_since_s: float | None = None
        self._trouble = Trouble()
        self._noted = False
        """Something in the group that is being written failed by the disk or the file."""
        # A daemon, because a caller only ever counts on writes whose commit it has seen.
        self._thread = threading.Thread(
            target=self._serve, args=(connection,), name="gapless-store", daemon=True
        )
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], Result], *, rows: int = 1) -> Result:
        """Run ``work`` on the writer's thread and wait until what it wrote is on the disk.

        Args:
            work: writes through the connection that it gets; may run twice, the first time without trace.
            rows: about how many rows it writes, for the bounds of the queue and of transactions.

        Raises:
            OverloadError: the queue stayed full.
            StoreError: it cannot be written, or the store is closed.
            GaplessError: whatever ``work`` raises.
        """
        job = Job(work, rows)
        with self._room:
            self._room.wait_for(
                lambda: self._closed or self._jobs.has_room(rows), self._room_timeout_s
            )
            self._offer(job)
        try:
            return job.future.result(ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            job.future.cancel()
            raise self._late() from error

    def submit(
        self, work: Callable[[sqlite3.Connection], Result], *, rows: int = 1
    ) -> Future[Result]:
        """As ``run``, without waiting: the future is done once what was written is on the disk.

        Raises:
            OverloadError: there is no room in the queue.
            StoreError: the store is closed.
        """
        job = Job(work, rows)
        with self._room:
            self._offer(job)
        return job.future

    def run_alone(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` outside of any transaction, however long it takes; others wait for it.

        Raises:
            StoreError: it failed, or the store is closed.
        """
        job = Job(work, 0, alone=True)
        with self._room:
            self._offer(job)
        return job.future.result()

    def adjust(self, options: StoreOptions) -> None:
        """Put other numbers of rows into the transactions that begin from now on."""
        with self._work:
            self._batch_rows = options.batch_rows
            self._batch_ns = options.batch_ms * 1_000_000

    def stats(self) -> WriterStats:
        """What waits, and counts since the start."""
        with self._work:
            return WriterStats(
                self._jobs.rows, self._rows, self._jobs.refused, self._written, self._commits
            )

    @property
    def trouble(self) -> str:
        """What cannot be done now and for how long; empty when all is well."""
        since_s = self._busy_since_s
        busy_s = 0.0 if since_s is None or self._alone else monotonic() - since_s
        return self._trouble.words or (told(SILENT, busy_s) if busy_s > LATE_S else "")

    def close(self) -> None:
        """Write what waits, then close the connection. Idempotent."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
        self._thread.join(ANSWER_TIMEOUT_S)

    def _offer(self, job: Job[Any]) -> None:
        """Queue a job; the caller holds the lock."""
        if self._closed:
            raise closed_error()
        self._jobs.offer(job, job.rows)
        self._work.notify()

    def _late(self) -> StoreError:
        if self._alone:
            return StoreError(
                f"{self._path} is being checked or made smaller, and everything else waits; try again later"
            )
        return StoreError(
            f"the disk of {self._path} has not answered for {ANSWER_TIMEOUT_S:.0f} s; check the disk"
        )

    def _serve(self, connection: sqlite3.Connection) -> None:
        with closing(connection):
            while waiting := self._wait():
                self._busy_since_s = monotonic()
                self._write_group(connection, waiting)
                self._busy_since_s = None

    def _wait(self) -> int:
        """Jobs that wait, at least one; 0 when the writer is closed and all is written."""
        with self._work:
            self._work.wait_for(lambda: len(self._jobs) or self._closed)
            return len(self._jobs)

    def _take(self, room: int | None) -> Job[Any] | None:
        """The next job that nobody gave up, or None if none waits that fits into ``room`` (None: any)."""
        with self._work:
            while (rows := self._jobs.next_rows()) is not None:
                if room is not None and rows > room:
                    return None
                job = self._jobs.take()
                self._room.notify_all()
                if job.future.set_running_or_notify_cancel():
                    return job
        return None

    def _write_group(self, connection: sqlite3.Connection, waiting: int) -> None:
        """Run jobs in one transaction until none waits or it is large or old enough, and settle their promises."""
        job = self._take(None)
        if job is None:
            return
        self._noted = False
        began_ns = monotonic_ns()
        if not self._begin(connection, job, waiting):
            return
        group: list[Job[Any]] = []
        tell: list[Callable[[], None]] = []
        alone: Job[Any] | None = None
        try:
            while job is not None:
                if job.alone:
                    alone = job
                    break
                group.append(job)
                tell.append(self._attempt(connection, job))
                if monotonic_ns() - began_ns >= self._batch_ns:
                    break
                job = self._take(self._batch_rows - sum(other.rows for other in group))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                rollback(connection)
            self._write_each(connection, group, error)
        else:
            self._settle(group, tell, monotonic_ns() - began_ns)
        if alone is not None:
            self._run_alone(connection, alone)

    def _begin(self, connection: sqlite3.Connection, first: Job[Any], waiting: int) -> bool:
        """Begin a transaction; False if that is not possible, which all who waited are told."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # Another process held the file too long, or the disk is gone: no other job would fare better.
            self._note(error)
            first.future.set_exception(store_error(error, self._path))
            for _ in range(waiting - 1):
                job = self._take(None)
                if job is None:
                    break
                job.future.set_exception(store_error(error, self._path))
            return False
        return True

    def _write_each(
        self, connection: sqlite3.Connection, group: list[Job[Any]], error: sqlite3.Error
    ) -> None:
        """One job of the group was too much, for a full disk perhaps; the others may well fit."""
        if len(group) == 1:
            self._note(error)
            group[0].future.set_exception(store_error(error, self._path))
            return
        for job in group:
            began_ns = monotonic_ns()
            try:
                connection.execute("BEGIN IMMEDIATE")
                tell = self._attempt(connection, job)
                connection.execute("COMMIT")
            except sqlite3.Error as own_error:
                with suppress(sqlite3.Error):
                    rollback(connection)
                self._note(own_error)
                job.future.set_exception(store_error(own_error, self._path))
            else:
                self._settle([job], [tell], monotonic_ns() - began_ns)

    def _settle(self, group: list[Job[Any]], tell: list[Callable[[], None]], step_ns: int) -> None:
        rows = sum(job.rows for job in group)
        with self._work:
            if group:
                self._jobs.learn(rows, step_ns)
                self._commits += 1
            self._written += len(group)
            self._rows += rows
        if group:
            self._times.add("commit", step_ns / NS_PER_S)
        now_s = monotonic()
        for job in group:
            self._times.add("write", now_s - job.asked_s)
        if group and not self._noted:
            self._trouble.end(self)
        for tell_one in tell:
            tell_one()

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
                if isinstance(error, sqlite3.Error):
                    raise
                raise sqlite3.OperationalError("the transaction was given up") from error
            connection.execute("ROLLBACK TO job")
            outcome: Exception = error
            if isinstance(error, sqlite3.Error):
                self._note(error)
                outcome = store_error(error, self._path)
            tell = partial(job.future.set_exception, outcome)
        else:
            tell = partial(job.future.set_result, result)
        connection.execute("RELEASE job")
        return tell

    def _note(self, error: sqlite3.Error) -> None:
        """Something could not be written; it is well again when something is."""
        if kind_of(error) not in JOBS_OWN_FAULT:
            self._noted = True
            self._trouble.begin(self, CANNOT_WRITE, str(store_error(error, self._path)))

    def _run_alone(self, connection: sqlite3.Connection, job: Job[Any]) -> None:
        self._alone = True
        try:
            result = job.work(connection)
        except sqlite3.Error as error:
            job.future.set_exception(store_error(error, self._path))
        except Exception as error:  # noqa: BLE001 - it belongs to the caller
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
        finally:
            self._alone = False


def closed_error() -> StoreError:
    """What any call to a closed store raises."""
    return StoreError("the store is closed; start the server or command again")
