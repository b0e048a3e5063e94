"""WebSockets as channels, and the routes that lead to dialects spoken over them.

In: upgrades. Out: connections served until one side closes. Invariants: refused before the upgrade where there is no
room or the dialect cannot be spoken; a connection is a task that the server waits for when it stops.
Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gapless.errors import OverloadError
from gapless.serve.stream.channel import Gone
from gapless.serve.stream.close import LOST
from gapless.serve.stream.connection import Connection
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams

MakeDialect: TypeAlias = Callable[[WebSocket], Dialect]
"""Reads the upgrade; a ``GaplessError`` refuses it."""


def websocket_route(
    path: str,
    streams: Streams,
    make_dialect: MakeDialect,
    *,
    policy: Policy = Policy(),  # noqa: B008  (immutable)
    subprotocols: tuple[str, ...] = (),
) -> WebSocketRoute:
    """A route to a dialect.

    Args:
        path: its address.
        streams: where its streams are opened.
        make_dialect: makes one for each connection.
        policy: what is different about its sessions.
        subprotocols: those it speaks; the first that the client offers is agreed on.
    """

    async def endpoint(websocket: WebSocket) -> None:
        dialect = make_dialect(websocket)
        try:
            live = streams.open(dialect.options, policy, client=_client_of(websocket))
        except OverloadError as error:
            await serve_elsewhere(websocket, streams, error)
            return
        offered = websocket.scope["subprotocols"]
        agreed = next((name for name in subprotocols if name in offered), None)
        try:
            await websocket.accept(agreed)
        except BaseException:
            live.session.abandon()
            live.touch()
            raise
        # A task of its own: when the server stops, it is waited for like the streams themselves.
        await streams.keep(Connection(WebSocketChannel(websocket), streams, dialect).run(live))

    return WebSocketRoute(path, endpoint)


async def serve_elsewhere(websocket: WebSocket, streams: Streams, refusal: OverloadError) -> None:
    """Serve an upgrade by another worker that has a place for it.

    Raises:
        OverloadError: ``refusal``; none has, or there are no others.
    """
    if streams.passages is None:
        raise refusal
    try:
        passage = await streams.passages.elsewhere(websocket.scope)
    except OverloadError:
        raise refusal from None
    try:
        await websocket.accept(passage.subprotocol)
    except BaseException:
        passage.give_up()
        raise
    await streams.keep(passage.carry(WebSocketChannel(websocket)))


def _client_of(websocket: WebSocket) -> str | None:
    return None if websocket.client is None else websocket.client.host


class WebSocketChannel:
    """A WebSocket that was accepted."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> Frame:
        """The next frame."""
        frame = await self._websocket.receive()
        if frame["type"] == "websocket.disconnect":
            raise Gone(int(frame.get("code") or LOST))
        text: str | None = frame.get("text")
        if text is not None:
            return text
        data: bytes = frame["bytes"]
        return data

    async def send(self, frame: Frame) -> None:
        """Send a frame."""
        try:
            if isinstance(frame, str):
                await self._websocket.send_text(frame)
            else:
                await self._websocket.send_bytes(frame)
        except WebSocketDisconnect as error:
            raise Gone(error.code) from error

    async def close(self, code: int, reason: str) -> None:
        """Close."""
        try:
            await self._websocket.close(code, reason)
        except WebSocketDisconnect as error:
            raise Gone(error.code) from error
