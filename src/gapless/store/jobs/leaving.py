"""How files are given up and taken up again, and how bytes are let go.

In: jobs. Out: requests to a database. Invariants: bytes are deleted a few at a time, so that other writers come through
in between; what was cut off in the middle is found again, by its stage or mark.
Thread: any (generators without a state of their own).
"""

from __future__ import annotations

from typing import Any, Final

from gapless.store.jobs.rules import unknown_job
from gapless.store.jobs.statements import (
    CANCEL,
    CHANGE_KEPT,
    COUNT,
    COUNT_CHUNKS,
    DROP_CHUNKS,
    DROP_EMPTY_SESSIONS,
    DROP_JOB,
    END_SESSIONS,
    EXPIRE_ARRIVALS,
    FORGET,
    KEY_OF_JOB,
    LEAVING_FILE,
    LEAVING_JOB,
    RETRY,
    SET_CONTENT,
)
from gapless.store.jobs.steps import Ask, Lock, Steps
from gapless.store.queue import ARRIVAL_MS, MAX_FILES, PACE_MS, FileCounts

CHUNKS_OF_A_STEP: Final = 8
"""Deleted in one transaction: SQLite overwrites what it deletes, and other writers wait meanwhile."""


def cancel(job_id: str, now_ms: int) -> Steps[None]:
    """Cancel what is not over.

    Raises:
        NotFoundError: no such job.
    """
    job = yield from key_of(job_id)
    yield Lock(job)
    yield from cancel_files(job, now_ms, 0, MAX_FILES)


def cancel_files(job: int, now_ms: int, first: int, last: int) -> Steps[None]:
    """Cancel those of some files that are not over."""
    files = {"job": job, "first": first, "last": last}
    changes = dict.fromkeys(FileCounts.__struct_fields__, 0)
    moved = 1
    # On PostgreSQL a file may change from one of these states to the other between the two statements.
    while moved:
        moved = 0
        for state in ("running", "queued"):
            changed = (yield Ask(CANCEL, files | {"state": state})).changed
            changes[state] -= changed
            moved += changed
    changes["cancelled"] = -sum(changes.values())
    if changes["cancelled"]:
        yield Ask(COUNT, changes | {"job": job, "now_ms": now_ms})
        yield from close_sessions(job, now_ms, first, last)


def close_sessions(job: int, now_ms: int, first: int, last: int) -> Steps[None]:
    """End the transcripts of files that failed or were cancelled; those without a word go."""
    files = {"job": job, "first": first, "last": last}
    yield Ask(DROP_EMPTY_SESSIONS, files)
    yield Ask(END_SESSIONS, files | {"now_ms": now_ms})


def retry(job_id: str, now_ms: int) -> Steps[None]:
    """Queue again what failed or was cancelled.

    Raises:
        NotFoundError: no such job.
    """
    job = yield from key_of(job_id)
    yield Lock(job)
    changes = dict.fromkeys(FileCounts.__struct_fields__, 0)
    for state in ("failed", "cancelled"):
        parameters: dict[str, Any] = {"job": job, "state": state, "now_ms": now_ms}
        changes[state] = -(yield Ask(RETRY, parameters | {"pace_ms": PACE_MS})).changed
    changes["queued"] = -sum(changes.values())
    if changes["queued"]:
        yield Ask(COUNT, changes | {"job": job, "now_ms": now_ms})


def forget(before_ms: int, now_ms: int) -> Steps[int]:
    """Hide jobs that are long over, and what never arrived; how many of the former."""
    yield Ask(EXPIRE_ARRIVALS, {"before_ms": now_ms - ARRIVAL_MS})
    return (yield Ask(FORGET, {"before_ms": before_ms})).changed


def let_go() -> Steps[bool]:
    """Delete some of what is hidden; whether more may be left."""
    row = (yield Ask(LEAVING_FILE)).row
    if row is not None:
        job, number = row["job"], row["number"]
        if not (yield from drop_chunks(job, number, number)):
            parameters = {"job": job, "number": number, "content": 0}
            yield Ask(SET_CONTENT, parameters | {"size_bytes": row["size_bytes"]})
        return True
    row = (yield Ask(LEAVING_JOB)).row
    if row is None:
        return False
    if not (yield from drop_chunks(row["key"], 0, MAX_FILES)):
        yield Ask(DROP_JOB, {"job": row["key"]})
    return True


def drop_chunks(job: int, first: int, last: int) -> Steps[bool]:
    """Delete some bytes of some files; whether more may be left."""
    some = {"job": job, "first": first, "last": last, "most": CHUNKS_OF_A_STEP}
    found = (yield Ask(COUNT_CHUNKS, some)).rows[0]
    if found["chunks"]:
        yield Ask(DROP_CHUNKS, some)
        yield Ask(CHANGE_KEPT, {"job": job, "more_bytes": -found["size_bytes"]})
    return bool(found["chunks"] == CHUNKS_OF_A_STEP)


def key_of(job_id: str) -> Steps[int]:
    """The key of a job.

    Raises:
        NotFoundError: no such job.
    """
    row = (yield Ask(KEY_OF_JOB, {"job_id": job_id})).row
    if row is None:
        raise unknown_job(job_id)
    key: int = row["key"]
    return key
