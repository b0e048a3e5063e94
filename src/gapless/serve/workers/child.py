"""One worker's process, as the supervisor sees it.

In: orders. Out: reports, and how it ended. Invariants: the process ends when the supervisor does, because its orders
end then; it is in a group of its own, so that Ctrl-C in a terminal reaches the supervisor alone, which stops the
workers in order. Thread: the supervisor's event loop.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from typing import Final, final

import msgspec

from gapless.serve.workers.orders import (
    LONGEST_LINE_BYTES,
    FailedReport,
    Orders,
    Report,
    RetireOrder,
    line,
    read_report,
)


@final
class Child:
    """See the module's head.

    Args:
        command: starts a worker; the descriptor of its orders is added.
        orders: for it.
        passed: descriptors that it inherits.
    """

    def __init__(self, command: Sequence[str], orders: Orders, passed: Sequence[int]) -> None:
        self.name: Final = orders.name
        self.failure: FailedReport | None = None
        """What it said before it ended."""
        self._ended = asyncio.Event()
        self._orders = orders
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *passed),
                process_group=0,
            )
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def reports(self) -> AsyncIterator[Report]:
        """Give it its orders, and listen until it ends."""
        reader, self._writer = await asyncio.open_connection(
            sock=self._ours, limit=LONGEST_LINE_BYTES
        )
        self._writer.write(line(self._orders))
        try:
            while text := await reader.readline():
                report = read_report(text)
                if isinstance(report, FailedReport):
                    self.failure = report
                yield report
        except (OSError, ValueError, msgspec.DecodeError):
            self.kill()  # no worker of ours talks like this
        await self._ended.wait()
        self._writer.close()

    def retire(self) -> None:
        """Tell it to take nothing new."""
        if self._writer is not None:
            self._writer.write(line(RetireOrder()))

    def stop(self) -> None:
        """Tell it to stop in order."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def look(self) -> None:
        """Take note if the process has ended."""
        if self._process.poll() is not None:
            self._ended.set()

    @property
    def end(self) -> str:
        """How it ended, in words."""
        if self.failure is not None:
            return self.failure.message
        status = self._process.returncode
        if status is None:
            return "it runs"
        if status < 0:
            return f"a worker was ended by {signal.Signals(-status).name}"
        return f"a worker ended with status {status}; its log says why"
