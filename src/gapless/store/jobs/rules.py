"""Rules of the queue that no database has a part in.

In: what callers ask for, rows of files. Out: checked queries, chunks of one size, records, times.
Invariants: nothing here reads a clock or writes. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from gapless.errors import (
    NotFoundError,
    OverloadError,
    ProtocolError,
    StoreError,
    TooLargeError,
)
from gapless.store.queue import (
    CHUNK_BYTES,
    MAX_ERROR_CHARS,
    MAX_FILES,
    MAX_JOB_PAGE,
    MAX_SHOWN_FILES,
    PACE_MS,
    FileCounts,
    FileSource,
    Job,
    JobFile,
    JobOptions,
    JobQuery,
    JobState,
)
from gapless.store.text import keepable

MIB: Final = 1024 * 1024

FIRST_BACKOFF_MS: Final = 1000

LONGEST_BACKOFF_MS: Final = 10 * 60_000

RETRY_SUBMIT_MS: Final = 10_000
"""When to come back to a full queue; a job takes seconds to minutes."""


class Row(Protocol):
    """A row of any driver: its values by column name."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column."""
        ...


def state_of(counts: FileCounts) -> JobState:
    """The state of a job with such files; the databases have the same rule in a column, to search by."""
    if counts.queued and counts.queued == counts.total:
        return "queued"
    if counts.open:
        return "running"
    if counts.cancelled:
        return "cancelled"
    return "failed" if counts.failed else "done"


def rank_ms(submitted_at_ms: int, number: int) -> int:
    """Where a file stands in the order of loans; the smaller, the earlier."""
    return submitted_at_ms + number * PACE_MS


def backoff_ms(attempts: int, chance: float) -> int:
    """How long to wait behind a failed attempt: twice as long each time, within bounds, half of it left to chance.

    Chance keeps what failed together from coming back together. Source: M. Brooker, "Exponential backoff and jitter",
    AWS Architecture Blog, 2015 ("equal jitter").

    Args:
        attempts: that were made, from 1.
        chance: 0 to 1, anew each time.
    """
    # Beyond the bound the power is of no use, and may be of any size.
    full_ms = min(FIRST_BACKOFF_MS * 2 ** min(attempts - 1, 32), LONGEST_BACKOFF_MS)
    return int(full_ms / 2 * (1 + chance))


def rows_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of ``CHUNK_BYTES``, the last of them shorter; no more than two are held at a time."""
    gathered = bytearray()
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK_BYTES):
            gathered += chunk[start : start + CHUNK_BYTES]
            if len(gathered) >= CHUNK_BYTES:
                yield bytes(gathered[:CHUNK_BYTES])
                del gathered[:CHUNK_BYTES]
    if gathered:
        yield bytes(gathered)


def check_files(files: Sequence[FileSource]) -> None:
    """Refuse what is no job.

    Raises:
        ProtocolError: no file, too many, or one that has not exactly one of content and URL.
    """
    if not 1 <= len(files) <= MAX_FILES:
        raise ProtocolError(f"a job has {len(files)} files; send 1 to {MAX_FILES}", param="files")
    for number, file in enumerate(files):
        if (file.content is None) == (file.url is None):
            raise ProtocolError(
                f"file {number} of the job has {'neither' if file.url is None else 'both'} content and URL; "
                "send one of them",
                param="files",
            )


def check_query(query: JobQuery) -> None:
    """Refuse pages of other sizes.

    Raises:
        ProtocolError: the limit is out of its bounds.
    """
    if not 1 <= query.limit <= MAX_JOB_PAGE:
        raise ProtocolError(f"limit is {query.limit}; ask for 1 to {MAX_JOB_PAGE}", param="limit")


def check_files_limit(limit: int) -> None:
    """As ``check_query``, for the files of a job."""
    if not 1 <= limit <= MAX_SHOWN_FILES:
        raise ProtocolError(f"limit is {limit}; ask for 1 to {MAX_SHOWN_FILES}", param="limit")


def kept_error(error: str) -> str:
    """What is kept of an error."""
    return keepable(error[:MAX_ERROR_CHARS])


def file_record(row: Row) -> JobFile:
    """The file of a row of ``job_files``."""
    return JobFile(
        number=row["number"],
        state=row["state"],
        session_id=row["session_id"],
        name=row["name"],
        url=row["url"],
        size_bytes=row["size_bytes"],
        has_content=row["content"] == 1,
        attempts=row["attempts"],
        heard_ms=row["heard_ms"],
        duration_ms=row["duration_ms"],
        worker=row["worker"],
        error=row["error"],
    )


def job_records(rows: Iterable[Row]) -> list[Job]:
    """The jobs of rows that hold a job and one of its files each, those of a job side by side."""
    jobs: list[Job] = []
    files: list[list[JobFile]] = []
    for row in rows:
        if not jobs or jobs[-1].id != row["job_id"]:
            jobs.append(_job_record(row))
            files.append([])
        files[-1].append(file_record(row))
    return [
        msgspec.structs.replace(job, files=tuple(shown))
        for job, shown in zip(jobs, files, strict=True)
    ]


def read_options(options: str) -> JobOptions:
    """The options that a row holds as JSON."""
    return msgspec.json.decode(options, type=JobOptions)


def unknown_job(job_id: str) -> NotFoundError:
    """What calls raise that name a job that is not there."""
    return NotFoundError(
        f"no job {job_id!r} is kept; `gapless jobs list` and GET /v1/jobs list what is", param="id"
    )


def content_gone() -> NotFoundError:
    """What reading bytes raises that are not here."""
    return NotFoundError(
        "the bytes of this recording are not kept (any more); submit it again to hear it again"
    )


def full_queue(max_jobs: int) -> OverloadError:
    """What submitting to a full queue raises."""
    return OverloadError(
        f"{max_jobs} jobs wait or run, which is all that may; try again later or raise max_jobs",
        retry_after_ms=RETRY_SUBMIT_MS,
    )


def no_room(max_bytes: int) -> OverloadError:
    """What keeping a recording raises that there is no room for."""
    return OverloadError(
        f"recordings of jobs that wait or run take up the {max_bytes // MIB} MB that they may; "
        "try again when some are heard, or raise max_job_mb",
        retry_after_ms=RETRY_SUBMIT_MS,
    )


def too_large(max_bytes: int) -> TooLargeError:
    """What submitting raises that would not fit into an empty queue."""
    return TooLargeError(
        f"the recordings of this job are larger than the {max_bytes // MIB} MB that all jobs may take up; "
        "send fewer at a time, or raise max_job_mb"
    )


def too_slow() -> StoreError:
    """What a submission raises that was given up while it went on."""
    return StoreError("the recordings of this job took too long to arrive; send fewer at a time")


def _job_record(row: Row) -> Job:
    counts = FileCounts(*(row[f"{state}_files"] for state in FileCounts.__struct_fields__))
    return Job(
        id=row["job_id"],
        state=state_of(counts),
        created_at_ms=row["created_at_ms"],
        options=read_options(row["options"]),
        counts=counts,
        files=(),
        revision=row["revision"],
        finished_at_ms=row["finished_at_ms"],
    )
