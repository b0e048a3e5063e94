"""A real server in a thread, on a free port, for tests.

In: ``Services`` whose settings ask for port 0. Out: its URL. Invariants: accepts connections when the ``with`` block
begins; has stopped in order, with all its tasks and connections, when it is left. Thread: its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from gapless.serve.server import Server
from gapless.serve.services import Services
from gapless.serve.stream.registry import StreamsStats

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 60.0


class RunningServer(msgspec.Struct, frozen=True):
    """Where it is."""

    url: str
    """``http://127.0.0.1:PORT``."""
    grpc: str | None
    """``127.0.0.1:PORT``, where the settings ask for it."""
    wyoming: str | None
    """``127.0.0.1:PORT``, where the settings ask for it."""
    server: Server

    @property
    def ws_url(self) -> str:
        """The same for WebSockets."""
        return self.url.replace("http", "ws", 1)

    @property
    def streams(self) -> StreamsStats:
        """What streams there are now."""
        return self.server.streams.stats()


@contextmanager
def running_server(services: Services) -> Iterator[RunningServer]:
    """Run a server for as long as the block does."""
    ready = threading.Event()
    server = Server(services, on_ready=lambda _: ready.set())
    failures: list[BaseException] = []
    """What ended the server's thread."""

    def run() -> None:
        try:
            server.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    try:
        if not ready.wait(START_TIMEOUT_S):
            raise TimeoutError("the server did not start; look at its log")
        if failures:
            raise failures[0]
        at = server.addresses
        yield RunningServer(at.url, at.grpc, at.wyoming, server)
    finally:
        server.should_exit = True
        thread.join(STOP_TIMEOUT_S)
    if thread.is_alive():
        raise TimeoutError("the server did not stop; a task or connection hangs")
    if failures:
        raise failures[0]
