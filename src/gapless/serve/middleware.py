"""What every request passes through: one log line, one place where errors become answers, one bound on bodies.

In: ASGI calls. Out: the same, or an answer in the dialect of the address. Invariants: no exception leaves, unless the
answer has begun and can only be broken off; an unexpected one is logged once, and shown to nobody.
Thread: the event loop's. Plain ASGI, for these run on the hot path.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gapless.errors import GaplessError, TooLargeError
from gapless.serve.infer_messages import INFER_PATHS
from gapless.serve.metrics.requests import Requests, RouteCount
from gapless.serve.problem import dialect_of, problem_of, problem_response

LOUD_PATHS: Final = ("/v1/", "/v2/models/", "/v2/repository/", "/v2/decode/", "/api/")
"""Requests elsewhere (the console's files, health probes) are logged for debugging only."""

log = structlog.get_logger(__name__)
_root: Final = logging.getLogger()


class Boundary:
    """The outermost middleware: turns errors into answers, counts requests and writes the canonical line of each.

    Args:
        app: what serves.
        requests: where they are counted.
        count: that of the only route; None: the router says which one it is.
        began_s: when the only request came, by ``time.perf_counter``; None: when it is served.
    """

    def __init__(
        self,
        app: ASGIApp,
        requests: Requests,
        count: RouteCount | None = None,
        began_s: float | None = None,
    ) -> None:
        self._app = app
        self._requests = requests
        self._count = count
        self._began_s = began_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, whatever happens."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began = self._began_s or time.perf_counter()
        status = 0
        is_upgrade = scope["type"] == "websocket"

        async def watch(message: Message) -> None:
            nonlocal status
            if not status:
                status = _status_of(message)
                if status and is_upgrade:
                    # A connection lasts; what is told of it is how long it took to open.
                    self._requests.add(scope, status, time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except GaplessError as error:
            if status:
                raise
            await self._refuse(error, scope, receive, watch)
        except Exception as error:
            # The supervisor of all requests: whatever broke, the server goes on.
            log.exception("request broke", path=scope["path"])
            if status:
                raise
            await self._refuse(error, scope, receive, watch)
        finally:
            seconds = time.perf_counter() - began
            if self._count is not None:
                self._count.add(status, seconds)
            elif not (is_upgrade and status):
                self._requests.add(scope, status, seconds)
            _write_line(scope, status, seconds)

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self._requests.reject(dialect_of(path), problem_of(error).code)
        await problem_response(error, path)(scope, receive, send)


class BodyLimit:
    """Refuses bodies over a bound: at once where their length is declared, when they pass it where it is not."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with a ``receive`` that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise self._refusal()
        left = self._max_body_bytes

        async def count() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._refusal()
            return message

        await self._app(scope, count, send)

    def _refusal(self) -> TooLargeError:
        return TooLargeError(
            f"the body is larger than the {self._max_body_bytes} bytes that this server accepts; "
            "send less, or raise max_body_bytes"
        )


def _status_of(message: Message) -> int:
    kind = message["type"]
    if kind in ("http.response.start", "websocket.http.response.start"):
        return int(message["status"])
    if kind == "websocket.accept":
        return 101
    return 403 if kind == "websocket.close" else 0


def _write_line(scope: Scope, status: int, seconds: float) -> None:
    path = scope["path"]
    # Calls of models come by the thousand, and a line takes as long as an answer; the metrics count them all.
    is_loud = path.startswith(LOUD_PATHS) and (status >= 400 or path not in INFER_PATHS)
    if not is_loud and not _root.isEnabledFor(logging.DEBUG):
        return
    write = log.info if is_loud else log.debug
    client = scope.get("client")
    write(
        "request",
        method=scope.get("method", "WEBSOCKET"),
        path=path,
        status=status or 499,  # nothing was answered: the client went away
        ms=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )
