"""The native dialect, ``GET /v1/stream``: the session's own messages, as they are.

In: a WebSocket. Out: the same, closed. Invariants: nothing is translated. Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from gapless.errors import ProtocolError
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import (
    SUBPROTOCOL,
    ServerMessage,
    StreamOptions,
    encode,
    options_of_query,
)
from gapless.serve.stream.policy import NATIVE
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.websocket import websocket_route


def routes(streams: Streams) -> list[WebSocketRoute]:
    """``/v1/stream``."""
    return [
        websocket_route(
            "/v1/stream", streams, NativeDialect, policy=NATIVE, subprotocols=(SUBPROTOCOL,)
        )
    ]


class NativeDialect:
    """See ``Dialect``."""

    def __init__(self, websocket: WebSocket) -> None:
        self._error: ProtocolError | None = None
        try:
            self.options = options_of_query(websocket.query_params.multi_items())
        except ProtocolError as error:
            # Said in a message after the upgrade, for browsers show pages nothing of a refused one.
            self.options = StreamOptions()
            self._error = error

    def greet(self, session: StreamSession) -> Iterable[Frame]:
        """``ready`` is the session's own to say."""
        if self._error is not None:
            session.refuse(self._error)
        return ()

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """Pass the frame on."""
        if isinstance(frame, bytes):
            session.receive_bytes(frame, now_ms)
        else:
            session.receive_text(frame, now_ms)
        return ()

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """The message as it is."""
        return (encode(message),)

    def farewell(self, code: int) -> tuple[int, str]:
        """The code as it is."""
        return code, ""
