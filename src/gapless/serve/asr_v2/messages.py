"""What the ASR v2 dialect says, on its WebSocket and over HTTP.

In: text and a status. Out: JSON. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Status: TypeAlias = Literal["ACTIVE", "COMPLETE", "PAUSED", "ERROR"]
"""``ACTIVE``: more may follow. ``PAUSED``: answers a keepalive. ``COMPLETE``: the end. ``ERROR``: see ``message``."""


class Decoded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that was understood so far; replaces what was said before."""

    transcription: str
    status: Status
    message: str | None = None
    metadata: dict[str, Any] | None = None
    opaque: str | None = None
    """What the client gave when it connected, unchanged."""


class BatchRequest(msgspec.Struct, frozen=True):
    """The JSON body of a batch request; other fields are passed over."""

    audio_buffer: msgspec.Raw
    """A list of whole numbers from 0 to 255: the bytes of 16 bit samples, the low one first."""


def encode(message: Decoded) -> str:
    """As it goes on the wire."""
    return msgspec.json.encode(message).decode()
