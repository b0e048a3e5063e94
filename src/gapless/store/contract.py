"""What any store keeps and answers.

In: sessions and their utterances. Out: records, pages and search hits.
Invariants: when ``add_utterance`` returns, the utterance survives SIGKILL and power loss; adding the same
``(session, utt)`` twice keeps one; results are ordered newest session first, utterances by ``start_ms``.
Thread: any; calls block (shells run them off the event loop).
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gapless.transcript import Utterance


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


class TranscriptQuery(msgspec.Struct, frozen=True):
    """Which transcripts to list. Times are Unix milliseconds, the range is half open: ``since <= started < until``."""

    text: str | None = None
    """Words to search for; all must occur in one utterance, the last may be a beginning (``"gap"`` finds gapless)."""
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 20
    cursor: str | None = None
    """Opaque: ``next_cursor`` of the page before."""


class Hit(msgspec.Struct, frozen=True):
    """One utterance that matches a search."""

    utt: str
    start_ms: int
    end_ms: int
    text: str
    highlights: tuple[tuple[int, int], ...]
    """Half-open ranges of characters in ``text`` that matched, in order."""


class TranscriptSummary(msgspec.Struct, frozen=True):
    """A row of a list of transcripts."""

    session: SessionRecord
    preview: str
    """The first words that were said."""
    hits: tuple[Hit, ...] = ()
    """For searches: the matching utterances, the first 10 in order of time."""


class Page(msgspec.Struct, frozen=True):
    """One page of transcripts, newest first."""

    items: tuple[TranscriptSummary, ...]
    next_cursor: str | None


class StoredTranscript(msgspec.Struct, frozen=True):
    """A session with all it said."""

    session: SessionRecord
    utterances: tuple[Utterance, ...]


class Store(Protocol):
    """Keeps what was heard."""

    def begin_session(self, session: SessionRecord) -> None:
        """Keep a new session. Raises StoreError if it cannot be written."""
        ...

    def add_utterance(self, session_id: str, utterance: Utterance) -> None:
        """Keep an utterance durably; idempotent by ``(session_id, utterance.utt)``."""
        ...

    def end_session(self, session_id: str, *, ended_at_ms: int, audio_ms: int) -> None:
        """Note that a session is over and how much audio it had."""
        ...

    def list(self, query: TranscriptQuery) -> Page:
        """One page of transcripts. Raises ProtocolError for a cursor that is not one of ours."""
        ...

    def get(self, session_id: str) -> StoredTranscript:
        """A session and its utterances. Raises NotFoundError."""
        ...

    def delete(self, session_id: str) -> None:
        """Forget a session and all it said, the search index included. Raises NotFoundError."""
        ...

    def close(self) -> None:
        """Finish what is being written and let go of the files. Idempotent."""
        ...
