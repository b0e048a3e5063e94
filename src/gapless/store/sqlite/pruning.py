"""Deletes what is too old or too much from a database file, a few sessions at a time.

In: a limit of age or size. Out: how much was deleted. Invariants: a call deletes a bounded number of sessions, in jobs
short enough for finals to come through in between; what was deleted leaves the search index in later steps, at the
latest when the size is measured. Thread: any; one call at a time prunes.

The full-text index only notes that text is gone until it is merged, which rewrites all of it. So the size is not
measured after each deletion but estimated, from the bytes that a row took on average, and measured again once the
estimate is small enough.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Final, final

import msgspec

from gapless.store.contract import CALLS_OF_A_STEP, Pruned
from gapless.store.cursor import INT64_MAX
from gapless.store.sqlite.inferences import prune_inferences
from gapless.store.sqlite.readers import Readers
from gapless.store.sqlite.statements import COUNTS
from gapless.store.sqlite.upkeep import (
    PRUNE_TO,
    PURGE_PAGES,
    Oldest,
    delete_keys,
    oldest,
    oldest_of_size,
    purge_index,
    used_bytes,
)
from gapless.store.sqlite.writer import Writer

DAY_MS: Final = 24 * 3600 * 1000

US_PER_MS: Final = 1000

ROWS_OF_A_STEP: Final = 2000
"""Utterances that are deleted in one transaction, or one session if it has more."""

PURGE_STEPS: Final = 20
"""Of the index after a deletion by age; the next call goes on."""


@final
class Pruner:
    """Remembers what was deleted and is still in the search index."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._lock = threading.Lock()
        # Guarded by `_lock`. Nobody knows what an earlier process left in the index.
        self._is_purged = False
        self._unpurged_bytes = 0.0
        self._is_merging = False

    def prune(self, before_ms: int | None, max_bytes: int | None, limit: int) -> Pruned:
        """Delete some of the oldest sessions; see ``Store.prune``."""
        with self._lock:
            pruned = Pruned(0, 0)
            if before_ms is not None:
                pruned = self._by_age(before_ms, limit)
            if max_bytes is not None and pruned.sessions < limit and not pruned.calls:
                more = self._by_size(max_bytes, limit - pruned.sessions)
                pruned = Pruned(
                    pruned.sessions + more.sessions,
                    pruned.utterances + more.utterances,
                    more.calls,
                )
            if self._is_merging or pruned.sessions:
                self._purge(PURGE_STEPS)
            return pruned

    def purge(self) -> None:
        """Take all that was deleted out of the search index."""
        with self._lock:
            self._purge(None)

    def _by_age(self, before_ms: int, limit: int) -> Pruned:
        size = self._measure()
        with self._readers.snapshot() as connection:
            chosen = oldest(connection, before_ms, before_ms - DAY_MS, limit)
        calls = self._delete_calls(before_ms * US_PER_MS)
        return msgspec.structs.replace(self._delete(chosen, size), calls=calls)

    def _by_size(self, max_bytes: int, limit: int) -> Pruned:
        size = self._measure()
        # What was asked of models goes first: nobody said it.
        if size.used_bytes > max_bytes and (calls := self._delete_calls(INT64_MAX)):
            return Pruned(0, 0, calls)
        is_known = self._is_purged or self._unpurged_bytes
        if (size.used_bytes > max_bytes and not is_known) or (
            size.used_bytes <= max_bytes and self._unpurged_bytes
        ):
            # By the estimate it is too large, or small enough by now: see whether it really is.
            self._purge(None)
            size = self._measure()
        excess_bytes = size.used_bytes - PRUNE_TO * max_bytes
        if size.used_bytes <= max_bytes:
            return Pruned(0, 0)
        with self._readers.snapshot() as connection:
            # Whatever its age, a session that has not ended may be running.
            sessions = oldest(connection, INT64_MAX, -INT64_MAX, limit)
        return self._delete(oldest_of_size(sessions, excess_bytes, size.row_bytes), size)

    def _delete_calls(self, before_us: int) -> int:
        """Delete some of the oldest calls of models from before a time; how many that were."""
        return self._writer.run(
            partial(prune_inferences, before_us=before_us, limit=CALLS_OF_A_STEP)
        )

    def _measure(self) -> Size:
        with self._readers.snapshot() as connection:
            counts = connection.execute(COUNTS).fetchone()
            return Size(
                used_bytes(connection) - self._unpurged_bytes,
                counts["sessions"] + counts["utterances"],
            )

    def _delete(self, chosen: list[Oldest], size: Size) -> Pruned:
        """Delete sessions, few at a time."""
        if not chosen:
            return Pruned(0, 0)
        sessions = utterances = 0
        for step in in_steps(chosen):
            keys = [session.key for session in step]
            sessions += self._writer.run(partial(delete_keys, keys=keys))
            utterances += sum(session.utterances for session in step)
        expected_bytes = size.used_bytes - (sessions + utterances) * size.row_bytes
        self._is_purged = self._is_merging = False
        self._unpurged_bytes = 0.0
        self._unpurged_bytes = max(1.0, self._measure().used_bytes - expected_bytes)
        return Pruned(sessions, utterances)

    def _purge(self, most_steps: int | None) -> None:
        """Merge the search index, in steps."""
        done = 0
        while most_steps is None or done < most_steps:
            # A negative number begins to merge all there is.
            pages = PURGE_PAGES if self._is_merging else -PURGE_PAGES
            is_left = self._writer.run(partial(purge_index, pages=pages))
            self._is_merging = is_left
            if not is_left:
                self._is_purged = True
                self._unpurged_bytes = 0.0
                return
            done += 1


class Size(msgspec.Struct, frozen=True):
    """How large a store is, without what will leave the search index."""

    used_bytes: float
    rows: int

    @property
    def row_bytes(self) -> float:
        """Of a row on average, its part of the index included."""
        return self.used_bytes / max(1, self.rows)


def in_steps(sessions: list[Oldest]) -> Iterator[list[Oldest]]:
    """Runs of sessions of at most ``ROWS_OF_A_STEP`` utterances, or one that has more."""
    step: list[Oldest] = []
    rows = 0
    for session in sessions:
        if step and rows + session.utterances > ROWS_OF_A_STEP:
            yield step
            step, rows = [], 0
        step.append(session)
        rows += session.utterances
    if step:
        yield step
