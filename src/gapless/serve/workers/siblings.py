"""The other workers of this server, and how they are asked: over Unix sockets in a folder of our own.

In: names of workers, paths. Out: answers. Invariants: whoever can open such a socket is this user on this machine, so
that nobody needs a key there; a worker that is not there, or does not answer in time, is left out; answers are bounded.
Thread: the event loop's.

The folder is the list: each worker has a socket there for as long as it serves, also while it retires.
"""

from __future__ import annotations

import asyncio
import io
import re
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final, cast, final

import msgspec
from starlette.types import Scope

ANSWER_S: Final = 1.0
"""How long a worker may take to answer."""

LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024

SUFFIX: Final = ".sock"

NAME: Final = re.compile(r"g(\d{1,9})w(\d{1,4})", re.ASCII)
"""``g2w0``: of the second start, or reload, the first worker."""


class Reply(msgspec.Struct, frozen=True):
    """What a worker answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def worker_name(generation: int, number: int) -> str:
    """What a worker is called: in its sessions, tickets and logs, and where its socket is."""
    return f"g{generation}w{number}"


def socket_path(folder: Path, name: str) -> Path:
    """Where a worker is asked."""
    return folder / f"{name}{SUFFIX}"


@final
class Siblings:
    """See the module's head.

    Args:
        folder: that of the sockets; only this user may enter it.
        name: of the worker that asks.
        of: how many there are of the same start.
        secret: known to all of them, and to nobody else.
    """

    def __init__(self, folder: Path, name: str, of: int, secret: bytes) -> None:
        self.name: Final = name
        self.of: Final = of
        self.secret: Final = secret
        self._folder = folder
        self._inside: Final = (str(socket_path(folder, name)), None)

    def is_inside(self, scope: Scope) -> bool:
        """Whether a request or upgrade comes from another worker."""
        return scope.get("server") == self._inside

    def names(self) -> list[str]:
        """The others that serve now, those of the newest start first."""
        found = [NAME.fullmatch(path.stem) for path in self._folder.glob(f"*{SUFFIX}")]
        order = {each[0]: (-int(each[1]), int(each[2])) for each in found if each is not None}
        return sorted((name for name in order if name != self.name), key=order.__getitem__)

    def path_of(self, name: str) -> str | None:
        """Where another worker is asked, if it is there."""
        path = socket_path(self._folder, name)
        is_other = NAME.fullmatch(name) is not None and name != self.name
        return str(path) if is_other and path.exists() else None

    @property
    def missing(self) -> int:
        """How many of the same start are not there."""
        generation = self.name.partition("w")[0]
        there = sum(name.partition("w")[0] == generation for name in self.names())
        return max(self.of - 1 - there, 0)

    async def ask(self, path: str) -> list[bytes]:
        """What the others answer to ``GET path``; those that do not, within a second, are left out."""
        replies = await asyncio.gather(*(self.request(name, "GET", path) for name in self.names()))
        return [reply.body for reply in replies if reply is not None and reply.status == 200]

    async def request(
        self,
        name: str,
        method: str,
        path: str,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        *,
        timeout_s: float = ANSWER_S,
    ) -> Reply | None:
        """Ask one of the others; None: it is not there, or does not answer.

        Args:
            name: of the worker.
            method: of HTTP.
            path: with its query.
            body: of the request.
            headers: besides host, connection and content-length.
            timeout_s: how long it may take.
        """
        place = self.path_of(name)
        if place is None:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return await _exchange(place, _head(method, path, body, headers) + body)
        except (OSError, TimeoutError, HTTPException):
            return None


def _head(method: str, path: str, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: localhost", b"connection: close"]
    lines += [b"%s: %s" % header for header in headers]
    lines += [b"content-length: %d" % len(body), b"\r\n"]
    return b"\r\n".join(lines)


async def _exchange(place: str, request: bytes) -> Reply:
    reader, writer = await asyncio.open_unix_connection(place)
    try:
        writer.write(request)
        answer = bytearray()
        while piece := await reader.read(1 << 16):
            answer += piece
            if len(answer) > LARGEST_ANSWER_BYTES:
                raise HTTPException(f"more than {LARGEST_ANSWER_BYTES} bytes")
        return _parsed(bytes(answer))
    finally:
        writer.close()


def _parsed(answer: bytes) -> Reply:
    response = HTTPResponse(cast("Any", _Heard(answer)))
    response.begin()
    return Reply(response.status, tuple(response.getheaders()), response.read())


class _Heard:
    """What ``HTTPResponse`` takes for a socket."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, _: str) -> io.BytesIO:
        """The answer as a file."""
        return io.BytesIO(self._answer)
