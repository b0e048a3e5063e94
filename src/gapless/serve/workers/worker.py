"""The server of one worker: it accepts from sockets that all workers share, and does what its supervisor says.

In: an engine, orders. Out: a server that answers until it is stopped, or has retired. Invariants: a worker that retires
accepts nothing new and breaks nothing off: answers say that their connection closes, idle connections run out, streams
go on; it ends when nothing is left, or its supervisor's patience is over. A supervisor that is gone stops its workers.
Thread: main, which becomes the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, final

import structlog

from gapless.serve.address import Addresses, Bound
from gapless.serve.offload import in_executor
from gapless.serve.server import Server, settle_heap
from gapless.serve.services import Services
from gapless.serve.workers.orders import LONGEST_LINE_BYTES, Orders, ReadyReport, line
from gapless.serve.workers.siblings import Siblings, socket_path
from gapless.serve.workers.sockets import inside_socket

log = structlog.get_logger(__name__)

CLOSE_HEADER: Final = (b"connection", b"close")

SETTLE_S: Final = 0.1
"""Connections that were accepted a moment ago are with the application by then."""


def run_worker(services: Services, orders: Orders, control: socket.socket) -> None:
    """Serve until stopped.

    Args:
        services: the engine, started.
        orders: of the supervisor.
        control: where its further orders come from, and our reports go to.

    Raises:
        ConfigError: a socket cannot be had.
    """
    folder = Path(orders.folder)
    siblings = Siblings(folder, orders.name, orders.share.of, orders.secret)
    path = socket_path(folder, orders.name)
    wyoming_fd = orders.wyoming_fd
    bound = Bound(
        http=socket.socket(fileno=orders.http_fd),
        inside=inside_socket(str(path)),
        grpc_port=orders.grpc_port,
        wyoming=None if wyoming_fd is None else socket.socket(fileno=wyoming_fd),
    )
    try:
        WorkerServer(services, bound, siblings, control).run()
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # the last one, where the supervisor cannot


@final
class WorkerServer(Server):
    """See the module's head."""

    def __init__(
        self, services: Services, bound: Bound, siblings: Siblings, control: socket.socket
    ) -> None:
        super().__init__(services, self._report, bound=bound, siblings=siblings)
        self._services = services
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring = False
        self._retired = asyncio.Event()
        """What has an end of its own was told to come to it, and did."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and listen to the supervisor."""
        await super().startup(sockets)
        self._run(self._obey())

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop; looked at ten times a second."""
        is_over = await super().on_tick(counter)
        return is_over or (self._retiring and self._is_empty())

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM stops in order; Ctrl-C and the like are for the supervisor to follow."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_term)
            for other in (signal.SIGINT, signal.SIGHUP):
                signal.signal(other, signal.SIG_IGN)
        yield

    def _on_term(self, _: int, __: FrameType | None) -> None:
        self.should_exit = True

    def _report(self, addresses: Addresses) -> None:
        settle_heap()
        model = self._services.default_model()
        self._control.sendall(line(ReadyReport(addresses, model.name, model.reason)))

    async def _obey(self) -> None:
        """The only order is to retire; the end of the orders is the end of the supervisor."""
        reader, writer = await asyncio.open_connection(sock=self._control, limit=LONGEST_LINE_BYTES)
        with contextlib.suppress(OSError):
            while await reader.readline():
                if not self._retiring:
                    await self._retire()
        writer.close()
        self.should_exit = True

    async def _retire(self) -> None:
        self._retiring = self.streams.retiring = True
        log.info("worker retires", streams=self.streams.stats().connected)
        # Remembered answers leave without looking at whether their connection is to be closed.
        self._state.quick.open = False
        await self._stop_accepting()
        # The first is copied once a second by uvicorn into the second, which is what answers take.
        self.config.encoded_headers.append(CLOSE_HEADER)
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE_HEADER]
        self._job_listeners.close()  # they come back to another worker, and miss nothing
        self._run(self._end_edges())

    async def _stop_accepting(self) -> None:
        """Leave the port to the others; whoever was accepted already is served."""
        http, *_ = self.servers
        loop = asyncio.get_running_loop()
        for each in http.sockets:
            with contextlib.suppress(
                Exception
            ):  # uvloop has readers of another kind, and closes without a gap
                loop.remove_reader(each.fileno())
        await asyncio.sleep(SETTLE_S)
        http.close()

    async def _end_edges(self) -> None:
        """What is beside HTTP ends when its calls do; jobs that are heard here go back into the queue."""
        grace_s = float(self._settings.reload_drain_s)
        ends = []
        if self._grpc is not None:
            ends.append(self._grpc.retire(grace_s))
        if self._wyoming is not None:
            ends.append(self._wyoming.stop(grace_s))
        jobs = self._services.jobs
        if jobs is not None:
            ends.append(in_executor(self._services, jobs.close))
        await asyncio.gather(*ends)
        self._retired.set()

    def _is_empty(self) -> bool:
        """Whether nobody has anything left here."""
        streams = self.streams.stats()
        return (
            self._retired.is_set()
            and not self.server_state.connections
            and not self.server_state.tasks
            and streams.connected + streams.parked == 0
            and self._state.access.tickets.waiting(time.monotonic_ns() // 1_000_000) == 0
        )

    def _run(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
