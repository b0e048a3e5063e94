"""Keeps transcripts in one SQLite file.

In: what ``gapless.store.contract`` names. Out: the same, from ``PATH``, ``PATH-wal`` and ``PATH-shm``.
Invariants: those of the contract. A crash leaves nothing to repair by hand: SQLite replays its log at the next start.
Several processes may use one file at a time; their writers take turns. Thread: any; calls block.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, final

from gapless.store.answer import check_inference_query, check_query
from gapless.store.contract import (
    Page,
    Pruned,
    SessionRecord,
    StoredTranscript,
    StoreFacts,
    TranscriptQuery,
)
from gapless.store.inferences import InferenceQuery, InferenceRecord
from gapless.store.options import StoreOptions
from gapless.store.queue import JobQueue
from gapless.store.rows import session_parameters, utterance_parameters
from gapless.store.sqlite.connection import connect_reader, connect_writer
from gapless.store.sqlite.failure import store_error, translated
from gapless.store.sqlite.inferences import add_inferences, list_inferences
from gapless.store.sqlite.migrate import migrate
from gapless.store.sqlite.pruning import Pruner
from gapless.store.sqlite.queue import SqliteQueue
from gapless.store.sqlite.readers import Readers
from gapless.store.sqlite.reading import get_transcript, list_page, place_parameters
from gapless.store.sqlite.upkeep import (
    check_index,
    check_tables,
    read_facts,
    rebuild_index_if_wrong,
)
from gapless.store.sqlite.writer import Writer
from gapless.store.sqlite.writing import (
    TranscriptRows,
    add_utterances,
    begin_session,
    delete_session,
    end_session,
    restore,
)
from gapless.store.times import Operation, StoreStats, Times
from gapless.transcript import Utterance

LOG_TIMEOUT_MS: Final = 200
"""How long a purge waits for readers that still look at the log; finals wait with it."""


@final
class SqliteStore:
    """A ``Store`` in a SQLite file."""

    def __init__(
        self,
        path: Path,
        options: StoreOptions | None = None,
        *,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """Open the file, make it if it is missing, and bring it to the newest schema.

        Args:
            path: the database; its folder is made as well.
            options: how it gathers what it writes; those of a pool of connections mean nothing here.
            trace: is told every statement that reads, to see what a call costs.

        Raises:
            StoreError: the file cannot be used; the message says what to do.
        """
        options = options or StoreOptions()
        self._path = path
        with translated(path):
            connection = connect_writer(path)
            try:
                migrate(connection, path)
            except BaseException:
                connection.close()
                raise
        self._times = Times()
        self._writer = Writer(connection, path, options, times=self._times)
        self._readers = Readers(
            path,
            room_timeout_s=options.pool_timeout_ms / 1000,
            read_timeout_s=options.statement_timeout_ms / 1000,
            trace=trace,
            times=self._times,
        )
        self._pruner = Pruner(self._writer, self._readers)
        self._queue = SqliteQueue(self._writer, self._readers)

    @property
    def queue(self) -> JobQueue:
        """Recordings that are heard when there is time."""
        return self._queue

    @property
    def trouble(self) -> str:
        """What it cannot do now and for how long; empty when all is well."""
        return self._writer.trouble

    def begin_session(self, session: SessionRecord) -> None:
        """Keep a new session; if one of that id is there already, it stays as it is."""
        self._writer.run(partial(begin_session, parameters=session_parameters(session)))

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        """Keep an utterance; if one of that ``utt`` is in the session already, it stays as it is."""
        rows = [utterance_parameters(utterance)]
        self._writer.run(partial(add_utterances, session_id=session_id, rows=rows))

    def add_utterances(self, session_id: str, utterances: Sequence[Utterance]) -> Future[None]:
        """As ``add_utterance`` for several, in one transaction, without waiting: done once they are durable."""
        rows = [utterance_parameters(utterance) for utterance in utterances]
        work = partial(add_utterances, session_id=session_id, rows=rows)
        return self._writer.submit(work, rows=len(rows))

    def add_inferences(self, records: Sequence[InferenceRecord]) -> Future[None]:
        """Keep calls of models, in one transaction, without waiting: done once they are durable."""
        return self._writer.submit(partial(add_inferences, records=records), rows=len(records))

    def inferences(self, query: InferenceQuery) -> tuple[InferenceRecord, ...]:
        """Calls of models, the newest first."""
        check_inference_query(query)
        with self._readers.snapshot() as connection:
            return list_inferences(connection, query)

    def restore(self, transcripts: Sequence[StoredTranscript]) -> int:
        """Keep whole transcripts, in one transaction; those whose session is there already stay as they are."""
        rows = [
            TranscriptRows(
                session_parameters(transcript.session),
                [utterance_parameters(utterance) for utterance in transcript.utterances],
            )
            for transcript in transcripts
        ]
        count = sum(1 + len(transcript.utterances) for transcript in rows)
        return self._writer.run(partial(restore, transcripts=rows), rows=count)

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        """Note when a session ended and how much audio it had."""
        self._writer.run(
            partial(end_session, session_id=session_id, ended_at_ms=ended_at_ms, audio_ms=audio_ms)
        )

    def list(self, query: TranscriptQuery) -> Page:
        """One page of transcripts: a bounded number of statements, however long the page is."""
        check_query(query)
        text = (query.text or "").strip()
        place = place_parameters(query, ranked=bool(text) and query.order == "relevance")
        operation: Operation = "search" if text else "list"
        with self._times.timed(operation), self._readers.snapshot() as connection:
            return list_page(connection, query, place, text)

    def get(self, session_id: str) -> StoredTranscript:
        """A session and its utterances."""
        with self._times.timed("get"), self._readers.snapshot() as connection:
            return get_transcript(connection, session_id)

    def delete(self, session_id: str) -> None:
        """Forget a session and all it said, so that no file of ours holds a word of it."""
        self._writer.run(partial(delete_session, session_id=session_id))
        # The index only notes that text is gone until it is merged. In steps, so that finals come through in between.
        self._pruner.purge()
        # The log still has the pages as they were. A reader may hold them back; then the last one to close clears them.
        with translated(self._path), closing(connect_writer(self._path)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {LOG_TIMEOUT_MS}")
            connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")

    @property
    def changes(self) -> int:
        """Grows with everything that is written through this object."""
        return self._writer.stats().commits

    def adjust(self, options: StoreOptions) -> None:
        """Put other numbers of rows into a transaction from now on."""
        self._writer.adjust(options)

    def stats(self) -> StoreStats:
        """What it did and does."""
        writer, readers = self._writer.stats(), self._readers.stats()
        return StoreStats(
            times=self._times.snapshot(),
            waits=self._times.waits.snapshot(),
            waiting_rows=writer.waiting,
            rows=writer.rows,
            refused=writer.refused,
            connections=readers.connections,
            lent=readers.lent,
            most_connections=readers.most,
        )

    def facts(self) -> StoreFacts:
        """What the file is and holds."""
        with self._readers.snapshot() as connection:
            return read_facts(connection, self._path)

    def check(self) -> tuple[str, ...]:
        """Read everything; a sentence for each thing that is wrong. Nothing can be written for part of the time."""
        wrong: list[str] = []
        try:
            # Of its own, because it may take longer than any read may.
            with closing(connect_reader(self._path)) as connection:
                wrong += check_tables(connection)
            wrong += self._writer.run_alone(_wrong_index)
        except sqlite3.DatabaseError as error:
            wrong.append(str(store_error(error, self._path)))
        return tuple(wrong)

    def vacuum(self) -> None:
        """Give the room of what was deleted back to the disk, and mend the search index; others wait."""
        self._pruner.purge()
        self._writer.run_alone(_vacuum)

    def prune(
        self, *, before_ms: int | None = None, max_bytes: int | None = None, limit: int = 100
    ) -> Pruned:
        """Delete some of the oldest sessions: those that began before a time, or that make the store too large.

        The size is that of what is kept; the file becomes smaller by ``vacuum`` alone, new rows fill the room first.
        """
        return self._pruner.prune(before_ms, max_bytes, limit)

    def close(self) -> None:
        """Finish what is being written and let go of the files. Idempotent."""
        # The last connection to close folds the log into the database, which a reader cannot do.
        self._readers.close()
        self._writer.close()


def _wrong_index(connection: sqlite3.Connection) -> tuple[str, ...]:
    return tuple(check_index(connection))


def _vacuum(connection: sqlite3.Connection) -> None:
    rebuild_index_if_wrong(connection)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
