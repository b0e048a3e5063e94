"""A recording from a URL, within bounds.

In: a URL that somebody else chose. Out: its bytes, as they come. Invariants: only ``http`` and ``https``; only
addresses of the public network, looked up once for each hop and then connected to as they are, so that a name that
means another address a moment later gains nothing; size, time and redirects are bounded, whatever the other side does.
Thread: the caller's; blocks. A timer of its own ends what takes too long.

The standard library's client is used for it takes the address to connect to apart from the name in ``Host`` and in TLS.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    ForbiddenError,
    GaplessError,
    NotFoundError,
    ProtocolError,
    TooLargeError,
)

Address: TypeAlias = IPv4Address | IPv6Address
IsAllowed: TypeAlias = Callable[[Address], bool]

READ_BYTES: Final = 64 * 1024
MAX_URL_CHARS: Final = 2048
PORTS: Final = {"http": 80, "https": 443}
NAT64: Final = bytes.fromhex("0064ff9b0000000000000000")
"""The well-known prefix under which IPv4 addresses are reached from IPv6. Source: RFC 6052, section 2.1."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PASSING: Final = frozenset({408, 425, 429})
"""Refusals below 500 that may be none the next time."""


class FetchLimits(msgspec.Struct, frozen=True):
    """What a recording from elsewhere may cost."""

    max_bytes: int
    total_s: float = 600.0
    silent_s: float = 20.0
    """Longest wait for the next bytes."""
    redirects: int = 5


def is_public(address: Address) -> bool:
    """Whether an address is one of the public network, whichever way it is written."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.packed.startswith(NAT64):
            inner = IPv4Address(address.packed[-4:])
        if address.teredo is not None or (inner is not None and not is_public(inner)):
            return False
    return address.is_global and not address.is_multicast


def check_url(url: str) -> SplitResult:
    """The parts of a URL that may be fetched, as far as it can be told from the URL.

    Raises:
        ProtocolError: it is no URL of the web, or carries a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProtocolError(f"this is no URL ({error}); check it", param="url") from error
    if parts.scheme not in PORTS or not parts.hostname or len(url) > MAX_URL_CHARS or port == 0:
        raise ProtocolError(
            f"{url[:200]!r} cannot be fetched; name a recording by http:// or https://", param="url"
        )
    if parts.username is not None or parts.password is not None:
        raise ProtocolError("a URL with a password in it is not fetched; leave it out", param="url")
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise ProtocolError(
            f"{url[:200]!r} has characters that URLs have not; write them as %xx", param="url"
        )
    return parts


def fetch(url: str, limits: FetchLimits, is_allowed: IsAllowed = is_public) -> Iterator[bytes]:
    """The bytes at a URL.

    Raises:
        ProtocolError: the URL cannot be used, or there are too many redirects.
        ForbiddenError: it leads to an address that is not allowed.
        NotFoundError: it is not there, or not for us.
        TooLargeError: it is larger than allowed.
        ConnectionLostError: the server cannot be reached, or failed.
        DeadlineError: it took too long.
    """
    ends_at = time.monotonic() + limits.total_s
    for _ in range(limits.redirects + 1):
        parts = check_url(url)
        with _request(parts, ends_at, limits, is_allowed) as response:
            if response.status in REDIRECTS:
                url = urljoin(url, response.headers.get("location", ""))
                continue
            _check_status(url, response.status)
            yield from _bytes_of(response, limits)
            return
    raise ProtocolError(f"the URL is redirected more than {limits.redirects} times", param="url")


@contextlib.contextmanager
def _request(
    parts: SplitResult, ends_at: float, limits: FetchLimits, is_allowed: IsAllowed
) -> Iterator[http.client.HTTPResponse]:
    late = threading.Event()
    host = parts.hostname or ""
    try:
        address = _address_of(host, parts.port or PORTS[parts.scheme], is_allowed)
        with contextlib.closing(_connection(parts, address, limits.silent_s)) as connection:

            def end() -> None:
                late.set()
                with contextlib.suppress(OSError):  # it is over already
                    if connection.wire is not None:
                        connection.wire.shutdown(socket.SHUT_RDWR)

            timer = threading.Timer(max(ends_at - time.monotonic(), 0.0), end)
            timer.daemon = True
            timer.start()
            try:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request(
                    "GET",
                    path,
                    headers={
                        "user-agent": "gapless",
                        "accept": "*/*",
                        "accept-encoding": "identity",
                    },
                )
                with contextlib.closing(connection.getresponse()) as response:
                    yield response
            finally:
                timer.cancel()
            if late.is_set():
                raise _too_late(limits)
    except GaplessError as error:
        if late.is_set():
            raise _too_late(limits) from error
        raise
    except (OSError, http.client.HTTPException) as error:
        if late.is_set():
            raise _too_late(limits) from error
        raise ConnectionLostError(
            f"{host} cannot be reached or broke off ({error!r}); try again later"
        ) from error


def _address_of(host: str, port: int, is_allowed: IsAllowed) -> tuple[str, int]:
    """The address to connect to. If one of those that a name has is not allowed, none is."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(info[4][0]).partition("%")[0] for info in found]
    for address in addresses:
        if not is_allowed(ip_address(address)):
            raise ForbiddenError(
                f"{host} is an address of this machine or of a private network, which jobs may not fetch from; "
                "send the recording itself",
                param="url",
            )
    return addresses[0], port


def _connection(parts: SplitResult, address: tuple[str, int], timeout_s: float) -> _Pinned:
    """A connection that knows its host by name and connects to ``address`` whatever the name means by then."""
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if parts.scheme == "https":
        return _PinnedTls(host, port, address, timeout_s)
    return _Pinned(host, port, address, timeout_s)


class _Pinned(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, address: tuple[str, int], timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address
        self.wire: socket.socket | None = None
        """As ``sock``, which the client forgets as soon as the rest of the answer is all that is left to read."""

    def connect(self) -> None:
        self.sock = self.wire = socket.create_connection(self._address, self.timeout)


class _PinnedTls(_Pinned):
    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        wire = ssl.create_default_context().wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock = self.wire = wire
        wire.do_handshake()


def _check_status(url: str, status: int) -> None:
    if status == HTTPStatus.OK:
        return
    host = urlsplit(url).hostname
    if status >= 500 or status in PASSING:
        raise ConnectionLostError(f"{host} answers with status {status}; try again later")
    raise NotFoundError(
        f"{host} answers with status {status}; check that anybody may read the URL", param="url"
    )


def _bytes_of(response: http.client.HTTPResponse, limits: FetchLimits) -> Iterator[bytes]:
    """The body; a length that was promised is held to."""
    too_large = TooLargeError(
        f"the recording at the URL is larger than {limits.max_bytes} bytes; raise max_body_bytes, or send less",
        param="url",
    )
    promised = response.length
    if promised is not None and promised > limits.max_bytes:
        raise too_large
    taken = 0
    while chunk := response.read1(READ_BYTES):
        taken += len(chunk)
        if taken > limits.max_bytes:
            raise too_large
        yield chunk
    if promised is not None and taken < promised:
        raise ConnectionLostError(
            f"the recording at the URL broke off after {taken} of {promised} bytes; try again later"
        )


def _too_late(limits: FetchLimits) -> DeadlineError:
    return DeadlineError(
        f"fetching the recording took longer than {limits.total_s:g} s; send the recording itself"
    )
