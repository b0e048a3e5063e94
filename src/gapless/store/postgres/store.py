"""Keeps transcripts in a PostgreSQL.

In: what ``gapless.store.contract`` names. Out: the same, from the tables of one database.
Invariants: those of the contract. What was written is on the server's disk (``synchronous_commit``); while the server
is gone what is written waits and what is read fails at once, and both go on by themselves when it is back. Any number
of servers may share one database. Thread: any; calls block.

Of what is deleted nothing can be read any more; the server gives the room to new rows when it has cleaned up.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import final

from gapless.errors import StoreError
from gapless.store.answer import check_inference_query, check_query, unknown_transcript
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
from gapless.store.postgres.address import address
from gapless.store.postgres.database import Database
from gapless.store.postgres.inferences import list_inferences
from gapless.store.postgres.link import Connection
from gapless.store.postgres.migrate import migrate
from gapless.store.postgres.reading import get_transcript, list_page, page_parameters
from gapless.store.postgres.statements import DELETE_SESSION
from gapless.store.postgres.upkeep import check, prune, read_facts, vacuum
from gapless.store.postgres.writer import Job, Writer
from gapless.store.postgres.writing import SessionEnd, restore, transcript_rows, utterance_row
from gapless.store.queue import JobQueue
from gapless.store.text import keepable
from gapless.store.times import StoreStats, Times
from gapless.store.words import read_search
from gapless.transcript import Utterance


@final
class PostgresStore:
    """A ``Store`` in a PostgreSQL.

    Args:
        url: ``postgresql://user:password@host:port/database``, or what else libpq understands.
        options: how writes are gathered, and how many connections there may be.
    """

    def __init__(self, url: str, options: StoreOptions | None = None) -> None:
        options = options or StoreOptions()
        self._times = Times()
        self._database = Database(address(url), options)
        try:
            self._database.alone(partial(_prepare, label=self._database.address.label))
            self._writer = Writer(self._database, options, self._times)
        except BaseException:
            self._database.close()
            raise

    @property
    def queue(self) -> JobQueue:
        """Recordings that are heard when there is time."""
        from gapless.store.postgres.queue import PostgresQueue

        return PostgresQueue(self._database)

    @property
    def trouble(self) -> str:
        """What it cannot do now and for how long; empty when all is well."""
        return self._database.trouble.words

    @property
    def database(self) -> Database:
        """Its connections, for counters."""
        return self._database

    @property
    def writer(self) -> Writer:
        """Its queue, for counters."""
        return self._writer

    def begin_session(self, session: SessionRecord) -> None:
        """Keep a new session; if one of that id is there already, it stays as it is."""
        self._writer.run(Job(session=session))

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        """Keep an utterance; if one of that ``utt`` is in the session already, it stays as it is."""
        self._writer.run(Job(utterances=[utterance_row(session_id, utterance)]))

    def add_utterances(self, session_id: str, utterances: Sequence[Utterance]) -> Future[None]:
        """As ``add_utterance`` for several, in one transaction, without waiting: done once they are durable."""
        rows = [utterance_row(session_id, utterance) for utterance in utterances]
        return self._writer.submit(Job(utterances=rows))

    def add_inferences(self, records: Sequence[InferenceRecord]) -> Future[None]:
        """Keep calls of models, in one transaction, without waiting: done once they are durable."""
        return self._writer.submit(Job(inferences=records))

    def inferences(self, query: InferenceQuery) -> tuple[InferenceRecord, ...]:
        """Calls of models, the newest first: one statement."""
        check_inference_query(query)
        return self._database.read(partial(list_inferences, query=query))

    def restore(self, transcripts: Sequence[StoredTranscript]) -> int:
        """Keep whole transcripts, in one transaction; those whose session is there already stay as they are."""
        rows = [transcript_rows(transcript) for transcript in transcripts]
        new = 0

        async def work(connection: Connection) -> int:
            nonlocal new
            # If it was committed and nobody knew, they are there already.
            new = max(new, await restore(connection, rows))
            return new

        return self._database.write(work)

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        """Note when a session ended and how much audio it had."""
        self._writer.run(Job(end=SessionEnd(session_id, ended_at_ms, audio_ms)))

    def list(self, query: TranscriptQuery) -> Page:
        """One page of transcripts: one statement, however long the page is."""
        check_query(query)
        text = (query.text or "").strip()
        search = read_search(text)
        parameters = page_parameters(query, search)
        if text and search is None:
            return Page((), None)
        with self._times.timed("search" if text else "list"):
            return self._database.read(
                partial(list_page, query=query, search=search, parameters=parameters)
            )

    def get(self, session_id: str) -> StoredTranscript:
        """A session and its utterances: one statement."""
        with self._times.timed("get"):
            return self._database.read(partial(get_transcript, session_id=session_id))

    def delete(self, session_id: str) -> None:
        """Forget a session and all it said."""
        deleted = False

        async def work(connection: Connection) -> None:
            nonlocal deleted
            done = await connection.execute(DELETE_SESSION, {"id": keepable(session_id)})
            # If it was committed and nobody knew, it is not there any more.
            deleted = deleted or done.rowcount > 0
            if not deleted:
                raise unknown_transcript(session_id)

        self._database.write(work)

    @property
    def changes(self) -> int:
        """Grows with everything that is written through this object."""
        return self._writer.stats().commits + self._database.writes

    def adjust(self, options: StoreOptions) -> None:
        """Put other numbers of rows into a transaction, and lend other numbers of connections, from now on."""
        self._writer.adjust(options)
        self._database.limit(options.pool)

    def stats(self) -> StoreStats:
        """What it did and does."""
        writer, link = self._writer.stats(), self._database.stats()
        return StoreStats(
            times=self._times.snapshot(),
            waits=self._database.waits,
            waiting_rows=writer.waiting,
            rows=writer.rows,
            refused=writer.refused,
            connections=link.connections,
            lent=link.lent,
            most_connections=link.size,
        )

    def facts(self) -> StoreFacts:
        """What the database is and holds."""
        return self._database.read(partial(read_facts, label=self._database.address.label))

    def check(self) -> tuple[str, ...]:
        """Read everything; a sentence for each thing that is wrong. Nobody waits for it."""
        return self._database.alone(check)

    def vacuum(self) -> None:
        """Give the room of what was deleted back to the disk, and mend the search index; others wait."""
        self._database.alone(vacuum)

    def prune(
        self, *, before_ms: int | None = None, max_bytes: int | None = None, limit: int = 100
    ) -> Pruned:
        """Delete some of the oldest sessions: those that began before a time, or that make the store too large.

        The size is that of what is kept; the files become smaller by ``vacuum`` alone, new rows fill the room first.
        """
        return self._database.alone(
            partial(prune, before_ms=before_ms, max_bytes=max_bytes, limit=limit)
        )

    def close(self) -> None:
        """Finish what is being written and let go of the connections. Idempotent."""
        with suppress(StoreError):  # the server hangs: what waits was told so
            self._writer.close()
        self._database.close()


async def _prepare(connection: Connection, label: str) -> None:
    """See that the database can keep any text, and bring it to the newest schema."""
    found = await (await connection.execute("SHOW server_encoding")).fetchone()
    if found is None or found["server_encoding"] != "UTF8":
        raise StoreError(
            f"{label} cannot keep all languages; make a database with `createdb --encoding=UTF8 --template=template0`"
        )
    await migrate(connection, label)
