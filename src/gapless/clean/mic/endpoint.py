"""Where a running virtual microphone can be asked, and how another process finds it.

In: lines, from processes of the same user. Out: answers. Invariants: one holder per name; one caller at a time, each
with ``PATIENCE_S`` seconds in all, so that a caller who says nothing holds up nobody for long. Thread: its own; ``ask``
and ``holders`` any.

Where there are Unix sockets, the permissions of the folder say who may ask. Where there are none (Windows), it is a
port of the loopback address, and a token that only the user can read from the file of the lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from gapless.clean.mic.control import MOST_ANSWER_BYTES, MOST_REQUEST_BYTES, Answer, Request
from gapless.clean.mic.places import slug
from gapless.clean.mic.running_lock import RunningLock, read_held
from gapless.errors import ConfigError, ConnectionLostError, DeviceError, NotFoundError

PATIENCE_S: Final = 2.0
ANSWER_S: Final = 10.0
"""How long an answer may take."""
POLL_S: Final = 0.2
TAKE_TRIES: Final = 10
TAKE_AGAIN_S: Final = 0.02
"""A look of somebody else holds a lock for a moment."""

Respond = Callable[[bytes, str], bytes]
"""A line and the token that it must carry in, a line out."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a name, and where to ask."""

    name: str
    pid: int
    path: str = ""
    """Of a Unix socket."""
    port: int = 0
    """Of the loopback address, where there is no path."""
    token: str = ""


class Endpoint:
    """Holds a name and answers. Use it as a context manager.

    Args:
        name: of the virtual device.
        folder: of sockets and locks.
        unix: by a Unix socket.

    Raises:
        DeviceError: on entering: another process holds the name.
    """

    def __init__(self, name: str, folder: Path, *, unix: bool = sys.platform != "win32") -> None:
        self._name = name
        self._unix = unix
        self._path = folder / f"mic-{slug(name)}.sock"
        self._lock_path = _lock_path(name, folder)
        self._lock: RunningLock | None = None
        self._token = "" if unix else secrets.token_urlsafe(24)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        for _ in range(TAKE_TRIES):
            self._lock = RunningLock.take(self._lock_path)
            if self._lock is not None:
                break
            time.sleep(TAKE_AGAIN_S)
        else:
            raise DeviceError(
                f"“{self._name}” is already running; look at it with `gapless mic status`, end it with "
                "`gapless mic stop`, or give this one another --name"
            )
        try:
            self._listener = self._listen()
            port = 0 if self._unix else self._listener.getsockname()[1]
            path = str(self._path) if self._unix else ""
            holder = Holder(
                name=self._name, pid=os.getpid(), path=path, port=port, token=self._token
            )
            self._lock.write(msgspec.json.encode(holder))
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if self._listener is not None:
            self._listener.close()
        if self._unix:
            self._path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()

    def answer(self, respond: Respond) -> None:
        """Begin to answer; who called before that has waited.

        Args:
            respond: answers a line; called on the endpoint's thread.
        """
        self._thread = threading.Thread(
            target=self._serve, args=(respond,), name="gapless-control", daemon=True
        )
        self._thread.start()

    def _listen(self) -> socket.socket:
        family = socket.AF_UNIX if self._unix else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if self._unix:
                self._path.unlink(missing_ok=True)  # of a holder that was killed
                listener.bind(str(self._path))
                self._path.chmod(0o600)
            else:
                listener.bind(("127.0.0.1", 0))
            listener.listen(8)
            listener.settimeout(POLL_S)
        except BaseException:
            listener.close()
            raise
        return listener

    def _serve(self, respond: Respond) -> None:
        listener = self._listener
        while listener is not None and not self._ending.is_set():
            try:
                caller, _ = listener.accept()
            except OSError:  # nobody called, or the system has no room for one more
                continue
            # A caller that goes away in the middle harms only itself.
            with caller, contextlib.suppress(OSError):
                self._talk(caller, respond)

    def _talk(self, caller: socket.socket, respond: Respond) -> None:
        lines = _Lines(caller, MOST_REQUEST_BYTES + 1, PATIENCE_S)
        while (line := lines.read()) is not None:
            caller.sendall(respond(line, self._token))
            if len(line) > MOST_REQUEST_BYTES:
                return


def ask(request: Request, folder: Path, name: str | None = None) -> Answer:
    """Ask a running virtual microphone.

    Args:
        request: what.
        folder: of sockets and locks.
        name: whom; None: the one that runs.

    Raises:
        NotFoundError: it does not run.
        ConfigError: no name was given and several run.
        ConnectionLostError: it does not answer.
    """
    holder = find_holder(folder, name)
    line = msgspec.json.encode(msgspec.structs.replace(request, token=holder.token)) + b"\n"
    try:
        family = socket.AF_UNIX if holder.path else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(holder.path or ("127.0.0.1", holder.port))
            connection.sendall(line)
            answer = _Lines(connection, MOST_ANSWER_BYTES, ANSWER_S).read()
        if answer is None:
            raise ConnectionLostError(f"“{holder.name}” ended before it answered; start it again")
        return msgspec.json.decode(answer, type=Answer)
    except (OSError, msgspec.DecodeError) as error:
        if isinstance(error, ConnectionLostError):
            raise
        raise ConnectionLostError(
            f"“{holder.name}” (process {holder.pid}) does not answer ({error}); end that process"
        ) from error


def find_holder(folder: Path, name: str | None) -> Holder:
    """Who is meant.

    Raises:
        NotFoundError: nobody.
        ConfigError: it could be several.
    """
    running = holders(folder)
    names = ", ".join(f"“{holder.name}”" for holder in running)
    if name is not None:
        for holder in running:
            if holder.name == name:
                return holder
        there = f"these do: {names}" if running else "start it with: gapless mic"
        raise NotFoundError(f"“{name}” does not run; {there}")
    if not running:
        raise NotFoundError("no virtual microphone runs here; start one with: gapless mic")
    if len(running) > 1:
        raise ConfigError(f"several run here ({names}); say which with --name", param="name")
    return running[0]


def holders(folder: Path) -> list[Holder]:
    """All that run, by name."""
    found = []
    for file in folder.glob("mic-*.lock"):
        content = read_held(file)
        # Between its lock and its first words a holder has said nothing yet.
        with contextlib.suppress(msgspec.DecodeError):
            if content:
                found.append(msgspec.json.decode(content, type=Holder))
    return sorted(found, key=lambda holder: holder.name)


def _lock_path(name: str, folder: Path) -> Path:
    return folder / f"mic-{slug(name)}.lock"


class _Lines:
    """Lines of a connection, each at most so long, all of them within so many seconds."""

    def __init__(self, connection: socket.socket, most_bytes: int, seconds: float) -> None:
        self._connection = connection
        self._most_bytes = most_bytes
        self._deadline_s = time.monotonic() + seconds
        self._read = bytearray()

    def read(self) -> bytes | None:
        """A line without its end, cut at the bound; None where the other side has closed.

        Raises:
            OSError: the connection broke or the time is over.
        """
        while b"\n" not in self._read and len(self._read) < self._most_bytes:
            left_s = self._deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("it took too long")
            self._connection.settimeout(left_s)
            part = self._connection.recv(min(65_536, self._most_bytes - len(self._read)))
            if not part:
                return None
            self._read += part
        line, _, rest = self._read.partition(b"\n")
        self._read = rest
        return bytes(line)
