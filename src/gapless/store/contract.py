"""What any store keeps and answers.

In: sessions and their utterances; what calls of models were. Out: records, pages and search hits.
Invariants: when a call that writes returns, what it wrote survives SIGKILL and power loss; writing the same thing twice
keeps the first, so a write that failed may be tried again; results are ordered newest session first, utterances by
``start_ms``. Thread: any; calls block (shells run them off the event loop).

Every call raises ``StoreError`` when what is kept cannot be read or written and ``OverloadError`` when too many others
wait before it. Characters that no speech has (NUL, STX, ETX, lone surrogates) are kept as U+FFFD.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from gapless.store.inferences import InferenceQuery, InferenceRecord
from gapless.store.options import StoreOptions
from gapless.store.queue import JobQueue
from gapless.store.times import StoreStats
from gapless.transcript import Utterance

MAX_PAGE: Final = 100
"""Most transcripts on a page."""

MAX_SEARCH_CHARS: Final = 500
"""Longest text to search for."""

MAX_HITS: Final = 10
"""Most matching utterances that are shown of one session."""

CALLS_OF_A_STEP: Final = 2000
"""Most calls of models that one ``prune`` deletes."""

RANKED_UTTERANCES: Final = 1000
"""Most matching utterances that are compared for ``order="relevance"``."""


class SessionRecord(msgspec.Struct, frozen=True):
    """One stream or file that was listened to."""

    id: str
    source: Literal["stream", "file", "microphone"]
    model: str
    started_at_ms: int
    """Unix time in milliseconds."""
    name: str | None = None
    """A file name or label, for people."""
    language: str | None = None
    ended_at_ms: int | None = None
    """None while the session runs, or if it was cut off by a crash."""
    audio_ms: int = 0
    utterances: int = 0
    """How many are kept; counted by the store."""


Order: TypeAlias = Literal["newest", "relevance"]


class TranscriptQuery(msgspec.Struct, frozen=True):
    """Which transcripts to list. Times are Unix milliseconds, the range is half open: ``since <= started < until``."""

    text: str | None = None
    """Words to search for; all must occur in one utterance, the last may be a beginning (``"gap"`` finds gapless).

    Case and accents do not count, nor does punctuation. None or blank lists everything; text without a single letter
    or digit finds nothing. At most ``MAX_SEARCH_CHARS`` characters.
    """
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 20
    """1 to ``MAX_PAGE``."""
    cursor: str | None = None
    """Opaque: ``next_cursor`` of the page before."""
    order: Order = "newest"
    """``relevance``: those first whose best utterance fits the words best; only of use with ``text``.

    Of the utterances that match, the newest ``RANKED_UTTERANCES`` are compared; sessions with older ones alone are not
    listed.
    """


class Hit(msgspec.Struct, frozen=True):
    """One utterance that matches a search."""

    utt: str
    start_ms: int
    end_ms: int
    text: str
    highlights: tuple[tuple[int, int], ...]
    """Half-open ranges of characters (Unicode code points) in ``text`` that matched, in order."""


class TranscriptSummary(msgspec.Struct, frozen=True):
    """A row of a list of transcripts."""

    session: SessionRecord
    preview: str
    """The first words that were said."""
    hits: tuple[Hit, ...] = ()
    """For searches: the matching utterances, the first ``MAX_HITS`` in order of time."""


class Page(msgspec.Struct, frozen=True):
    """One page of transcripts, newest first."""

    items: tuple[TranscriptSummary, ...]
    next_cursor: str | None


class StoredTranscript(msgspec.Struct, frozen=True):
    """A session with all it said."""

    session: SessionRecord
    utterances: tuple[Utterance, ...]


class StoreFacts(msgspec.Struct, frozen=True):
    """What a store is and holds."""

    kind: Literal["sqlite", "postgresql"]
    where: str
    """For people, without secrets."""
    schema: int
    """Number of the last step of migration."""
    sessions: int
    utterances: int
    size_bytes: int
    oldest_ms: int | None = None
    """When the oldest session began, in Unix milliseconds."""


class Pruned(msgspec.Struct, frozen=True):
    """What was deleted because it was too old or too much."""

    sessions: int
    utterances: int
    calls: int = 0
    """Of models."""

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to delete."""
        return not self.sessions and not self.calls


class Store(Protocol):
    """Keeps what was heard, and what calls of models were."""

    @property
    def queue(self) -> JobQueue:
        """Recordings that are heard when there is time."""
        ...

    @property
    def trouble(self) -> str:
        """What it cannot do now and for how long, to go on after "the store"; empty when all is well. Does not block.

        Anybody may read it: it says nothing of what is kept or where.
        """
        ...

    def begin_session(self, session: SessionRecord) -> None:
        """Keep a new session; if one of that id is there already, it stays as it is."""
        ...

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        """Keep an utterance; if one of that ``utt`` is in the session already, it stays as it is.

        Raises:
            StoreError: no such session; it may have been deleted while it ran.
        """
        ...

    def add_utterances(self, session_id: str, utterances: Sequence[Utterance]) -> Future[None]:
        """As ``add_utterance`` for several, in one transaction, without waiting: done once they are durable.

        Raises:
            OverloadError: too many rows wait to be written.
        """
        ...

    def add_inferences(self, records: Sequence[InferenceRecord]) -> Future[None]:
        """Keep calls of models, in one transaction, without waiting: done once they are durable.

        Those that are there already stay as they are.

        Raises:
            OverloadError: too many rows wait to be written.
        """
        ...

    def inferences(self, query: InferenceQuery) -> tuple[InferenceRecord, ...]:
        """Calls of models, the newest first.

        Raises:
            ProtocolError: the limit is not usable; ``param`` is ``limit``.
        """
        ...

    def restore(self, transcripts: Sequence[StoredTranscript]) -> int:
        """Keep whole transcripts, in one transaction; those whose session is there already stay as they are.

        Returns:
            How many were new.
        """
        ...

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        """Note when a session ended (Unix milliseconds) and how much audio it had.

        Raises:
            StoreError: no such session; it may have been deleted while it ran.
        """
        ...

    def list(self, query: TranscriptQuery) -> Page:
        """One page of transcripts.

        Raises:
            ProtocolError: text, limit or cursor are not usable; ``param`` is ``q``, ``limit`` or ``cursor``.
        """
        ...

    def get(self, session_id: str) -> StoredTranscript:
        """A session and its utterances.

        Raises:
            NotFoundError: no such session.
        """
        ...

    def delete(self, session_id: str) -> None:
        """Forget a session and all it said, the search index included.

        Raises:
            NotFoundError: no such session.
        """
        ...

    @property
    def changes(self) -> int:
        """Grows with everything that is written through this object; what others write does not count."""
        ...

    def adjust(self, options: StoreOptions) -> None:
        """Work with other rows in a transaction and other connections from now on; the rest stays as it was opened."""
        ...

    def stats(self) -> StoreStats:
        """What it did and does; does not block, and works when nothing else does."""
        ...

    def facts(self) -> StoreFacts:
        """What the store is and holds."""
        ...

    def check(self) -> tuple[str, ...]:
        """Look through everything; a sentence for each thing that is wrong, with what to do. May take minutes."""
        ...

    def vacuum(self) -> None:
        """Give the room of what was deleted back to the disk. May take minutes, in which others wait."""
        ...

    def prune(
        self, *, before_ms: int | None = None, max_bytes: int | None = None, limit: int = 100
    ) -> Pruned:
        """Delete at most ``limit`` of the oldest sessions that began before a time, or that make the store too large.

        Sessions that have not ended stay, unless they began a day before ``before_ms``. Calls of models go by the same
        time, and by size before any session, at most ``CALLS_OF_A_STEP``. Nothing deleted: done.
        """
        ...

    def close(self) -> None:
        """Finish what is being written and let go of the files; every later call raises StoreError. Idempotent."""
        ...
