"""What a call and the rows that are kept of it have to say to each other.

In: a request. Out: its id for the rows; a warning for its answer when a row is not kept. Invariants: a warning is said
in a header, and changes nothing else. Thread: the event loop's; a notice belongs to the task that serves its call and
to the tasks it starts.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

WARNING_HEADER: Final = "x-gapless-warning"
NOT_SAVED: Final = "not_saved"

REQUEST_ID_HEADER: Final = b"x-request-id"

MOST_ID_BYTES: Final = 128


@final
class Notice:
    """Of one call."""

    __slots__ = ("request_id", "unsaved")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.unsaved = False
        """A row of the call is not kept."""


_CURRENT: Final[ContextVar[Notice | None]] = ContextVar("gapless_notice", default=None)


def current_notice() -> Notice | None:
    """That of the call that is being served."""
    return _CURRENT.get()


@final
class Noticed:
    """A notice for what is served inside; a context manager.

    Args:
        request_id: of the call; empty: it has none.
    """

    __slots__ = ("_notice", "_token")

    def __init__(self, request_id: str = "") -> None:
        self._notice = Notice(request_id)

    def __enter__(self) -> Notice:
        self._token = _CURRENT.set(self._notice)
        return self._notice

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


@final
class Noticing:
    """ASGI middleware: gives each request a notice, and its answer the warning.

    Args:
        app: what serves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with Noticed(request_id_of(scope)) as notice:

            async def warn(message: Message) -> None:
                await send(_warning(message) if notice.unsaved else message)

            await self._app(scope, receive, warn)


def warned(app: ASGIApp) -> ASGIApp:
    """An application whose answers carry the warning."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def warn(message: Message) -> None:
            await send(_warning(message))

        await app(scope, receive, warn)

    return serve


def request_id_of(scope: Scope) -> str:
    """What the client calls its request; empty: nothing."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER:
            return str(value[:MOST_ID_BYTES], "latin-1")
    return ""


def _warning(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    header = (WARNING_HEADER.encode(), NOT_SAVED.encode())
    return {**message, "headers": [*message["headers"], header]}
