"""Databases that hold a million utterances, made once.

In: where to make them, and how many utterances. Out: where they are, and what they hold.
Invariants: a file that is found is whole, and was made of the same transcripts with the same schema; what was
interrupted is made anew. Thread: main.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import msgspec

from gapless.bench import segments as said
from gapless.bench.database_server import open_store
from gapless.errors import ConnectionLostError
from gapless.store.contract import Store, StoredTranscript, TranscriptQuery
from gapless.store.sqlite.migrate import schema_steps

CHUNK_ROWS: Final = 2_000
"""Utterances that are kept in one transaction, about."""

WARM_BYTES: Final = 1024 * 1024

Tell: TypeAlias = Callable[[str, int, int], None]
"""Is told what is filled, how many utterances are there, and how many there will be."""


class Filled(msgspec.Struct, frozen=True):
    """A database that holds what it should."""

    where: str
    """A file, or a URL."""
    sessions: int
    utterances: int
    last_ms: int
    """When its newest session began, in Unix milliseconds."""


def fill_sqlite(folder: Path, utterances: int, tell: Tell) -> Filled:
    """The file of so many utterances in a folder; made if it is not there.

    Raises:
        StoreError: the folder cannot be written to, or is full.
    """
    path = folder / f"segments-{_fingerprint(utterances)}.db"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with TemporaryDirectory(prefix="segments-", dir=folder) as new:
            half = Path(new, path.name)
            with closing(open_store(str(half))) as store:
                _fill(store, utterances, lambda there: tell("SQLite", there, utterances))
            # The store has folded its log into the file, which is whole by itself now.
            half.rename(path)
    _warm(path)
    with closing(open_store(str(path))) as store:
        return _filled(str(path), store)


def _warm(path: Path) -> None:
    """Read the file once, so that it is in memory as far as there is room: what is measured is not the disk."""
    with path.open("rb") as file:
        while file.read(WARM_BYTES):
            pass


def fill_postgres(url: str, utterances: int, tell: Tell) -> Filled:
    """A database of PostgreSQL with so many utterances; filled if it is empty.

    Raises:
        StoreError: it cannot be used.
        ConnectionLostError: it holds something else.
    """
    with closing(open_store(url)) as store:
        there = store.facts().utterances
        if there not in {0, utterances}:
            raise ConnectionLostError(
                f"the database holds {there} utterances, not those of this bench; name an empty one"
            )
        if not there:
            _fill(store, utterances, lambda done: tell("PostgreSQL", done, utterances))
            # As a database of some age has it: space mapped, statistics known.
            store.vacuum()
        return _filled(url, store)


def _fill(store: Store, utterances: int, tell: Callable[[int], None]) -> None:
    there = 0
    for chunk in _chunks(utterances):
        store.restore(chunk)
        there += sum(len(transcript.utterances) for transcript in chunk)
        tell(there)


def _chunks(utterances: int) -> Iterator[list[StoredTranscript]]:
    chunk: list[StoredTranscript] = []
    rows = 0
    for transcript in said.transcripts(utterances):
        chunk.append(transcript)
        rows += len(transcript.utterances)
        if rows >= CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _filled(where: str, store: Store) -> Filled:
    facts = store.facts()
    newest = store.list(TranscriptQuery(limit=1)).items[0].session
    return Filled(where, facts.sessions, facts.utterances, newest.started_at_ms)


def _fingerprint(utterances: int) -> str:
    """Of all that decides what is in the file, but the code of the store."""
    parts = [str(utterances), Path(said.__file__).read_text("utf-8")]
    parts += (text for _, text in sorted(schema_steps().items()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
