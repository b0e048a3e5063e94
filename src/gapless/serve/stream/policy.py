"""What is different about the sessions of a dialect. Thread: any (immutable data)."""

from __future__ import annotations

from typing import Final

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """What is different about the sessions of a dialect."""

    dialect: str = "native"
    """Its name, in metrics, traces and the log."""
    idle_timeout_ms: int | None = None
    """None: the setting of that name; 0: a session may be idle for ever."""
    resumable: bool = False
    """Whether a client that lost its connection may come back."""


NATIVE: Final = Policy(resumable=True)
"""Of the native stream."""
