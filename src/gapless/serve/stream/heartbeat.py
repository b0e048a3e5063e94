"""A WebSocket connection that is patient with those it keeps waiting, and done with those who are gone.

In: bytes and timers of uvicorn. Out: the same connection, cut when its peer is really gone.
Invariants: a peer is alive while anything comes from it, not only answers to pings: while we do not read (that is how a
fast sender is held back) its answers wait behind its audio, and it must not be cut off for our slowness. A connection
that is over is not kept open by a peer that does not read its last bytes. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

FAREWELL_S: Final = 10.0
"""What a peer gets to read the last bytes of a connection."""


class Heartbeat(WebSocketsSansIOProtocol):
    """uvicorn's connection with another idea of who is gone."""

    heard_at: float = 0.0
    """When the last bytes came, on the loop's clock."""

    def data_received(self, data: bytes) -> None:
        """Take note that the peer lives."""
        self.heard_at = self.loop.time()
        super().data_received(data)

    def keepalive_timeout(self) -> None:
        """A ping was not answered in time."""
        if (self.read_paused or self.heard_at > self.ping_sent_at) and self.ping_timeout:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        """Pass on what the application says."""
        await super().send(message)
        if self.close_sent:
            # A refusal is a good end of a handshake; uvicorn would complain of every one in the log.
            self.handshake_complete = True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done with the connection."""
        super().on_task_complete(task)
        self.loop.call_later(FAREWELL_S, self.transport.abort)
