"""Runs the application: uvicorn, set up for streams.

In: ``Services``. Out: a server that answers until it is stopped. Invariants: it is not reachable from other machines
without a key; it stops in order: no new connections, streams finish what they heard, then the rest.
Thread: the caller's, which becomes the event loop's.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from gapless.errors import ConfigError
from gapless.serve.access import is_loopback
from gapless.serve.app import create_app
from gapless.serve.services import Services
from gapless.serve.stream.heartbeat import Heartbeat
from gapless.serve.stream.registry import Streams
from gapless.settings import Settings

BACKLOG: Final = 512
"""Connections that may wait to be accepted."""

REQUESTS_DRAIN_S: Final = 5
"""What requests under way get to finish when the server stops; streams have had ``drain_ms`` before."""


class Server(uvicorn.Server):
    """A uvicorn server that drains the streams before their connections are closed.

    Args:
        services: the engine.
        on_ready: called with the URL once connections are accepted.
    """

    def __init__(self, services: Services, on_ready: Callable[[str], None] | None = None) -> None:
        settings = services.settings
        check_exposure(settings)
        self._settings = settings
        app = create_app(services)
        self.streams: Final[Streams] = app.state.streams
        self._on_ready = on_ready
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws=Heartbeat,
                # Twice the bound, so that it is the session that says which frame was too large.
                ws_max_size=2 * settings.max_frame_bytes,
                ws_ping_interval=settings.ping_interval_ms / 1000,
                ws_ping_timeout=settings.ping_timeout_ms / 1000,
                # Compressing audio costs more than it saves.
                ws_per_message_deflate=False,
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=REQUESTS_DRAIN_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and say where."""
        await super().startup(sockets)
        if self._on_ready is not None and self.started:
            self._on_ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in order."""
        for server in self.servers:
            server.close()
        await self.streams.drain()
        await super().shutdown(sockets)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until ``should_exit`` is set, or a signal comes.

        Raises:
            ConfigError: the address cannot be had.
        """
        self._socket = listen(self._settings)
        with self._socket:
            super().run(sockets or [self._socket])

    @property
    def url(self) -> str:
        """Where a client on this machine finds the server."""
        host = self._settings.host
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
        port = self._socket.getsockname()[1]
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def run_server(services: Services, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until interrupted (Ctrl-C or SIGTERM); then stop in order, and return.

    Args:
        services: the engine, started.
        on_ready: called with the URL once connections are accepted; it has the real port where 0 was asked for.

    Raises:
        ConfigError: an address that other machines can reach, without a key; or one that cannot be had.
    """
    server = Server(services, on_ready)
    with _terminable(), contextlib.suppress(KeyboardInterrupt):
        server.run()


def listen(settings: Settings) -> socket.socket:
    """A socket at the address of the settings.

    Raises:
        ConfigError: it cannot be had.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({error.strerror}); choose another with --host "
            "or --port (0 picks a free one)",
            param="port",
        ) from error


def check_exposure(settings: Settings) -> None:
    """Refuse to be open to the network.

    Raises:
        ConfigError: not a loopback address, and no key.
    """
    if not is_loopback(settings.host) and not settings.api_key:
        raise ConfigError(
            f"{settings.host} can be reached from other machines, which needs a key; "
            "set one with --api-key or GAPLESS_API_KEY, or listen on 127.0.0.1",
            param="api_key",
        )


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM end the server as Ctrl-C does.

    uvicorn stops in order at either signal, and then raises it again: the default answer to SIGTERM would end the
    process before anything else is closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
