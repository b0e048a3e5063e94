"""Connections that one worker accepted and another one serves: a resumed stream, or one that found no place here.

In: an upgrade, or a wish to resume; frames. Out: the same frames at the other worker, and its answers. Invariants: the
other worker sees the client's own headers and subprotocols; a few frames wait in each direction, after which the faster
side is held back; however one side ends, the other one learns it: a client that was lost is lost to the other worker
too, and may come back. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, cast, final
from urllib.parse import quote

import msgspec
from starlette.types import Scope
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from gapless.errors import NotFoundError, OverloadError
from gapless.serve.stream.channel import Channel, Frame, Gone
from gapless.serve.stream.close import GOODBYES, LOST, RESTART
from gapless.serve.stream.messages import ResumeMessage
from gapless.serve.workers.siblings import Siblings

RESUME_PATH: Final = "/inside/streams"
"""Where a worker is asked for a stream of its own; answered inside only."""

RESUME_HEADER: Final = "x-gapless-resume"
"""The wish, as JSON in percent encoding."""

OPEN_S: Final = 5.0
CLOSE_S: Final = 1.0

MOST_FRAMES: Final = 8
"""That wait in each direction."""

OF_THE_HOP: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"host",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that each hop has of its own."""


@final
class Passages:
    """Opens connections to the other workers.

    Args:
        siblings: the other workers.
        max_frame_bytes: as the settings say.
    """

    def __init__(self, siblings: Siblings, max_frame_bytes: int) -> None:
        self._siblings = siblings
        self._max_frame_bytes = max_frame_bytes

    def is_elsewhere(self, session: str) -> bool:
        """Whether a session is one of another worker."""
        return self._siblings.path_of(session.rpartition("-")[2]) is not None

    async def resume(self, wish: ResumeMessage) -> Passage:
        """The connection to a stream that another worker has.

        Raises:
            NotFoundError: it cannot be had back.
        """
        place = self._siblings.path_of(wish.session.rpartition("-")[2])
        headers = [(RESUME_HEADER, quote(msgspec.json.encode(wish)))]
        socket = None if place is None else await self._open(place, RESUME_PATH, headers, ())
        if socket is None:
            raise NotFoundError("this stream cannot be resumed any more; open a new one")
        return Passage(socket)

    async def elsewhere(self, scope: Scope) -> Passage:
        """The connection of a client to a worker that has a place for it.

        Args:
            scope: of the upgrade; it was let in here.

        Raises:
            OverloadError: nobody has.
        """
        path = quote(scope["path"])
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode("latin-1")
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name.lower() not in OF_THE_HOP
        ]
        if not self._siblings.is_inside(scope):  # once is enough
            for name in self._siblings.names():
                place = self._siblings.path_of(name)
                if place is not None:
                    socket = await self._open(place, path, headers, scope["subprotocols"])
                    if socket is not None:
                        return Passage(socket)
        raise OverloadError("no worker has a place", retry_after_ms=0)

    async def _open(
        self,
        place: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        subprotocols: Iterable[str],
    ) -> ClientConnection | None:
        try:
            return await unix_connect(
                place,
                f"ws://localhost{path}",
                additional_headers=list(headers),
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                user_agent_header=None,
                compression=None,
                max_size=2 * self._max_frame_bytes,
                max_queue=MOST_FRAMES,
                # The worker behind asks whether we are there, and ours whether the client is.
                ping_interval=None,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
            )
        except (OSError, TimeoutError, InvalidHandshake):
            return None


@final
class Passage:
    """One connection, open at the other worker."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @property
    def subprotocol(self) -> str | None:
        """What the other worker agreed on."""
        return self._socket.subprotocol

    async def carry(self, channel: Channel) -> None:
        """Carry frames both ways until one side ends."""
        tasks = [
            asyncio.create_task(self._to_worker(channel)),
            asyncio.create_task(self._to_client(channel)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self._abort()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def give_up(self) -> None:
        """The client is gone before anything was carried."""
        self._abort()

    async def _to_worker(self, channel: Channel) -> None:
        try:
            while True:
                await self._socket.send(await channel.receive())
        except ConnectionClosed:
            # What the worker said before it ended is still to be read.
            await asyncio.Event().wait()
        except Gone as gone:
            if gone.code in GOODBYES:
                await self._socket.close(gone.code)
            else:
                self._abort()

    async def _to_client(self, channel: Channel) -> None:
        with suppress(Gone):
            try:
                while True:
                    frame: Frame = await self._socket.recv()
                    await channel.send(frame)
            except ConnectionClosed:
                code = self._socket.close_code or LOST
                said = self._socket.close_reason or ""
                await channel.close(RESTART if code in (LOST, 1005) else code, said)

    def _abort(self) -> None:
        """Let the other worker see a connection that was lost; nothing happens where it has ended."""
        cast("Any", self._socket.transport).abort()
