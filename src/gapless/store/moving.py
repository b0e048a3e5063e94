"""Moves transcripts between stores.

In: a store to read, or transcripts; a store to write. Out: what was new, and whether all is there now.
Invariants: what is there already stays as it is, so a move that was interrupted goes on where it was; a transcript
arrives whole, in one transaction; nothing is held but a batch. Thread: any; calls block.

A session that runs may have more to say when it is seen again: what is missing behind what is there is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from gapless.errors import NotFoundError, StoreError
from gapless.store.contract import (
    MAX_PAGE,
    SessionRecord,
    Store,
    StoredTranscript,
    StoreFacts,
    TranscriptQuery,
)
from gapless.store.queue import JobQuery

BATCH_ROWS: Final = 1000
"""Rows of a transaction, or one transcript if it has more."""

PASSES: Final = 4
"""Over the source at most: what changed during one is found by the next."""

Progress = Callable[[int], None]
"""Is told of so many transcripts that were looked at."""


class Moved(msgspec.Struct, frozen=True):
    """What came of it."""

    new: int = 0
    """Transcripts."""
    completed: int = 0
    """Transcripts that were there in part."""
    skipped: int = 0
    """Transcripts that were there as they are."""
    conflicts: tuple[str, ...] = ()
    """Ids under which another transcript is there; they were left alone."""


class Copied(msgspec.Struct, frozen=True):
    """What came of a whole store."""

    moved: Moved
    source: StoreFacts
    target: StoreFacts
    is_complete: bool
    """Whether the last look at all transcripts of the source found each of them in the target, as long as there."""
    open_jobs: bool
    """Whether recordings wait in the queue of the source, which is not moved."""


def copy_store(source: Store, target: Store, progress: Progress) -> Copied:
    """Copy what is missing, until a look at all of the source finds nothing more to do.

    Raises:
        StoreError: one of them cannot be read or written; what was copied stays, a second call goes on.
    """
    total = _copy_once(source, target, progress)
    last = total
    for _ in range(PASSES - 1):
        if last.new + last.completed == 0:
            break
        last = _copy_once(source, target, lambda _: None)
        total = Moved(
            total.new + last.new, total.completed + last.completed, total.skipped, last.conflicts
        )
    return Copied(
        total,
        source.facts(),
        target.facts(),
        is_complete=last.new + last.completed == 0 and not last.conflicts,
        open_jobs=_has_open_jobs(source),
    )


def keep_all(transcripts: Iterable[StoredTranscript], target: Store, progress: Progress) -> Moved:
    """Keep transcripts, a batch at a time.

    Raises:
        StoreError: the target cannot be written, or what ``transcripts`` raises; what came before is kept.
    """
    moved = Moved()
    for batch in _batches(transcripts):
        moved = _sum(moved, keep_batch(batch, target))
        progress(len(batch))
    return moved


def keep_batch(batch: list[StoredTranscript], target: Store) -> Moved:
    """Keep some transcripts, or what is missing of them."""
    new = target.restore(batch)
    if new == len(batch):
        return Moved(new=new)
    completed = skipped = 0
    conflicts: list[str] = []
    for transcript in batch:
        kept = target.get(transcript.session.id).session
        if kept.started_at_ms != transcript.session.started_at_ms:
            conflicts.append(kept.id)
        elif is_behind(kept, transcript.session, len(transcript.utterances)):
            _complete(transcript, target)
            completed += 1
        else:
            skipped += 1
    # Those that were new are as they are.
    return Moved(new, completed, skipped - new, tuple(conflicts))


def is_behind(kept: SessionRecord, other: SessionRecord, utterances: int) -> bool:
    """Whether ``other``, with so many utterances, has something that what is kept of it has not."""
    return kept.utterances < utterances or (
        kept.ended_at_ms is None and other.ended_at_ms is not None
    )


def transcripts_of(store: Store) -> Iterator[StoredTranscript]:
    """All transcripts, newest first; one that is deleted meanwhile is left out."""
    for page in _pages(store, TranscriptQuery(limit=MAX_PAGE)):
        yield from _whole(store, page)


def _copy_once(source: Store, target: Store, progress: Progress) -> Moved:
    moved = Moved()
    for page in _pages(source, TranscriptQuery(limit=MAX_PAGE)):
        known = _known(target, page)
        missing = [
            session
            for session in page
            if session.id not in known or is_behind(known[session.id], session, session.utterances)
        ]
        for batch in _batches(_whole(source, missing)):
            moved = _sum(moved, keep_batch(batch, target))
        moved = _sum(moved, Moved(skipped=len(page) - len(missing)))
        progress(len(page))
    return moved


def _known(store: Store, sessions: list[SessionRecord]) -> dict[str, SessionRecord]:
    """What is there of the time in which some sessions began, by id."""
    times = [session.started_at_ms for session in sessions]
    query = TranscriptQuery(since_ms=min(times), until_ms=max(times) + 1, limit=MAX_PAGE)
    return {session.id: session for page in _pages(store, query) for session in page}


def _pages(store: Store, query: TranscriptQuery) -> Iterator[list[SessionRecord]]:
    while True:
        page = store.list(query)
        if page.items:
            yield [item.session for item in page.items]
        if page.next_cursor is None:
            return
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def _whole(store: Store, sessions: list[SessionRecord]) -> Iterator[StoredTranscript]:
    for session in sessions:
        try:
            yield store.get(session.id)
        except NotFoundError:
            continue


def _batches(transcripts: Iterable[StoredTranscript]) -> Iterator[list[StoredTranscript]]:
    """Batches of bounded size; what came before an error is given out before it is raised."""
    batch: list[StoredTranscript] = []
    rows = 0
    failure: StoreError | None = None
    try:
        for transcript in transcripts:
            own = 1 + len(transcript.utterances)
            if batch and rows + own > BATCH_ROWS:
                yield batch
                batch, rows = [], 0
            batch.append(transcript)
            rows += own
    except StoreError as error:
        failure = error
    if batch:
        yield batch
    if failure is not None:
        raise failure


def _complete(transcript: StoredTranscript, target: Store) -> None:
    session = transcript.session
    for first in range(0, len(transcript.utterances), BATCH_ROWS):
        part = transcript.utterances[first : first + BATCH_ROWS]
        target.add_utterances(session.id, part).result()
    if session.ended_at_ms is not None:
        target.end_session(session.id, ended_at_ms=session.ended_at_ms, audio_ms=session.audio_ms)


def _sum(one: Moved, other: Moved) -> Moved:
    return Moved(
        one.new + other.new,
        one.completed + other.completed,
        one.skipped + other.skipped,
        one.conflicts + other.conflicts,
    )


def _has_open_jobs(store: Store) -> bool:
    return any(
        store.queue.list(JobQuery(state=state, limit=1)).items for state in ("queued", "running")
    )
