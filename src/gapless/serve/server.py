"""Runs the application: uvicorn, set up for streams, and servers for gRPC and Wyoming where they are asked for.

In: ``Services``. Out: a server that answers until it is stopped. Invariants: it is not reachable from other machines
without a key; it stops in order: no new connections, streams finish what they heard, then the rest.
Thread: the caller's, which becomes the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette

from gapless.serve.address import Addresses, Bound, check_exposure, check_grpc, listen, shown
from gapless.serve.app import create_app
from gapless.serve.health import health_of
from gapless.serve.jobs.sse import Listeners
from gapless.serve.quick.protocol import QuickHttp
from gapless.serve.services import Services
from gapless.serve.stream.heartbeat import Heartbeat
from gapless.serve.stream.registry import Streams
from gapless.serve.workers.siblings import Siblings
from gapless.serve.wyoming.edge import WyomingEdge

if TYPE_CHECKING:
    from gapless.serve.kserve.grpc_server import GrpcEdge

GC_THRESHOLDS: Final = (20_000, 20, 20)
"""Of ``gc.set_threshold``, once everything that stays is there."""

REQUESTS_DRAIN_S: Final = 5
"""What requests under way get to finish when the server stops; streams have had ``drain_ms`` before."""


class Server(uvicorn.Server):
    """A uvicorn server that drains the streams before their connections are closed.

    Args:
        services: the engine.
        on_ready: called with the addresses once connections are accepted.
        bound: sockets that it shares with other workers; None: it binds its own.
        siblings: the other workers; None: there are none.
    """

    def __init__(
        self,
        services: Services,
        on_ready: Callable[[Addresses], None] | None = None,
        *,
        bound: Bound | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        settings = services.settings
        check_exposure(settings)
        check_grpc(settings)
        self._settings = settings
        self._bound = bound
        app = create_app(services, siblings)
        self._state: Final = app.state
        self._grpc = None if settings.grpc_port < 0 else _grpc_edge(services, app)
        self._grpc_port = settings.grpc_port
        self.streams: Final[Streams] = app.state.streams
        self._job_listeners: Final[Listeners] = app.state.job_listeners
        self._wyoming = (
            None
            if settings.wyoming_port < 0
            else WyomingEdge(services, self.streams, app.state.flags)
        )
        self._wyoming_port = settings.wyoming_port
        self._on_ready = on_ready
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(QuickHttp, door=app.state.quick),  # type: ignore[arg-type]  # made like a class
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
                backlog=settings.backlog,
                timeout_keep_alive=settings.keep_alive_s,
                timeout_graceful_shutdown=REQUESTS_DRAIN_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and say where."""
        if self._grpc is not None:
            host, bound = self._socket.getsockname()[0], self._bound
            port = self._settings.grpc_port if bound is None else bound.grpc_port
            self._grpc_port = await self._grpc.start(host, port, is_shared=bound is not None)
        if self._wyoming is not None:
            self._wyoming_port = await self._wyoming.start(
                self._settings.wyoming_host,
                self._settings.wyoming_port,
                None if self._bound is None else self._bound.wyoming,
            )
        await super().startup(sockets)
        if self._on_ready is not None and self.started:
            self._on_ready(self.addresses)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in order."""
        for server in self.servers:
            server.close()
        self._job_listeners.close()
        stops = [
            edge.stop(REQUESTS_DRAIN_S) for edge in (self._grpc, self._wyoming) if edge is not None
        ]
        await asyncio.gather(self.streams.drain(), *stops)
        await super().shutdown(sockets)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until ``should_exit`` is set, or a signal comes.

        Raises:
            ConfigError: the address cannot be had.
        """
        bound = self._bound
        self._socket = listen(self._settings) if bound is None else bound.http
        with self._socket:
            super().run(sockets or [self._socket, *(() if bound is None else [bound.inside])])

    @property
    def addresses(self) -> Addresses:
        """Where a client on this machine finds the server."""
        name = shown(self._settings.host)
        port = self._socket.getsockname()[1]
        grpc = None if self._grpc is None else f"{name}:{self._grpc_port}"
        wyoming_name = shown(self._settings.wyoming_host)
        wyoming = None if self._wyoming is None else f"{wyoming_name}:{self._wyoming_port}"
        return Addresses(f"http://{name}:{port}", grpc, wyoming)


def run_server(services: Services, on_ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until interrupted (Ctrl-C or SIGTERM); then stop in order, and return.

    Args:
        services: the engine, started.
        on_ready: called with the addresses once connections are accepted; they have the real ports where 0 was
            asked for.

    Raises:
        ConfigError: an address that other machines can reach, without a key; or one that cannot be had.
    """

    def ready(addresses: Addresses) -> None:
        settle_heap()
        if on_ready is not None:
            on_ready(addresses)

    server = Server(services, ready)
    with _terminable(), contextlib.suppress(KeyboardInterrupt):
        server.run()


def _grpc_edge(services: Services, app: Starlette) -> GrpcEdge:
    """KServe over gRPC, with what the application for HTTP uses."""
    from gapless.serve.kserve.grpc_server import GrpcEdge

    state = app.state
    return GrpcEdge(
        services,
        state.asker,
        state.access,
        lambda: health_of(services, state.streams).ready,
        state.requests,
    )


def settle_heap() -> None:
    """Let the collector leave out what is there when the process begins to serve: models, routes and kernels stay.

    Going through them again and again took a sixth of the time of a call of a small model (measured); looking at what
    is young as often as Python does by default, a twentieth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


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
