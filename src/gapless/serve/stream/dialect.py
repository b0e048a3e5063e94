"""What a wire dialect is: a translation, on one connection, between its own frames and those of the session core.

    client frame -> Dialect.receive -> calls on the session            session message -> Dialect.say -> frames

In: frames of a client, messages of a session. Out: calls on the session, frames for the client. Invariants: a dialect
has no pipeline, no clock and no socket of its own; everything that is decided about a stream is decided by its session.
Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from gapless.serve.stream.messages import ServerMessage, StreamOptions
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.session import StreamSession

__all__ = ["Dialect", "Frame", "Policy"]

Frame: TypeAlias = str | bytes
"""Text or binary, as WebSockets have it."""


class Dialect(Protocol):
    """The translation of one connection."""

    @property
    def options(self) -> StreamOptions:
        """What the session is opened with."""
        ...

    def greet(self, session: StreamSession) -> Iterable[Frame]:
        """What the client is told first, before any message of the session."""
        ...

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """A frame came: tell the session, and return what is to be answered at once.

        A frame that makes no sense is answered in the dialect's own words and forgotten; nothing is raised.
        """
        ...

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """The session has something to say: return it in the dialect's words, or nothing."""
        ...

    def farewell(self, code: int) -> tuple[int, str]:
        """Close code and reason for the session's close code (see ``close``)."""
        ...
