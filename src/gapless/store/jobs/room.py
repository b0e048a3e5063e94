"""How many jobs and bytes there may be, and whose bytes go first.

In: what a job asks for. Out: requests to a database. Invariants: who checks and then takes room does so under one lock,
so two together take no more than there is; bytes of a job that is not over are never let go for another's.
Thread: any (generators without a state of their own).
"""

from __future__ import annotations

from typing import Final

import msgspec

from gapless.store.jobs.rules import full_queue, no_room, too_large
from gapless.store.jobs.statements import COUNT_BYTES, COUNT_OPEN, OVER_FOR_LONGEST, SPARE
from gapless.store.jobs.steps import Ask, Lock, Steps
from gapless.store.queue import ARRIVAL_MS

TAKING_ROOM: Final = int.from_bytes(b"Gapljobs", "big")
"""Those who check whether there is room, to take it, do so one after the other."""


class Need(msgspec.Struct, frozen=True):
    """What a job asks for, and what all of them may have."""

    size_bytes: int
    now_ms: int
    max_jobs: int
    max_bytes: int
    """0: no bound."""


def check_early(need: Need) -> Steps[None]:
    """Refuse what cannot be kept even if all is let go that may be.

    Raises:
        OverloadError: there are too many jobs, or bytes.
        TooLargeError: it has more bytes than all jobs together may have.
    """
    yield from check_jobs(need)
    if need.max_bytes and need.size_bytes:
        kept, spare = yield from _count(need.now_ms)
        if kept - spare + need.size_bytes > need.max_bytes:
            raise no_room(need.max_bytes)


def check_jobs(need: Need) -> Steps[None]:
    """Refuse one job more than there may be, and what is larger than all may be.

    Raises:
        OverloadError: the former.
        TooLargeError: the latter.
    """
    if need.max_bytes and need.size_bytes > need.max_bytes:
        raise too_large(need.max_bytes)
    if not (yield from has_place(need)):
        raise full_queue(need.max_jobs)


def has_place(need: Need) -> Steps[bool]:
    """Whether there may be one job more."""
    answer = yield Ask(COUNT_OPEN, {"before_ms": need.now_ms - ARRIVAL_MS})
    return bool(answer.rows[0]["jobs"] < need.max_jobs)


def check_bytes(more_bytes: int, max_bytes: int) -> Steps[None]:
    """Refuse bytes for which there is no room at this moment. Under the lock.

    Raises:
        OverloadError: there is none.
    """
    if max_bytes and more_bytes:
        kept, _ = yield from _count(0)
        if kept + more_bytes > max_bytes:
            raise no_room(max_bytes)


def is_short(more_bytes: int, max_bytes: int, now_ms: int) -> Steps[bool]:
    """Whether there is no room for some bytes, but will be when others are let go."""
    if not (max_bytes and more_bytes):
        return False
    kept, spare = yield from _count(now_ms)
    return kept - spare <= max_bytes - more_bytes < kept


def spare_oldest() -> Steps[bool]:
    """Mark the bytes of the job that was over first; False if none has any."""
    row = (yield Ask(OVER_FOR_LONGEST)).row
    if row is None:
        return False
    # It may have been retried since: then its files are none of those that are marked.
    yield Lock(row["key"])
    yield Ask(SPARE, {"job": row["key"]})
    return True


def _count(now_ms: int) -> Steps[tuple[int, int]]:
    """Bytes that are kept, and how many of them may be let go."""
    row = (yield Ask(COUNT_BYTES, {"before_ms": now_ms - ARRIVAL_MS})).rows[0]
    return row["kept"], row["spare"]
