"""The load that transactions and pools are tried with: finals of live streams, and bulk work that keeps much at once.

In: settings to try, where the store is. Out: work whose operations are single utterances, from asking to being durable;
the rates of bulk rows and of reading are told. Invariants: SQLite is tried in a folder of its own beside the real one,
on the same disk; in a PostgreSQL everything that was written is deleted again. Thread: threads of its own, which have
ended when a round has.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, final

from gapless.bench.drive import Samples, Work
from gapless.bench.tuning.load import RATE

if TYPE_CHECKING:
    from gapless.store.contract import Store
    from gapless.store.options import StoreOptions
    from gapless.transcript import Utterance

SPEAKERS: Final = 8
"""Sessions that keep an utterance at a time, and wait until it is durable."""

WRITERS: Final = 2
CHUNK_ROWS: Final = 100
MOST_CHUNKS: Final = 20
"""Of each bulk writer that may be under way: so many rows are waiting as the largest transaction takes."""

READERS: Final = 8
WAIT_S: Final = 60.0

TEXT: Final = "so many words are about as many as somebody says between two pauses"


@contextmanager
def store_load(*, where: str, data_dir: str, values: dict[str, int]) -> Iterator[Work]:
    """Speakers, bulk writers and readers on a store of their own.

    Args:
        where: URL of a PostgreSQL; empty: SQLite.
        data_dir: the folder whose disk SQLite is tried on.
        values: settings to try, by name.
    """
    from gapless.settings import load_settings
    from gapless.store.options import store_options

    options = store_options(load_settings(env={}, flags=values).settings)
    with (
        _store(where, Path(data_dir), options) as store,
        closing(store),
        _sessions(store) as ids,
    ):
        yield _Load(store, ids).work


@contextmanager
def _store(where: str, data_dir: Path, options: StoreOptions) -> Iterator[Store]:
    if where:
        from gapless.store.postgres.store import PostgresStore

        yield PostgresStore(where, options)
        return
    from gapless.store.sqlite.store import SqliteStore

    data_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tune-", dir=data_dir) as folder:
        yield SqliteStore(Path(folder, "tune.db"), options)


@contextmanager
def _sessions(store: Store) -> Iterator[list[str]]:
    """A session for everybody who writes; gone afterwards."""
    from gapless.store.contract import SessionRecord

    run = secrets.token_hex(8)
    ids = [f"tune-{run}-{number}" for number in range(SPEAKERS + WRITERS)]
    now_ms = time.time_ns() // 1_000_000
    for each in ids:
        store.begin_session(SessionRecord(each, "stream", "tune", now_ms))
    try:
        yield ids
    finally:
        for each in ids:
            store.delete(each)


@final
class _Load:
    """What is asked, round after round.

    Args:
        store: to write to.
        ids: of sessions, one for each who writes.
    """

    def __init__(self, store: Store, ids: list[str]) -> None:
        self._store = store
        self._ids = ids
        self._rounds = 0

    def work(self, seconds: float) -> Samples:
        """One round."""
        self._rounds += 1
        began = time.monotonic()
        ends = began + seconds
        speakers, writers = self._ids[:SPEAKERS], self._ids[SPEAKERS:]
        with ThreadPoolExecutor(SPEAKERS + WRITERS + READERS) as pool:
            took = [pool.submit(self._speak, each, ends) for each in speakers]
            rows = [pool.submit(self._write, each, ends) for each in writers]
            reads = [pool.submit(self._read, ends) for _ in range(READERS)]
            took_ns = [one for each in took for one in each.result()]
            written = sum(each.result() for each in rows)
            read = sum(each.result() for each in reads)
        elapsed_s = time.monotonic() - began
        return Samples(
            took_ns=took_ns,
            elapsed_ns=round(elapsed_s * 1e9),
            units=written + len(took_ns),
            figures={
                f"{RATE}rows": (written + len(took_ns)) / elapsed_s,
                f"{RATE}reads": read / elapsed_s,
            },
        )

    def _speak(self, session: str, ends: float) -> list[int]:
        utterance = self._namer()
        took_ns = []
        while (began := time.monotonic()) < ends:
            self._store.add_utterances(session, [utterance()]).result(WAIT_S)
            took_ns.append(round((time.monotonic() - began) * 1e9))
        return took_ns

    def _write(self, session: str, ends: float) -> int:
        utterance = self._namer()
        waiting: deque[Future[None]] = deque()
        written = 0
        while time.monotonic() < ends:
            rows = [utterance() for _ in range(CHUNK_ROWS)]
            waiting.append(self._store.add_utterances(session, rows))
            if len(waiting) == MOST_CHUNKS:
                waiting.popleft().result(WAIT_S)
                written += CHUNK_ROWS
        for each in waiting:
            each.result(WAIT_S)
            written += CHUNK_ROWS
        return written

    def _read(self, ends: float) -> int:
        from gapless.store.contract import TranscriptQuery

        query = TranscriptQuery(limit=5)
        reads = 0
        while time.monotonic() < ends:
            self._store.list(query)
            reads += 1
        return reads

    def _namer(self) -> Callable[[], Utterance]:
        from gapless.transcript import Utterance

        number = 0

        def utterance() -> Utterance:
            nonlocal number
            number += 1
            return Utterance(f"u{self._rounds}-{number}", TEXT, number * 1000, number * 1000 + 900)

        return utterance
