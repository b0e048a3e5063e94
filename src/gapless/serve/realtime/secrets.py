"""Client secrets: keys for browsers and devices that are good for a while, and for Realtime sessions only.

In: what a session is to be, and for how long the secret is good. Out: secrets. Invariants: their number is bounded; one
that has expired opens nothing. Thread: the event loop's; no I/O.
"""

from __future__ import annotations

import secrets
from typing import Final, final

from msgspec import Struct

from gapless.errors import OverloadError
from gapless.serve.realtime.config import Config

MAX_SECRETS: Final = 1024


class Granted(Struct, frozen=True):
    """What a secret stands for."""

    expiry_ms: int
    config: Config
    """What sessions are like that it opens."""


@final
class ClientSecrets:
    """The secrets of one server."""

    def __init__(self) -> None:
        self._granted: dict[str, Granted] = {}

    def issue(self, config: Config, lifetime_ms: int, now_ms: int) -> str:
        """A new secret.

        Raises:
            OverloadError: too many are good at the moment.
        """
        self._granted = {
            value: granted for value, granted in self._granted.items() if granted.expiry_ms > now_ms
        }
        if len(self._granted) >= MAX_SECRETS:
            soonest_ms = min(granted.expiry_ms for granted in self._granted.values())
            raise OverloadError(
                f"{MAX_SECRETS} client secrets are good at the moment, which is the most; let some "
                "expire, and ask for shorter ones",
                retry_after_ms=soonest_ms - now_ms,
            )
        value = f"ek_{secrets.token_urlsafe(24)}"
        self._granted[value] = Granted(now_ms + lifetime_ms, config)
        return value

    def find(self, value: str | None, now_ms: int) -> Config | None:
        """What a session is like that ``value`` opens; None: it opens none."""
        granted = self._granted.get(value or "")
        return granted.config if granted is not None and granted.expiry_ms > now_ms else None
