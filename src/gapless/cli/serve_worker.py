"""A worker of ``gapless serve``: what the supervisor starts, as ``python -m gapless.cli.serve_worker DESCRIPTOR``.

In: the descriptor of a socket on which orders come. Out: a server, until the supervisor stops it; its exit status: 0
when it was stopped or has retired, 1 when it could not start. Invariants: it needs no settings file, environment or
option: everything is in its orders; a failure is told to the supervisor, which tells people. Thread: main.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

import structlog

from gapless.errors import ConfigError, GaplessError
from gapless.observe.logs import configure_logs
from gapless.serve.workers.orders import FailedReport, Orders, line, read_orders
from gapless.tune.simd import choose_instructions


def main() -> None:
    """Serve as ordered."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    text = _first_line(control)
    if not text:
        sys.exit(1)  # the supervisor is gone
    orders = read_orders(text)
    for descriptor in (orders.http_fd, orders.wyoming_fd):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
    try:
        serve(orders, control)
    except GaplessError as error:
        report = FailedReport(str(error), isinstance(error, ConfigError))
        with contextlib.suppress(OSError):  # the supervisor is gone
            control.sendall(line(report))
        sys.exit(1)


def serve(orders: Orders, control: socket.socket) -> None:
    """Open the engine with this worker's share, and serve.

    Raises:
        GaplessError: it cannot start.
    """
    settings = orders.resolved.settings
    configure_logs(settings.log_level, settings.log_format)
    structlog.contextvars.bind_contextvars(worker=orders.name)
    choose_instructions(settings, os.environ)

    # After the instructions are chosen: kernels are compiled for them when they are imported.
    from gapless.engine import Engine
    from gapless.serve.workers.worker import run_worker

    with Engine(orders.resolved, orders.share) as engine:
        engine.start()
        run_worker(engine, orders, control)


def _first_line(control: socket.socket) -> bytes:
    """Read no further: what follows is the server's."""
    text = bytearray()
    while not text.endswith(b"\n"):
        piece = control.recv(1 << 16, socket.MSG_PEEK)
        end = piece.find(b"\n") + 1 or len(piece)
        if not piece:
            return b""
        text += control.recv(end)
    return bytes(text)


if __name__ == "__main__":
    main()
