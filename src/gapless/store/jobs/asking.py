"""What is read of jobs.

In: checked queries. Out: requests to a database, then records. Invariants: a page, or a job, is one statement however
many jobs and files it shows. Thread: any (generators without a state of their own).
"""

from __future__ import annotations

from typing import Any

from gapless.store.cursor import NEWEST, Place, decode_cursor, encode_cursor
from gapless.store.jobs.leaving import key_of
from gapless.store.jobs.rules import (
    check_files_limit,
    check_query,
    content_gone,
    file_record,
    job_records,
    unknown_job,
)
from gapless.store.jobs.statements import (
    CHUNK,
    CONTENT,
    FILES,
    FILES_STATE,
    GET,
    KEY_OF_JOB,
    LIST,
    LIST_STATE,
)
from gapless.store.jobs.steps import Ask, Steps
from gapless.store.queue import (
    MAX_LISTED_FILES,
    MAX_SHOWN_FILES,
    Job,
    JobFile,
    JobPage,
    JobQuery,
    JobState,
    Lease,
)


def get(job_id: str) -> Steps[Job]:
    """A job with its first files.

    Raises:
        NotFoundError: no such job.
    """
    jobs = job_records((yield Ask(GET, {"job_id": job_id, "shown": MAX_SHOWN_FILES})).rows)
    if not jobs:
        raise unknown_job(job_id)
    return jobs[0]


def revision(job_id: str) -> Steps[int]:
    """How often a job changed.

    Raises:
        NotFoundError: no such job.
    """
    row = (yield Ask(KEY_OF_JOB, {"job_id": job_id})).row
    if row is None:
        raise unknown_job(job_id)
    number: int = row["revision"]
    return number


def files(
    job_id: str, state: JobState | None, start: int, limit: int
) -> Steps[tuple[JobFile, ...]]:
    """Some files of a job.

    Raises:
        NotFoundError: no such job.
        ProtocolError: the limit is out of its bounds.
    """
    check_files_limit(limit)
    parameters: dict[str, Any] = {
        "job": (yield from key_of(job_id)),
        "start": start,
        "limit": limit,
    }
    if state is None:
        answer = yield Ask(FILES, parameters)
    else:
        answer = yield Ask(FILES_STATE, parameters | {"state": state})
    return tuple(file_record(row) for row in answer.rows)


def page(query: JobQuery) -> Steps[JobPage]:
    """One page of jobs.

    Raises:
        ProtocolError: limit or cursor are not usable.
    """
    check_query(query)
    before = decode_cursor(query.cursor) if query.cursor else NEWEST
    parameters = {
        "before_ms": before.started_at_ms,
        "before_id": before.id,
        "shown": MAX_LISTED_FILES,
        # One more than asked for tells whether there is a next page.
        "limit": query.limit + 1,
    }
    if query.state is None:
        answer = yield Ask(LIST, parameters)
    else:
        answer = yield Ask(LIST_STATE, parameters | {"state": query.state})
    jobs = job_records(answer.rows)
    items = tuple(jobs[: query.limit])
    if len(jobs) == len(items):
        return JobPage(items, None)
    return JobPage(items, encode_cursor(Place(items[-1].created_at_ms, items[-1].id)))


def recording(lease: Lease) -> Steps[tuple[int, int]]:
    """The key of a job and the size of the file that was lent.

    Raises:
        NotFoundError: its bytes are not here.
    """
    parameters = {
        "job_id": lease.job_id,
        "number": lease.number,
        "session_id": lease.session_id,
    }
    row = (yield Ask(CONTENT, parameters)).row
    if row is None:
        raise content_gone()
    return row["job"], row["size_bytes"]


def chunk(job: int, file: int, number: int) -> Steps[bytes]:
    """A piece of a file.

    Raises:
        NotFoundError: it is not here any more.
    """
    row = (yield Ask(CHUNK, {"job": job, "file": file, "number": number})).row
    if row is None:
        raise content_gone()
    content: bytes = row["bytes"]
    return content
