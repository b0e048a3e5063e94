"""What a client of Realtime asked for and can only be answered when all audio before it has been heard.

Positions are milliseconds from the first audio of the session. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from gapless.serve.realtime.config import Config
from gapless.serve.realtime.events import BetaSessionUpdate, SessionUpdate


class Update(Struct, frozen=True):
    """A change of the session on its way."""

    config: Config
    event: SessionUpdate | BetaSessionUpdate
    at_ms: int
    """Where the audio begins that is heard so."""


class Refused(Struct, frozen=True):
    """A change that the stream could not follow."""


class CommitBuffer(Struct, frozen=True):
    """A commit of the first buffer on its way."""


class CommitSpeech(Struct, frozen=True):
    """A commit on its way where the voice decides, which will have made items of what was said."""

    at_ms: int
    """Where the audio ends that is committed."""
    spoken: int
    """How many items it had made before."""


class Clear(Struct, frozen=True):
    """A clear on its way."""

    at_ms: int
    """Where the audio ends that is forgotten."""


Awaited: TypeAlias = Update | Refused | CommitBuffer | CommitSpeech | Clear
