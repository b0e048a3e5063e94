"""The queue over any database.

In: what ``gapless.store.queue`` names. Out: the same, from steps that a database runs. Invariants: those of the
contract; bytes are written and deleted in transactions of at most a few ``CHUNK_BYTES``, so that no other writer waits
long. Thread: any; calls block.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from gapless.errors import GaplessError, OverloadError
from gapless.store.jobs import asking, leaving, lending, room, submitting
from gapless.store.jobs.lending import Loan, Progress
from gapless.store.jobs.room import Need
from gapless.store.jobs.rules import check_files, rows_of
from gapless.store.jobs.steps import Result, Steps
from gapless.store.jobs.submitting import Arrived
from gapless.store.queue import (
    MAX_SHOWN_FILES,
    FileSource,
    Job,
    JobFile,
    JobOptions,
    JobPage,
    JobQuery,
    JobState,
    Lease,
    Task,
)
from gapless.transcript import Utterance

KEY_BITS: Final = 62
"""Keys of jobs are drawn: none comes back while somebody still writes to a job that had it."""


class DatabaseQueue(ABC):
    """A ``JobQueue``, but for how its steps are run."""

    @abstractmethod
    def _read(self, steps: Callable[[], Steps[Result]]) -> Result:
        """Run steps that write nothing.

        Args:
            steps: begins them anew, should they have to be repeated.
        """

    @abstractmethod
    def _write(self, steps: Callable[[], Steps[Result]], *, rows: int = 1) -> Result:
        """Run all steps in one transaction, which is on the disk when this returns.

        Args:
            steps: begins them anew, should they have to be repeated.
            rows: about how many rows they write.
        """

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
        """Keep a new job with all its bytes, or nothing."""
        check_files(files)
        key = secrets.randbits(KEY_BITS)
        need = Need(sum(file.size_bytes for file in files), now_ms, max_jobs, max_bytes)
        self._make_room(partial(submitting.needs_room, job_id, need), now_ms)
        if self._write(partial(submitting.announce, key, job_id, options, need)):
            try:
                arrived = [*self._receive(key, files, need)]
                steps = partial(submitting.arrive, key, job_id, arrived, now_ms)
                self._write(steps, rows=len(arrived))
            except BaseException:
                # Should this fail as well, `forget` finds it later.
                with suppress(GaplessError):
                    self._write(partial(submitting.give_up, key))
                    self._let_go()
                raise
        return self.get(job_id)

    def check_room(
        self, *, size_bytes: int, now_ms: int, max_jobs: int, max_bytes: int = 0
    ) -> None:
        """Refuse what ``submit`` would refuse now for want of room."""
        self._read(partial(room.check_early, Need(size_bytes, now_ms, max_jobs, max_bytes)))

    def claim(
        self,
        worker: str,
        *,
        now_ms: int,
        lease_ms: int,
        model: str = "",
        language: str | None = None,
    ) -> Task | None:
        """Borrow the file that waits longest, or one whose lease ran out."""
        # Idle workers ask all the time: they are not to keep those waiting who write.
        if not self._read(partial(lending.any_ready, now_ms)):
            return None
        loan = Loan(worker, now_ms, now_ms + lease_ms, model, language)
        return self._write(partial(lending.lend, loan))

    def renew(
        self,
        lease: Lease,
        *,
        now_ms: int,
        lease_ms: int,
        heard_ms: int,
        duration_ms: int | None = None,
    ) -> bool:
        """Tell how far it is and keep the task."""
        return self.keep(
            lease,
            (),
            now_ms=now_ms,
            lease_ms=lease_ms,
            heard_ms=heard_ms,
            duration_ms=duration_ms,
        )

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
        """As ``renew``, with what was heard kept in the same transaction."""
        progress = Progress(now_ms, now_ms + lease_ms, heard_ms, duration_ms)
        steps = partial(lending.go_on, lease, progress, utterances)
        return self._write(steps, rows=1 + len(utterances))

    def content(self, lease: Lease) -> Iterator[bytes]:
        """The bytes of the file, in order."""
        job, size_bytes = self._read(partial(asking.recording, lease))
        return self._chunks(job, lease.number, size_bytes)

    def store_content(self, lease: Lease, chunks: Iterable[bytes], *, max_bytes: int = 0) -> bool:
        """Keep the bytes of a file that came from a URL."""
        if not self._clear_content(lease):
            return False
        size_bytes = 0
        try:
            for number, content in enumerate(rows_of(chunks)):
                self._make_room(partial(room.is_short, len(content), max_bytes, 0))
                steps = partial(lending.add_content, lease, number, content, max_bytes)
                if not self._write(steps):
                    return False
                size_bytes += len(content)
        except OverloadError:
            with suppress(GaplessError):
                self._clear_content(lease)
            raise
        return self._write(partial(lending.complete_content, lease, size_bytes))

    def finish(self, lease: Lease, *, now_ms: int, audio_ms: int) -> bool:
        """It is heard to the end."""
        finished = self._write(partial(lending.finish, lease, now_ms, audio_ms))
        if finished:
            # It is done in any case; bytes that cannot be deleted now are found by `forget`.
            with suppress(GaplessError):
                self._let_go()
        return finished

    def fail(
        self, lease: Lease, error: str, *, now_ms: int, retry_at_ms: int | None = None
    ) -> bool:
        """It could not be heard."""
        return self._write(partial(lending.fail, lease, error, now_ms, retry_at_ms))

    def give_back(self, lease: Lease, *, now_ms: int) -> bool:
        """Let others go on at once, because the worker stops."""
        return self._write(partial(lending.give_back, lease, now_ms))

    def get(self, job_id: str) -> Job:
        """A job with its first files."""
        return self._read(partial(asking.get, job_id))

    def revision(self, job_id: str) -> int:
        """``Job.revision`` alone."""
        return self._read(partial(asking.revision, job_id))

    def files(
        self,
        job_id: str,
        *,
        state: JobState | None = None,
        start: int = 0,
        limit: int = MAX_SHOWN_FILES,
    ) -> tuple[JobFile, ...]:
        """Files of a job by number."""
        return self._read(partial(asking.files, job_id, state, start, limit))

    def list(self, query: JobQuery) -> JobPage:
        """One page of jobs."""
        return self._read(partial(asking.page, query))

    def cancel(self, job_id: str, *, now_ms: int) -> Job:
        """Stop a job."""
        self._write(partial(leaving.cancel, job_id, now_ms))
        return self.get(job_id)

    def retry(self, job_id: str, *, now_ms: int) -> Job:
        """Queue the failed and cancelled files of a job again."""
        self._write(partial(leaving.retry, job_id, now_ms))
        return self.get(job_id)

    def forget(self, before_ms: int, *, now_ms: int) -> int:
        """Delete jobs that were over before a time, and what crashes left behind."""
        forgotten = self._write(partial(leaving.forget, before_ms, now_ms))
        self._let_go()
        return forgotten

    def _receive(self, key: int, files: Sequence[FileSource], need: Need) -> Iterator[Arrived]:
        """Keep the bytes of files, one after the other."""
        room_bytes = need.size_bytes
        total_bytes = 0
        for number, file in enumerate(files):
            before_bytes = total_bytes
            for place, content in enumerate(rows_of(file.content or ())):
                total_bytes += len(content)
                if (more_bytes := total_bytes - room_bytes) > 0:
                    self._make_room(partial(room.is_short, more_bytes, need.max_bytes, 0))
                    steps = partial(
                        submitting.reserve, key, total_bytes, more_bytes, need.max_bytes
                    )
                    self._write(steps)
                    room_bytes = total_bytes
                self._write(partial(submitting.add_chunk, key, number, place, content))
            size_bytes = total_bytes - before_bytes
            yield Arrived(file, f"j{secrets.token_hex(10)}", size_bytes)

    def _make_room(self, short: Callable[[], Steps[bool]], now_ms: int = 0) -> None:
        """Let go of bytes that may go, for as long as that is what is wanting."""
        if self._read(short):
            # First what nobody will ask for.
            self.forget(0, now_ms=now_ms)
        while self._read(short) and self._write(room.spare_oldest):
            self._let_go()

    def _clear_content(self, lease: Lease) -> bool:
        """Whether the task is still the worker's, and no byte of it is here."""
        while more := self._write(partial(lending.clear_content, lease)):
            pass
        return more is not None

    def _chunks(self, job: int, file: int, size_bytes: int) -> Iterator[bytes]:
        read_bytes = number = 0
        while read_bytes < size_bytes:
            content = self._read(partial(asking.chunk, job, file, number))
            yield content
            read_bytes += len(content)
            number += 1

    def _let_go(self) -> None:
        while self._write(leaving.let_go):
            pass
