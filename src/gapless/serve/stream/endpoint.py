"""The native stream's endpoint, ``GET /v1/stream``: frames to the session, messages to the client.

In: a WebSocket. Out: the same, closed. Invariants: refused before the upgrade where there is no room; nothing is
decided here, and nothing computed; the tasks of a connection end with it. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gapless.errors import NotFoundError, ProtocolError
from gapless.serve.stream.close import LOST, POLICY
from gapless.serve.stream.live import LiveStream, now_ms
from gapless.serve.stream.messages import (
    SUBPROTOCOL,
    ResumeMessage,
    StreamOptions,
    encode,
    options_of_query,
)
from gapless.serve.stream.registry import Streams

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a client that does not read is asked politely."""


def routes(streams: Streams) -> list[WebSocketRoute]:
    """``/v1/stream``."""

    async def endpoint(websocket: WebSocket) -> None:
        live = _open(websocket, streams)
        offered = websocket.scope["subprotocols"]
        try:
            await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        except BaseException:
            live.session.abandon()
            live.touch()
            raise
        # A task of its own: when the server stops, it is waited for like the streams themselves.
        await streams.keep(Connection(websocket, streams).run(live))

    return [WebSocketRoute("/v1/stream", endpoint)]


class Connection:
    """One WebSocket, and whichever stream it has."""

    def __init__(self, websocket: WebSocket, streams: Streams) -> None:
        self._websocket = websocket
        self._streams = streams

    async def run(self, first: LiveStream) -> None:
        """Serve until one side closes."""
        live: LiveStream | None = first
        while live is not None:
            live = await self._attach(live)

    async def _attach(self, live: LiveStream) -> LiveStream | None:
        """Carry ``live`` until it ends or the connection does; return the stream to go on with."""
        cut = live.attach()
        reader = asyncio.create_task(self._read(live))
        writer = asyncio.create_task(self._write(live))
        waiter = asyncio.create_task(cut.wait())
        tasks = (reader, writer, waiter)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._lose(live, LOST)
            raise
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
                raise end
        if cut.is_set():
            await self._close(live.session.close_code or POLICY)
            return None
        if isinstance(ends[0], ResumeMessage):
            return self._resume(live, ends[0])
        if ends[1] is not None:  # the writer did not get to its end
            self._lose(live, ends[0] if isinstance(ends[0], int) else LOST)
        return None

    async def _read(self, live: LiveStream) -> int | ResumeMessage:
        """Pass frames to the session; return the code of the disconnect, or the wish for another session."""
        session = live.session
        while True:
            while not session.reading:
                live.room.clear()
                await live.room.wait()
            frame = await self._websocket.receive()
            if frame["type"] == "websocket.disconnect":
                return int(frame.get("code") or LOST)
            text = frame.get("text")
            if text is None:
                session.receive_bytes(frame["bytes"], now_ms())
            elif (request := session.receive_text(text, now_ms())) is not None:
                return request
            live.touch()

    async def _write(self, live: LiveStream) -> None:
        """Send what the session has to say, and close when it says so."""
        session = live.session
        while True:
            message = session.next_message()
            if message is not None:
                await self._websocket.send_text(encode(message))
            elif session.close_code is not None:
                await self._websocket.close(session.close_code)
                return
            else:
                live.outbox.clear()
                await live.outbox.wait()

    def _resume(self, fresh: LiveStream, request: ResumeMessage) -> LiveStream:
        """Exchange the stream that this connection began with for the one it lost."""
        try:
            lost = self._streams.find(request)
        except NotFoundError as error:
            fresh.session.refuse(error)
            fresh.touch()
            return fresh
        fresh.session.abandon()
        fresh.touch()
        lost.session.resume(request, now_ms())
        lost.touch()
        return lost

    def _lose(self, live: LiveStream, code: int) -> None:
        live.session.disconnect(code, now_ms())
        self._streams.park(live)
        live.touch()

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(code)
        except (TimeoutError, WebSocketDisconnect):
            pass  # whoever does not read is not told


def _open(websocket: WebSocket, streams: Streams) -> LiveStream:
    """The stream that the query asks for."""
    try:
        return streams.open(options_of_query(websocket.query_params.multi_items()))
    except ProtocolError as error:
        # Said in a message after the upgrade, for browsers show pages nothing of a refused one.
        live = streams.open(StreamOptions())
        live.session.refuse(error)
        return live
