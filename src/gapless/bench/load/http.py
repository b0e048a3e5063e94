"""Connections that ask over HTTP/1.1, at little cost for the machine that is shared with what is measured.

In: a task with an ``HttpQuestion``. Out: connections for a desk. Invariants: one request at a time on a connection
(pipelining is for nobody); an answer counts as good if its status is below 400 and it is there to its last byte.
Thread: the event loop's.

The whole request is made once, and only its numbers are put in anew; answers are read by httptools, and their bodies
not kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Final, cast, final
from urllib.parse import urlsplit

import httptools

from gapless.bench.load.desk import Connect, Desk
from gapless.bench.load.task import HttpQuestion, Task
from gapless.bench.load.template import Template
from gapless.errors import ConfigError

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Not HEAD, whose answers say how long a body is that does not come."""

FIRST_ERROR: Final = 400
INFORMATIONAL: Final = 200
"""Statuses below are not the answer yet."""

OWN_HEADERS: Final = frozenset(("host", "content-length", "transfer-encoding", "connection"))
CUT_OFF: Final = "connection lost before the answer"
NO_HTTP: Final = "an answer that is no HTTP"


def http_connect(task: Task, question: HttpQuestion) -> Connect:
    """What makes connections for a task.

    Raises:
        ConfigError: the address, a header or the file of the body cannot be used.
    """
    place = urlsplit(question.url)
    is_safe = place.scheme == "https"
    host, port = place.hostname, place.port or (443 if is_safe else 80)
    if place.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"{question.url!r} is no address over HTTP; write one such as http://127.0.0.1:8000/",
            param="url",
        )
    wire = wire_of(task, question)
    context = ssl.create_default_context() if is_safe else None

    async def connect(desk: Desk) -> HttpCaller:
        _, caller = await asyncio.get_running_loop().create_connection(
            lambda: HttpCaller(desk, wire), host, port, ssl=context
        )
        return caller

    return connect


def wire_of(task: Task, question: HttpQuestion) -> Template:
    """The request as it travels, but for its numbers.

    Raises:
        ConfigError: a header or the file of the body cannot be used.
    """
    place = urlsplit(question.url)
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    lines = [
        f"{question.method} {target} HTTP/1.1",
        f"host: {place.netloc.rpartition('@')[2]}",
    ]
    for name, value in question.headers:
        if name.lower() in OWN_HEADERS:
            raise ConfigError(f"the header {name} is written by the load itself; leave it out")
        lines.append(f"{name}: {value}")
    head = "\r\n".join(lines)
    if not head.isprintable() and any(
        not (character.isprintable() or character == "\t") for line in lines for character in line
    ):
        raise ConfigError("an address or a header has a character that cannot be sent; remove it")
    body = _body_of(question)
    size = len(Template(body, run=0).make(0))
    if body or question.method not in ("GET", "DELETE", "OPTIONS"):
        head += f"\r\ncontent-length: {size}"
    return Template(head.encode("utf-8") + b"\r\n\r\n" + body, run=task.run, bodies=task.bodies)


def _body_of(question: HttpQuestion) -> bytes:
    if not question.body_file:
        return question.body.encode()
    try:
        return Path(question.body_file).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{question.body_file} cannot be read ({error.strerror}); name another file with --body"
        ) from error


@final
class HttpCaller(asyncio.Protocol):
    """One connection.

    Args:
        desk: that it reports to.
        wire: its requests.
    """

    __slots__ = (
        "_desk",
        "_head",
        "_is_closed",
        "_parser",
        "_transport",
        "_wire",
        "due_s",
        "is_asking",
        "sent_s",
    )

    def __init__(self, desk: Desk, wire: Template) -> None:
        self._desk = desk
        self._wire = wire
        self._is_closed = False
        self._head = b""
        self.due_s = 0.0
        self.sent_s = 0.0
        self.is_asking = False

    def ask(self, number: int) -> None:
        """Send a request."""
        self._transport.write(self._wire.make(number))

    def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        self._transport.abort()

    # --- asyncio's side ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is asked yet."""
        self._transport = cast("asyncio.Transport", transport)
        link = transport.get_extra_info("socket")
        if link is not None:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        self._desk.received_bytes += len(data)
        if not self._head:
            self._head = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._desk.lost(self, NO_HTTP)

    def connection_lost(self, error: Exception | None) -> None:
        """The server has gone, which is in order where nothing was asked, or where the end is that of the answer."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.is_asking and error is None and self._ends_with_connection():
            self._desk.answered_last(self, self._error())
        else:
            self._desk.lost(self, CUT_OFF)

    # --- httptools' side --------------------------------------------------------------------------

    def on_message_complete(self) -> None:
        """An answer is there."""
        if self._parser.get_status_code() < INFORMATIONAL:
            self._head = b""
            return
        if self._is_closed or not self.is_asking:
            return
        self._head = b""
        if self._parser.should_keep_alive():
            self._desk.answered(self, self._error())
        else:
            self.close()
            self._desk.answered_last(self, self._error())

    def _error(self) -> str:
        status = self._parser.get_status_code()
        return f"status {status}" if status >= FIRST_ERROR else ""

    def _ends_with_connection(self) -> bool:
        """Whether the answer's body is as long as the connection lasts (RFC 9112, section 6.3)."""
        head, end, _ = self._head.lower().partition(b"\r\n\r\n")
        return (
            bool(end) and b"\ncontent-length:" not in head and b"\ntransfer-encoding:" not in head
        )
