"""How a job and the bytes of its files come in.

In: a new job, chunk by chunk. Out: requests to a database. Invariants: nobody sees a job before all of it is there;
jobs that arrive, wait or are heard are bounded; what was given up while it arrived takes no more bytes.
Thread: any (generators without a state of their own).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gapless.store.jobs.room import (
    TAKING_ROOM,
    Need,
    check_bytes,
    check_jobs,
    has_place,
    is_short,
)
from gapless.store.jobs.rules import rank_ms, too_slow
from gapless.store.jobs.statements import (
    ADD_CHUNK,
    ADD_FILE,
    ANNOUNCE,
    ARRIVE,
    ARRIVING,
    EXPIRE_ARRIVALS,
    GIVE_UP_ARRIVAL,
    KEY_OF_JOB,
    RESERVE,
)
from gapless.store.jobs.steps import Ask, AskMany, Lock, Steps
from gapless.store.queue import ARRIVAL_MS, FileSource, JobOptions
from gapless.store.text import keepable


class Arrived(msgspec.Struct, frozen=True):
    """A file whose bytes are all there."""

    source: FileSource
    session_id: str
    size_bytes: int


def needs_room(job_id: str, need: Need) -> Steps[bool]:
    """Whether a job is kept if, and only if, bytes of others are let go."""
    if (yield Ask(KEY_OF_JOB, {"job_id": job_id})).rows or not (yield from has_place(need)):
        return False
    return (yield from is_short(need.size_bytes, need.max_bytes, need.now_ms))


def announce(key: int, job_id: str, options: JobOptions, need: Need) -> Steps[bool]:
    """Make room for a job that arrives; False if it is there already.

    Raises:
        OverloadError: there is none.
        TooLargeError: it is larger than all jobs together may be.
    """
    yield Lock(TAKING_ROOM)
    if (yield Ask(KEY_OF_JOB, {"job_id": job_id})).rows:
        return False
    yield Ask(EXPIRE_ARRIVALS, {"before_ms": need.now_ms - ARRIVAL_MS})
    yield from check_jobs(need)
    yield from check_bytes(need.size_bytes, need.max_bytes)
    parameters = {
        "job": key,
        "job_id": job_id,
        "now_ms": need.now_ms,
        "options": msgspec.json.encode(options).decode(),
        "size_bytes": need.size_bytes,
    }
    yield Ask(ANNOUNCE, parameters)
    return True


def reserve(key: int, size_bytes: int, more_bytes: int, max_bytes: int) -> Steps[None]:
    """Take room for a job that turns out to be larger than was announced.

    Raises:
        OverloadError: there is none.
    """
    yield Lock(TAKING_ROOM)
    yield from check_bytes(more_bytes, max_bytes)
    yield Ask(RESERVE, {"job": key, "size_bytes": size_bytes})


def add_chunk(key: int, file: int, number: int, content: bytes) -> Steps[None]:
    """Keep a piece of a file.

    Raises:
        StoreError: the job took too long to arrive, and was given up.
    """
    if not (yield Ask(ARRIVING, {"job": key})).rows:
        raise too_slow()
    yield Ask(ADD_CHUNK, {"job": key, "file": file, "number": number, "bytes": content})


def arrive(key: int, job_id: str, files: Sequence[Arrived], now_ms: int) -> Steps[None]:
    """Let everybody see a job, unless another of its id arrived in the meantime.

    Raises:
        StoreError: it took too long to arrive, and was given up.
    """
    yield Lock(TAKING_ROOM)
    first = (yield Ask(KEY_OF_JOB, {"job_id": job_id})).row
    if first is not None:
        if first["key"] != key:
            yield Ask(GIVE_UP_ARRIVAL, {"job": key})
        return
    if not (yield Ask(ARRIVING, {"job": key})).rows:
        raise too_slow()
    yield AskMany(ADD_FILE, [_row(key, number, file, now_ms) for number, file in enumerate(files)])
    size_bytes = sum(file.size_bytes for file in files)
    yield Ask(ARRIVE, {"job": key, "files": len(files), "size_bytes": size_bytes})


def give_up(key: int) -> Steps[None]:
    """Nobody waits for this job any longer."""
    yield Ask(GIVE_UP_ARRIVAL, {"job": key})


def _row(key: int, number: int, file: Arrived, now_ms: int) -> dict[str, Any]:
    source = file.source
    return {
        "job": key,
        "number": number,
        "rank_ms": rank_ms(now_ms, number),
        "session_id": file.session_id,
        # File names may hold bytes that are no text.
        "name": None if source.name is None else keepable(source.name),
        "url": None if source.url is None else keepable(source.url),
        "size_bytes": file.size_bytes,
        "content": 0 if source.content is None else 1,
    }
