"""A client of a JACK server.

In: a library and a name. Out: an open client, which is not called yet. Invariants: it is closed at the latest when
the interpreter ends, and before the memory that its thread uses is freed; after the server has left, its calls do
nothing. Thread: any, one at a time behind a lock; the library's thread takes none.

JACK's library frees the clients of a dead server when the next one is opened; whoever closes such a client afterwards
brings the process down. So those are closed before, and one whose server dies in that very moment is never closed.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, final

import numpy as np

from gapless.audio.device.jack_callback import note_shutdown
from gapless.audio.device.jack_library import (
    AUDIO_TYPE,
    NO_START_SERVER,
    LatencyRange,
    take_names,
)
from gapless.audio.device.patience import Patience
from gapless.errors import DeviceError

NAME_BYTES: Final = 32
"""Of a client's name; it may have twice as many, but the server adds what tells two of a name apart."""

PATIENCE_S: Final = 2.0
"""A server that takes longer to take or release a client hangs."""

_lock: Final = threading.RLock()
"""Guards the libraries' lists of clients, theirs and ours."""
_clients: Final[weakref.WeakSet[JackClient]] = weakref.WeakSet()
"""All that are open."""
_given_up: Final[list[list[object]]] = []
"""What clients that cannot be closed may still look at."""


@final
class JackClient:
    """An open client.

    Args:
        library: from ``load_jack``.
        name: what the server shows; it may add to it.
        settings: of the environment, for as long as the library reads it.

    Raises:
        DeviceError: there is no server, or it takes nobody.
    """

    def __init__(
        self, library: ctypes.CDLL, name: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self._library: Final = library
        self._gone = np.zeros(1, np.int64)
        self._used: list[object] = []
        """Memory that the client's threads work on."""
        self._handle: Final = _open(library, name, settings or {})
        self._finalizer = weakref.finalize(self, _close, library, self._handle, self._used)
        with _lock:
            _clients.add(self)
        self.name: Final[str] = library.jack_get_client_name(self._handle).decode()
        """As the server has it."""
        self.call("jack_on_shutdown", note_shutdown, self._gone)

    @property
    def open(self) -> bool:
        """Whether it was not closed and its server is there."""
        return self._finalizer.alive and not self._gone[0]

    @property
    def rate_hz(self) -> int:
        """Samples a second of the server; 0: it is gone."""
        with _lock:
            return int(self._library.jack_get_sample_rate(self._handle)) if self.open else 0

    def address(self, function: str) -> int:
        """Where a function of the library lies, for native code."""
        return ctypes.cast(getattr(self._library, function), ctypes.c_void_p).value or 0

    def call(self, what: str, function: Any, state: Any) -> None:
        """Have native code called.

        Args:
            what: the library's function that takes it.
            function: a ``@callback``.
            state: the NumPy array whose address it is given.
        """
        with _lock:
            self._used += [function, state]
            getattr(self._library, what)(self._handle, function.address, state.ctypes.data)

    def register(self, name: str, flags: int) -> int:
        """A new audio port of ours.

        Raises:
            DeviceError: the server gives none.
        """
        with _lock:
            port: int | None = self._library.jack_port_register(
                self._handle, name.encode(), AUDIO_TYPE, flags, 0
            )
        if not port:
            raise DeviceError("the sound server gives no port; close other clients of it")
        return port

    def start(self, *used: object) -> None:
        """Let the server call; ``used`` is what must stay as long as it does.

        Raises:
            DeviceError: the server is gone.
        """
        with _lock:
            self._used += used
            if not self.open or self._library.jack_activate(self._handle):
                raise DeviceError("the sound server does not start the client; see that it runs")

    def peers(self, port: int) -> frozenset[str]:
        """Names of the ports that a port of ours is joined with."""
        with _lock:
            names = self._library.jack_port_get_connections(port) if self.open else None
            return frozenset(take_names(self._library, names))

    def part(self, port: int) -> None:
        """Let go of everything that a port of ours is joined with."""
        with _lock:
            if self.open:
                self._library.jack_port_disconnect(self._handle, port)

    def join(self, source: str, target: str) -> bool:
        """Join two ports by name; whether the server did."""
        with _lock:
            names = (source.encode(), target.encode())
            return self.open and not self._library.jack_connect(self._handle, *names)

    def ports(self, flags: int) -> list[str]:
        """Names of all audio ports of that kind."""
        with _lock:
            found = (
                self._library.jack_get_ports(self._handle, None, AUDIO_TYPE, flags)
                if self.open
                else None
            )
            return take_names(self._library, found)

    def latency_frames(self, port: str, mode: int) -> int | None:
        """The longest way between a port and the air; None: the port is gone."""
        with _lock:
            handle = self.open and self._library.jack_port_by_name(self._handle, port.encode())
            if not handle:
                return None
            frames = LatencyRange()
            self._library.jack_port_get_latency_range(handle, mode, ctypes.byref(frames))
            return int(frames.most)

    def close(self) -> None:
        """Leave; when this returns, nothing is called any more, if the server does not hang. Idempotent."""
        self._finalizer()

    def close_if_gone(self) -> None:
        """Leave a server that has left."""
        if self._gone[0]:
            self.close()

    def give_up_if_gone(self) -> None:
        """Never close it, if its server has left: the library has freed it."""
        if self._gone[0] and self._finalizer.detach() is not None:
            _given_up.append(self._used)


def client_name(name: str) -> str:
    """What a client can be called of a name for people: a colon would end it."""
    return name.replace(":", " ").encode()[:NAME_BYTES].decode(errors="ignore")


def _open(library: ctypes.CDLL, name: str, settings: Mapping[str, str]) -> int:
    status = ctypes.c_int()
    opening = Patience[int | None](
        lambda: library.jack_client_open(
            client_name(name).encode(), NO_START_SERVER, ctypes.byref(status)
        ),
        late=lambda handle: handle and library.jack_client_close(handle),
    )
    with _lock:
        for client in list(_clients):
            client.close_if_gone()
        try:
            with _environment(settings):
                handle = opening.wait(PATIENCE_S)
        except TimeoutError:
            raise DeviceError("the sound server hangs; restart it") from None
        for client in list(_clients):
            client.give_up_if_gone()
    if not handle:
        raise DeviceError(
            f"the sound server does not answer (status {status.value:#x}); see that it runs, "
            "as this user and with this XDG_RUNTIME_DIR"
        )
    return handle


def _close(library: ctypes.CDLL, handle: int, used: list[object]) -> None:
    closing = Patience(lambda: library.jack_client_close(handle))
    with _lock:
        try:
            closing.wait(PATIENCE_S)
        except TimeoutError:
            _given_up.append(used)  # the server hangs, and may come to itself
        else:
            used.clear()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables that the library reads when a client is opened."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
