"""The sockets of a server with several workers, bound once, before any of them begins.

In: settings. Out: sockets that workers inherit. Invariants: they stay bound while workers come and go, so that a
connection that is made meanwhile waits for the next one and is not refused. Thread: the supervisor's.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Final

import msgspec

from gapless.errors import ConfigError
from gapless.serve.address import listen, resolve
from gapless.settings import Settings

BOUND_ONCE: Final = ("host", "port", "grpc_port", "wyoming_host", "wyoming_port", "backlog")
"""Settings that a reload cannot change."""


class Sockets(msgspec.Struct, frozen=True):
    """What workers accept from."""

    http: socket.socket
    grpc: socket.socket | None
    """Bound and never listened to: it keeps the port, which the workers share through ``SO_REUSEPORT``."""
    wyoming: socket.socket | None

    @property
    def grpc_port(self) -> int:
        """-1: not served."""
        return -1 if self.grpc is None else int(self.grpc.getsockname()[1])

    @property
    def passed(self) -> tuple[int, ...]:
        """Descriptors that a worker inherits."""
        return tuple(each.fileno() for each in (self.http, self.wyoming) if each is not None)


@contextlib.contextmanager
def bound(settings: Settings) -> Iterator[Sockets]:
    """All sockets of a server.

    Raises:
        ConfigError: an address cannot be had.
    """
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(listen(settings))
        grpc = wyoming = None
        if settings.grpc_port >= 0:
            grpc = stack.enter_context(_reserved(http, settings.grpc_port))
        if settings.wyoming_port >= 0:
            wyoming = stack.enter_context(_wyoming(settings))
        yield Sockets(http, grpc, wyoming)


def inside_socket(path: str) -> socket.socket:
    """Where a worker is asked by the others.

    Raises:
        ConfigError: the path is longer than the system allows.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - of a worker of that name that died
    inside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        inside.bind(path)
    except OSError as error:
        inside.close()
        raise ConfigError(
            f"workers cannot be asked at {path} ({error}); set TMPDIR to a folder with a shorter path"
        ) from error
    return inside


def _reserved(http: socket.socket, port: int) -> socket.socket:
    host = http.getsockname()[0]
    reserved = socket.socket(http.family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise ConfigError(
            f"cannot listen on {host}, port {port}, for gRPC ({error.strerror}); choose another with --grpc-port "
            "(0 picks a free one)",
            param="grpc_port",
        ) from error
    return reserved


def _wyoming(settings: Settings) -> socket.socket:
    host, port = settings.wyoming_host, settings.wyoming_port
    try:
        family, address = resolve(host, port)
        return socket.create_server(address, family=family, backlog=settings.backlog)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}, for Wyoming ({error.strerror}); choose another with "
            "--wyoming-host or --wyoming-port (0 picks a free one)",
            param="wyoming_port",
        ) from error
