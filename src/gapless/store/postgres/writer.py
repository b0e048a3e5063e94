"""The one task that writes what is heard, and the queue before it.

In: jobs from any thread. Out: each job's outcome, after its commit. Invariants: jobs are written in the order they
came; jobs that wait together share a transaction up to its bounds in rows and in time, so one wait for the disk serves
them all (group commit), and none waits for more to come; a job that fails takes nothing of the others with it; the rows
that wait are bounded; while the server is gone jobs wait, each for at most ``PATIENCE_S``.
Thread: ``run``, ``submit``, ``stats`` and ``close`` from any; the rest is the event loop's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic, monotonic_ns
from typing import Final, final

import msgspec

from gapless.errors import GaplessError, StoreError
from gapless.store.answer import deleted_transcript
from gapless.store.backlog import Backlog
from gapless.store.contract import SessionRecord
from gapless.store.inferences import InferenceRecord
from gapless.store.options import StoreOptions
from gapless.store.postgres.database import PATIENCE_S, Database
from gapless.store.postgres.inferences import add_inferences
from gapless.store.postgres.link import Connection, Link, LinkOptions
from gapless.store.postgres.writing import (
    SessionEnd,
    UtteranceRow,
    add_utterances,
    begin_sessions,
    end_sessions,
)
from gapless.store.times import Times
from gapless.store.trouble import CANNOT_WRITE, SILENT

ROOM_TIMEOUT_S: Final = 5.0
"""How long a caller waits for room in a full queue."""

NS_PER_S: Final = 1_000_000_000

ANSWER_TIMEOUT_S: Final = PATIENCE_S + 30.0
"""How long a caller waits for its commit; a server that takes longer hangs."""

UNWRITABLE: Final = (ValueError, TypeError, ArithmeticError)
"""What the driver raises for values that have no form on the wire, such as lone surrogates in an id."""

CLOSE_TIMEOUT_S: Final = 5.0
"""How long ``close`` waits for a server that is gone."""

LATE_S: Final = 5.0
"""A server that has not written a group for so long is said to be late."""


class WriterStats(msgspec.Struct, frozen=True):
    """What the writer has done so far; all but ``jobs`` and ``commits`` are rows."""

    waiting: int
    rows: int
    refused: int
    jobs: int
    commits: int


class Job:
    """Something to write, and the promise of its outcome. Only one of the four is there."""

    def __init__(
        self,
        *,
        session: SessionRecord | None = None,
        utterances: Sequence[UtteranceRow] = (),
        end: SessionEnd | None = None,
        inferences: Sequence[InferenceRecord] = (),
    ) -> None:
        self.session = session
        self.utterances = utterances
        self.end = end
        self.inferences = inferences
        self.rows = max(1, len(utterances) + len(inferences))
        self.future: Future[None] = Future()
        self.asked_s = monotonic()
        self.error: GaplessError | None = None
        """What the last attempt found wrong with this job alone."""


@final
class Writer:
    """See the module's head.

    Args:
        database: where to; it stays open until the writer is closed.
        options: how much shares a transaction, and how much may wait.
        times: is told what writing takes.
    """

    def __init__(self, database: Database, options: StoreOptions, times: Times) -> None:
        self._database = database
        self._options = options
        # Guards everything below but the link, which is the loop's.
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._jobs: Backlog[Job] = Backlog(options.max_waiting)
        self._times = times
        self._closed = False
        self._rows = self._written = self._commits = 0
        # Of its own: writing does not wait for those who read.
        self._link: Link = database.run(
            database.connect(
                LinkOptions(
                    lower=1,
                    upper=1,
                    timeout_s=PATIENCE_S,
                    statement_timeout_ms=0,
                    prepared=options.prepared,
                )
            ),
            PATIENCE_S,
        )
        self._work = asyncio.Event()
        self._done = database.start(self._serve())

    def run(self, job: Job) -> None:
        """Write a job and wait until it is on the server's disk.

        Raises:
            OverloadError: the queue stayed full.
            StoreError: it cannot be written, its session is not there, or the store is closed.
        """
        future = self._enqueue(job, ROOM_TIMEOUT_S)
        try:
            future.result(ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            future.cancel()
            raise StoreError(
                f"{self._database.address.label} has not answered for {ANSWER_TIMEOUT_S:.0f} s; "
                "check the server and the network"
            ) from error

    def submit(self, job: Job) -> Future[None]:
        """Write a job without waiting; the future is done once it is on the server's disk.

        Raises:
            OverloadError: the queue is full.
            StoreError: the store is closed.
        """
        return self._enqueue(job, 0.0)

    def adjust(self, options: StoreOptions) -> None:
        """Put other numbers of rows into the transactions that begin from now on."""
        self._options = options

    def stats(self) -> WriterStats:
        """Counts since the start."""
        with self._room:
            return WriterStats(
                self._jobs.rows, self._rows, self._jobs.refused, self._written, self._commits
            )

    def close(self) -> None:
        """Write what waits, and let go of the connection. Idempotent."""
        with self._room:
            if self._closed:
                return
            self._closed = True
            self._room.notify_all()
        self._database.tell(self._work.set)
        patience_s = ANSWER_TIMEOUT_S if self._link.stats().there else CLOSE_TIMEOUT_S
        with suppress(TimeoutError):
            self._done.result(patience_s)
        self._database.run(self._link.close(), CLOSE_TIMEOUT_S)
        # Whoever still waits learns that the store is closed.
        with suppress(TimeoutError):
            self._done.result(CLOSE_TIMEOUT_S)

    def _enqueue(self, job: Job, room_timeout_s: float) -> Future[None]:
        with self._room:
            self._room.wait_for(
                lambda: self._closed or self._jobs.has_room(job.rows), room_timeout_s
            )
            if self._closed:
                raise StoreError("the store is closed; start the server or command again")
            self._jobs.offer(job, job.rows)
        self._database.tell(self._work.set)
        return job.future

    async def _serve(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while group := self._take(self._options.batch_rows):
                await self._write(group)
            if self._closed:
                return

    def _take(self, most_rows: int) -> list[Job]:
        """What waits, at least one job if there is any, up to so many rows."""
        taken: list[Job] = []
        rows = 0
        with self._room:
            while (next_rows := self._jobs.next_rows()) is not None:
                if rows and rows + next_rows > most_rows:
                    break
                job = self._jobs.take()
                if job.future.set_running_or_notify_cancel():
                    taken.append(job)
                    rows += next_rows
            self._room.notify_all()
        return taken

    async def _write(self, group: list[Job]) -> None:
        """Write a group in one transaction, with what comes meanwhile, and settle its promises."""
        began_ns = monotonic_ns()
        patience_s = min(job.asked_s for job in group) + PATIENCE_S - monotonic()
        late = asyncio.get_running_loop().call_later(LATE_S, self._is_late, monotonic())
        try:
            await self._link.write(
                lambda connection: self._fill(connection, group), patience_s=max(0.0, patience_s)
            )
        except (GaplessError, *UNWRITABLE) as error:
            there = self._link.stats().there
            if len(group) == 1 or not there:
                if there and isinstance(error, StoreError):
                    self._database.trouble.begin(self, CANNOT_WRITE, str(error))
                else:
                    self._database.trouble.end(self)  # the link knows when the server is back
                for job in group:
                    job.future.set_exception(error)
                return
            # One of them was too much for the server; the others may well fit.
            for job in group:
                await self._write([job])
            return
        finally:
            late.cancel()
        self._database.trouble.end(self)
        rows = sum(job.rows for job in group)
        with self._room:
            self._rows += rows
            self._written += len(group)
            self._commits += 1
            self._jobs.learn(rows, monotonic_ns() - began_ns)
        self._times.add("commit", (monotonic_ns() - began_ns) / NS_PER_S)
        now_s = monotonic()
        for job in group:
            self._times.add("write", now_s - job.asked_s)
            if job.error is None:
                job.future.set_result(None)
            else:
                job.future.set_exception(job.error)

    def _is_late(self, since_s: float) -> None:
        self._database.trouble.begin(
            self, SILENT, f"nothing was written for {LATE_S:.0f} s", since_s=since_s
        )

    async def _fill(self, connection: Connection, group: list[Job]) -> None:
        """Write ``group`` in an open transaction, and add to it what waits by then, while there is room and time."""
        began_s = monotonic()
        done = 0
        while done < len(group):
            await _write_jobs(connection, group[done:])
            done = len(group)
            room = self._options.batch_rows - sum(job.rows for job in group)
            if room > 0 and (monotonic() - began_s) * 1000 < self._options.batch_ms:
                group += self._take_if_fits(room)

    def _take_if_fits(self, room: int) -> list[Job]:
        with self._room:
            next_rows = self._jobs.next_rows()
        return self._take(room) if next_rows is not None and next_rows <= room else []


async def _write_jobs(connection: Connection, jobs: Sequence[Job]) -> None:
    """Write jobs in an open transaction: what began, then what was said, then what ended.

    A caller that needs one before the other waits for the first, so their order is kept.
    """
    sessions = [job.session for job in jobs if job.session is not None]
    rows = [row for job in jobs for row in job.utterances]
    ends = [job.end for job in jobs if job.end is not None]
    calls = [record for job in jobs for record in job.inferences]
    if calls:
        await add_inferences(connection, calls)
    if sessions:
        await begin_sessions(connection, sessions)
    missing = await add_utterances(connection, rows) if rows else set()
    unended = await end_sessions(connection, ends) if ends else set()
    for job in jobs:
        job.error = None
        if job.utterances and job.utterances[0]["session_id"] in missing:
            job.error = deleted_transcript(job.utterances[0]["session_id"])
        if job.end is not None and job.end.id in unended:
            job.error = deleted_transcript(job.end.id)
