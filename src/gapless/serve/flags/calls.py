"""ASGI middleware: tells what serves a call which session it belongs to, and compares how the sides of flags fare.

In: ASGI calls. Out: the same. Invariants: while all flags are on for everybody, and nothing is compared, a call passes
at the cost of a look. Thread: the event loop's. Plain ASGI, for it runs on the hot path.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Final, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gapless.serve.flags.call import CURRENT, SERVER_ERROR, Call
from gapless.serve.flags.flags import Flags

SESSION_HEADER: Final = "x-session-id"
"""By which a client says that requests belong together."""

SCOPE_KEY: Final = "gapless.call"

MOST_KEY_BYTES: Final = 128
"""Of the header that count; what comes behind is not looked at."""


@final
class Calls:
    """See the module's head.

    Args:
        app: what serves.
        flags: of the server.
    """

    def __init__(self, app: ASGIApp, flags: Flags) -> None:
        self._app = app
        self._flags = flags

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        kind = scope["type"]
        if self._flags.plain or kind not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        call = call_of(scope, self._flags)
        token = CURRENT.set(call)
        began = time.perf_counter()
        is_request = kind == "http"
        try:
            await self._app(scope, receive, watch if is_request else send)
        except BaseException:
            status = SERVER_ERROR
            raise
        finally:
            CURRENT.reset(token)
            self._flags.observe(
                call.sides,
                failed=status >= SERVER_ERROR or (is_request and not status),
                seconds=time.perf_counter() - began if is_request else None,
            )


def call_of(scope: Scope, flags: Flags) -> Call:
    """The call of an ASGI scope: the same, whoever asks first."""
    call: Call | None = scope.get(SCOPE_KEY)
    if call is None:
        call = scope[SCOPE_KEY] = Call(flags, session_key(scope["headers"]))
    return call


def session_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The session that a call belongs to; one of its own, where its client does not say."""
    wanted = SESSION_HEADER.encode()
    for name, value in headers:
        if name == wanted and value:
            return value[:MOST_KEY_BYTES].decode("latin-1")
    return secrets.token_hex(8)
