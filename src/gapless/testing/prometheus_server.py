"""A Prometheus of its own, for tests.

In: a configuration. Out: a server that answers, at a free port and with an empty memory. Invariants: it lives no longer
than the block. Thread: one at a time.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

import httpx

from gapless.errors import MissingDependencyError
from gapless.testing.sound_programs import Program, wait_until

START_S: Final = 30.0


@final
class Prometheus:
    """One that runs.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **query: str) -> Any:
        """What its API answers.

        Raises:
            ValueError: it refuses; the message ends with why.
        """
        answer = httpx.get(f"{self._url}/api/v1/{path}", params=query, timeout=START_S).json()
        if answer["status"] != "success":
            raise ValueError(f"Prometheus refuses {query}: {answer['error']}")
        return answer["data"]

    def values(self, query: str) -> list[float]:
        """What a query gives now."""
        return [float(row["value"][1]) for row in self.ask("query", query=query)["result"]]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self._url}/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@contextmanager
def running_prometheus(config: Path, folder: Path) -> Iterator[Prometheus]:
    """Run one for as long as the block does.

    Args:
        config: its configuration.
        folder: where it keeps what it scrapes, and its log.

    Raises:
        MissingDependencyError: Prometheus is not installed.
        RuntimeError: it ended; the message ends with what it said.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise MissingDependencyError("there is no prometheus here; install it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = folder / "prometheus.log"
    command = (
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    prometheus = Prometheus(f"http://{address}")
    running = Program(command, env=dict(os.environ), log=log)
    try:
        wait_until(lambda: not running.running() or prometheus.is_ready(), "Prometheus", START_S)
        if not running.running():
            raise RuntimeError(f"Prometheus ended; it said:\n{log.read_text()[-4000:]}")
        yield prometheus
    finally:
        running.stop()
