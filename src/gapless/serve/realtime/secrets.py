"""Client secrets: keys for browsers and devices that are good for a while, and for Realtime sessions only.

In: what a session is to be, and for how long the secret is good. Out: secrets. Invariants: nothing is kept: a secret
carries what it stands for, signed, so that every worker of a server that knows the signing key opens what another one
promised, also after a reload; one that has expired, or was changed, opens nothing; its length is bounded.
Thread: the event loop's; no I/O.
"""

from __future__ import annotations

import hmac
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Final, final

import msgspec
from msgspec import Struct

from gapless.errors import TooLargeError
from gapless.serve.realtime.config import Config

PREFIX: Final = "ek_"

MAX_CHARACTERS: Final = 4096
"""Of a secret: servers and proxies bound a header at 8 KB, and browsers send it among others."""

SIGNATURE_BYTES: Final = 32


class Granted(Struct, frozen=True, array_like=True):
    """What a secret stands for."""

    expiry_ms: int
    """On the clock of this machine that does not go back, which all workers share."""
    nonce: bytes
    """So that no two secrets are the same."""
    config: Config
    """What sessions are like that it opens."""


@final
class ClientSecrets:
    """The secrets of one server.

    Args:
        signing_key: what all its workers know, and nobody else; None: one of its own.
    """

    def __init__(self, signing_key: bytes | None = None) -> None:
        self._key = signing_key or secrets.token_bytes(32)

    def issue(self, config: Config, lifetime_ms: int, now_ms: int) -> str:
        """A new secret.

        Raises:
            TooLargeError: the session is described at such length that no header would carry it.
        """
        granted = Granted(now_ms + lifetime_ms, secrets.token_bytes(12), config)
        packed = zlib.compress(msgspec.json.encode(granted), 9)
        value = PREFIX + _text(self._signature(packed) + packed)
        if len(value) > MAX_CHARACTERS:
            raise TooLargeError(
                f"the session does not fit into a secret ({len(value)} characters, {MAX_CHARACTERS} are allowed); "
                "shorten its prompt or keywords, or send them in session.update",
                param="session",
            )
        return value

    def find(self, value: str | None, now_ms: int) -> Config | None:
        """What a session is like that ``value`` opens; None: it opens none."""
        if value is None or not value.startswith(PREFIX) or len(value) > MAX_CHARACTERS:
            return None
        signed = _bytes(value.removeprefix(PREFIX))
        signature, packed = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(packed)):
            return None
        granted = msgspec.json.decode(zlib.decompress(packed), type=Granted)
        return granted.config if granted.expiry_ms > now_ms else None

    def _signature(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, sha256)


def _text(data: bytes) -> str:
    """Without the padding, which no subprotocol may contain."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):  # no base64, or not even ASCII
        return b""
