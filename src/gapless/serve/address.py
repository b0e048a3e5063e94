"""Where a server listens: its sockets, and whether it may listen there.

In: settings. Out: sockets, addresses as clients write them. Invariants: nothing heavy is imported here: the supervisor
of several workers binds the sockets, and is a small process. Thread: any.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import socket

import msgspec

from gapless.errors import ConfigError, MissingDependencyError
from gapless.settings import Settings


class Addresses(msgspec.Struct, frozen=True):
    """Where a client on this machine finds the server."""

    url: str
    grpc: str | None
    """``HOST:PORT`` of KServe over gRPC, where it is served."""
    wyoming: str | None = None
    """``HOST:PORT`` of Wyoming, where it is served."""


class Bound(msgspec.Struct, frozen=True):
    """Sockets that were bound before a worker began, and that others accept from as well."""

    http: socket.socket
    inside: socket.socket
    """A Unix socket, where the other workers ask."""
    grpc_port: int
    """Shared through ``SO_REUSEPORT``; -1: not served."""
    wyoming: socket.socket | None


def listen(settings: Settings) -> socket.socket:
    """A socket at the address of the settings.

    Raises:
        ConfigError: it cannot be had.
    """
    host, port = settings.host, settings.port
    try:
        family, address = resolve(host, port)
        return socket.create_server(address, family=family, backlog=settings.backlog)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({error.strerror}); choose another with --host "
            "or --port (0 picks a free one)",
            param="port",
        ) from error


def resolve(host: str, port: int) -> tuple[int, tuple[str, int]]:
    """The family and address to bind, IPv4 before IPv6.

    Raises:
        OSError: the name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, (str(address[0]), int(address[1]))


def shown(host: str) -> str:
    """How a client on this machine writes the address that is listened on."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"[{name}]" if ":" in name else name


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, means this machine and no other."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


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


def check_grpc(settings: Settings) -> None:
    """Refuse to serve gRPC without its library.

    Raises:
        MissingDependencyError: gRPC is asked for and not installed.
    """
    if settings.grpc_port >= 0 and importlib.util.find_spec("grpc") is None:
        raise MissingDependencyError(
            "serving over gRPC needs grpcio, which is not installed; run `pip install 'gapless[grpc]'`, or leave "
            "--grpc-port out"
        )
