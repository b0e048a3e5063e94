"""How a server and a microphone do, asked from outside.

In: the address of a server, its key. Out: a ``Look``. Invariants: a question ends within ``PATIENCE_S`` seconds, and an
answer within ``MOST_BYTES``; a key is sent to that address and, whatever it answers, to no other. Thread: any.
"""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gapless.clean.mic.report import MicReport
from gapless.errors import AccessError, ConfigError, ConnectionLostError
from gapless.observe.status import Status
from gapless.serve.status.microphone import microphone_here

PATIENCE_S: Final = 5.0
MOST_BYTES: Final = 4 * 1024 * 1024
STATUS_PATH: Final = "/v1/status"
REFUSALS: Final = (401, 403)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at a moment."""

    at_ms: int
    """When it was asked, since 1970."""
    url: str
    status: Status | None
    """None: no server answered."""
    trouble: str = ""
    """Why none did."""
    microphone: MicReport | None = None
    """That of the server's machine, else of this one."""


def server_url(text: str) -> str:
    """The address of a server, as people write it.

    Raises:
        ConfigError: it is none.
    """
    url = text if "://" in text else f"http://{text}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{text!r} is no address of a server; use one such as http://127.0.0.1:8000",
            param="url",
        )
    return url.rstrip("/")


def look(url: str, key: str | None) -> Look:
    """Ask both.

    Raises:
        AccessError: the server wants another key.
    """
    at_ms = time.time_ns() // 1_000_000
    try:
        status, trouble = ask_server(url, key), ""
    except ConnectionLostError as error:
        status, trouble = None, str(error)
    told = None if status is None else _report_of(status.microphone)
    microphone = told or microphone_here()
    return Look(at_ms=at_ms, url=url, status=status, trouble=trouble, microphone=microphone)


def ask_server(url: str, key: str | None) -> Status:
    """How a server does.

    Raises:
        AccessError: it wants another key.
        ConnectionLostError: none answers there, or none that has a status.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url + STATUS_PATH, headers=headers)  # noqa: S310 - http(s) alone, by server_url
    try:
        with _OPENER.open(request, timeout=PATIENCE_S) as response:
            body: bytes = response.read(MOST_BYTES + 1)
        return msgspec.json.decode(body[:MOST_BYTES], type=Status)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in REFUSALS:
                raise AccessError(
                    f"{url} wants a key, or another one; give it with GAPLESS_API_KEY or --api-key"
                ) from error
            raise ConnectionLostError(
                f"{url} answers {error.code} where a status should be; is this a Gapless server of this version?"
            ) from error
    except msgspec.DecodeError as error:
        raise ConnectionLostError(
            f"{url} answers what is no status; is this a Gapless server of this version?"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ConnectionLostError(
            f"no server answers at {url} ({reason}); start one with `gapless serve`, or name its address"
        ) from error


def _report_of(told: dict[str, Any] | None) -> MicReport | None:
    with contextlib.suppress(msgspec.ValidationError):
        return None if told is None else msgspec.convert(told, MicReport)
    return None


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere, for the key would go along."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_StayHere)
