"""How files are lent to workers, and what workers write.

In: leases. Out: requests to a database. Invariants: the row of a file is locked before anything is written for its
lease, and only the last loan of a file that is still heard may write; every change of a file is counted in its job.
Thread: any (generators without a state of their own).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gapless.store.contract import SessionRecord
from gapless.store.jobs.leaving import cancel_files, close_sessions, drop_chunks
from gapless.store.jobs.room import TAKING_ROOM, check_bytes
from gapless.store.jobs.rules import Row, file_record, kept_error, read_options
from gapless.store.jobs.statements import (
    ADD_CHUNK,
    ANY_READY,
    CHANGE_KEPT,
    COUNT,
    END_SESSION,
    FAIL,
    FINISH,
    GIVE_BACK,
    HEARD,
    HELD,
    LEND,
    LENT,
    NEXT_READY,
    OUTCOME,
    PROGRESS,
    REOPEN_SESSION,
    SESSION_THERE,
    SET_CONTENT,
)
from gapless.store.jobs.steps import AddUtterances, Ask, BeginSession, Lock, Steps
from gapless.store.queue import FileCounts, Lease, Task
from gapless.transcript import Utterance

AT_ANY_TIME = -1
"""As ``now_ms``: whether the lease ran out does not matter, as long as the task was not lent again."""


class Loan(msgspec.Struct, frozen=True):
    """What a worker asks for."""

    worker: str
    now_ms: int
    until_ms: int
    model: str
    language: str | None


class Progress(msgspec.Struct, frozen=True):
    """How far a worker is."""

    now_ms: int
    until_ms: int
    heard_ms: int
    duration_ms: int | None


def any_ready(now_ms: int) -> Steps[bool]:
    """Whether a loan is worth asking for."""
    return bool((yield Ask(ANY_READY, {"now_ms": now_ms})).rows)


def lend(loan: Loan) -> Steps[Task | None]:
    """Lend the next file."""
    found = (yield Ask(NEXT_READY, {"now_ms": loan.now_ms})).row
    if found is None:
        return None
    place = {"job": found["job"], "number": found["number"]}
    yield Ask(LEND, place | {"until_ms": loan.until_ms, "worker": loan.worker})
    was_queued = found["state"] == "queued"
    yield count(found["job"], loan.now_ms, queued=-was_queued, running=int(was_queued))
    row = (yield Ask(LENT, place)).rows[0]
    options = read_options(row["options"])
    session = SessionRecord(
        id=row["session_id"],
        source="file",
        model=options.model or loan.model,
        started_at_ms=loan.now_ms,
        name=row["name"] or row["url"],
        language=options.language or loan.language,
    )
    yield BeginSession(session)
    yield Ask(REOPEN_SESSION, {"session_id": session.id})
    heard = (yield Ask(HEARD, {"session_id": session.id})).rows[0]
    lease = Lease(row["job_id"], row["number"], row["attempt"], loan.worker, session.id)
    return Task(lease, file_record(row), options, heard["utterances"], heard["resume_ms"])


def go_on(lease: Lease, progress: Progress, utterances: Sequence[Utterance]) -> Steps[bool]:
    """Renew a lease and keep what was heard."""
    row = (yield held(lease, progress.now_ms)).row
    if row is None:
        return False
    there = yield Ask(SESSION_THERE, {"session_id": lease.session_id})
    if utterances and not there.rows:
        # Somebody deleted the transcript: to write more of it would be against their will.
        yield from cancel_files(row["job"], progress.now_ms, lease.number, lease.number)
        return False
    parameters = {
        "until_ms": progress.until_ms,
        "heard_ms": progress.heard_ms,
        "duration_ms": progress.duration_ms,
    }
    yield Ask(PROGRESS, place_of(row) | parameters)
    yield count(row["job"], progress.now_ms)
    if utterances:
        yield AddUtterances(lease.session_id, utterances)
    return True


def finish(lease: Lease, now_ms: int, audio_ms: int) -> Steps[bool]:
    """A file was heard to its end."""
    row = (yield held(lease, now_ms)).row
    if row is None:
        # Who did not get the answer asks again.
        return (yield from _came_to(lease, "done"))
    yield Ask(FINISH, place_of(row) | {"audio_ms": audio_ms})
    yield count(row["job"], now_ms, running=-1, done=1)
    ended = {"session_id": lease.session_id, "now_ms": now_ms, "audio_ms": audio_ms}
    yield Ask(END_SESSION, ended)
    return True


def fail(lease: Lease, error: str, now_ms: int, retry_at_ms: int | None) -> Steps[bool]:
    """A file could not be heard, this time or for good."""
    state = "failed" if retry_at_ms is None else "queued"
    row = (yield held(lease, now_ms)).row
    if row is None:
        return (yield from _came_to(lease, state))
    outcome = {"state": state, "ready_at_ms": retry_at_ms or 0, "error": kept_error(error)}
    yield Ask(FAIL, place_of(row) | outcome)
    if retry_at_ms is None:
        yield count(row["job"], now_ms, running=-1, failed=1)
        yield from close_sessions(row["job"], now_ms, lease.number, lease.number)
    else:
        yield count(row["job"], now_ms, running=-1, queued=1)
    return True


def give_back(lease: Lease, now_ms: int) -> Steps[bool]:
    """A file is left to others, as if this loan had not been."""
    row = (yield held(lease, now_ms)).row
    if row is None:
        return (yield from _came_to(lease, "queued"))
    yield Ask(GIVE_BACK, place_of(row))
    yield count(row["job"], now_ms, running=-1, queued=1)
    return True


def clear_content(lease: Lease) -> Steps[bool | None]:
    """Let go of some of the bytes that a file has; whether more are left, None if the task is lost."""
    row = (yield held(lease, AT_ANY_TIME)).row
    if row is None:
        return None
    yield Ask(SET_CONTENT, place_of(row) | {"content": 0, "size_bytes": 0})
    return (yield from drop_chunks(row["job"], lease.number, lease.number))


def add_content(lease: Lease, number: int, content: bytes, max_bytes: int) -> Steps[bool]:
    """Keep a piece of a file that was fetched; False if the task is lost.

    Raises:
        OverloadError: there is no room for it.
    """
    yield Lock(TAKING_ROOM)
    yield from check_bytes(len(content), max_bytes)
    row = (yield held(lease, AT_ANY_TIME)).row
    if row is None:
        return False
    chunk = {"job": row["job"], "file": lease.number, "number": number, "bytes": content}
    if (yield Ask(ADD_CHUNK, chunk)).changed:
        yield Ask(CHANGE_KEPT, {"job": row["job"], "more_bytes": len(content)})
    return True


def complete_content(lease: Lease, size_bytes: int) -> Steps[bool]:
    """All bytes of a file that was fetched are there; False if the task is lost."""
    row = (yield held(lease, AT_ANY_TIME)).row
    if row is None:
        return False
    yield Ask(SET_CONTENT, place_of(row) | {"content": 1, "size_bytes": size_bytes})
    yield count(row["job"], 0)
    return True


def held(lease: Lease, now_ms: int) -> Ask:
    """Lock the file of a lease; no row if the lease is lost."""
    return Ask(HELD, msgspec.structs.asdict(lease) | {"now_ms": now_ms})


def count(job: int, now_ms: int, **changes: int) -> Ask:
    """Note in a job how many of its files more, or less, are in which states."""
    return Ask(
        COUNT, msgspec.structs.asdict(FileCounts(**changes)) | {"job": job, "now_ms": now_ms}
    )


def place_of(row: Row) -> dict[str, Any]:
    """The key of a row of ``job_files``."""
    return {"job": row["job"], "number": row["number"]}


def _came_to(lease: Lease, state: str) -> Steps[bool]:
    """Whether this very loan left the file in this state."""
    row = (yield Ask(OUTCOME, msgspec.structs.asdict(lease))).row
    return row is not None and row["state"] == state
