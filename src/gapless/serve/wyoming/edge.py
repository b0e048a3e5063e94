"""Wyoming's listener: a server beside the one for HTTP, on the same event loop, over the same streams.

In: ``Services`` and its streams. Out: a server that answers until it is stopped. Invariants: the protocol has no keys,
so whoever can reach the address may ask: it is loopback's unless a setting says otherwise; the number of connections
is bounded; when it stops, utterances under way are answered first. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

import structlog

from gapless.errors import ConfigError
from gapless.serve.address import is_loopback
from gapless.serve.flags.flags import Flags
from gapless.serve.services import Services
from gapless.serve.stream.registry import Streams
from gapless.serve.wyoming.connection import WyomingConnection
from gapless.serve.wyoming.wire import encode

MAX_CONNECTIONS: Final = 1024
"""Connections at a time, most of which wait; one more is told so and closed."""

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a client gets to read the rest."""

log = structlog.get_logger(__name__)


class WyomingEdge:
    """The server; ``start`` it on the event loop that it lives on, and ``stop`` it there.

    Args:
        services: the engine.
        streams: where utterances are heard.
        flags: say what is on for whom.
    """

    def __init__(self, services: Services, streams: Streams, flags: Flags) -> None:
        self._services = services
        self._streams = streams
        self._flags = flags
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], WyomingConnection] = {}

    async def start(self, host: str, port: int, shared: socket.socket | None = None) -> int:
        """Accept connections; returns the port, which is another where 0 was asked for.

        Args:
            host: an address of this machine.
            port: 0 picks a free one.
            shared: a socket that is bound there, and listens for several processes; None: one of its own.

        Raises:
            ConfigError: the address cannot be had.
        """
        try:
            if shared is None:
                self._server = await asyncio.start_server(self._accept, host, port)
            else:
                self._server = await asyncio.start_server(self._accept, sock=shared)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}, port {port}, for Wyoming ({error.strerror}); choose another with "
                "--wyoming-host or --wyoming-port (0 picks a free one)",
                param="wyoming_port",
            ) from error
        if not is_loopback(host):
            log.warning("wyoming has no keys: whoever reaches it may use it", host=host, port=port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self, grace_s: float) -> None:
        """Accept no more, let utterances be answered, and break off what takes longer than ``grace_s``. Idempotent.

        The streams are drained by whoever owns them, at the same time.
        """
        if self._server is None:
            return
        self._server.close()
        for task, connection in self._connections.items():
            connection.stopping = True
            if not connection.hearing:
                task.cancel()
        if self._connections:
            await asyncio.wait([*self._connections], timeout=grace_s)
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait([*self._connections])

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = WyomingConnection(reader, writer, self._services, self._streams, self._flags)
        task = asyncio.create_task(self._serve(connection, writer))
        self._connections[task] = connection
        task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _serve(self, connection: WyomingConnection, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) > MAX_CONNECTIONS:
                reason = f"all {MAX_CONNECTIONS} connections are taken; try again in a moment"
                writer.write(encode("error", {"text": reason, "code": "overloaded"}))
            else:
                await connection.run()
        except Exception:
            # The supervisor of one connection: it ends, the others go on.
            log.exception("wyoming connection broke")
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await writer.wait_closed()
            writer.transport.abort()
