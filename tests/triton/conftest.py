"""A real Triton server, models for it, and ``TritonModel``s over it that are closed in the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest

from gapless.errors import MissingDependencyError
from gapless.infer.repository.manifest import Manifest
from gapless.infer.triton.model import TritonLoader, TritonModel
from gapless.infer.triton.options import TritonOptions
from gapless.testing.triton_models import (
    write_crowded,
    write_double,
    write_moody,
    write_sum,
    write_unbatched,
)
from gapless.testing.triton_server import TritonServer, find_triton

WAIT_S = 20.0
"""Bound of every wait; all of them are for conditions."""

QUICK = TritonOptions(
    urls=("nowhere:1",),
    min_channels=2,
    max_channels=8,
    call_timeout_ms=2000,
    health_interval_ms=100,
    health_timeout_ms=300,
    breaker_failures=3,
    breaker_pause_ms=50,
    breaker_max_pause_ms=200,
)
"""What takes minutes in earnest takes moments here."""


class Step(NamedTuple):
    """What a server saw of a stream's step."""

    stream: int
    start: bool
    end: bool
    x: float


class Load(Protocol):
    """Loads a model from servers: ``load("double", server, ..., attempts=1)``."""

    def __call__(self, name: str, *servers: TritonServer, **changes: Any) -> TritonModel: ...


@pytest.fixture(scope="session", autouse=True)
def triton_is_installed() -> None:
    """Without a server these tests cannot say anything; where they must, that is an error."""
    try:
        find_triton()
    except MissingDependencyError as error:
        reason = f"no Triton server for this machine: {error}"
        if os.environ.get("GAPLESS_REQUIRE_TRITON"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds that other threads and processes bring about."""

    def wait(holds: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < give_up_s, "it never held"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, triton_is_installed: None
) -> Iterator[TritonServer]:
    """A server with all models, for tests that leave it as it was."""
    models, work_dir = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("server")
    for write in (write_double, write_sum, write_moody, write_crowded, write_unbatched):
        write(models)
    with TritonServer(models, work_dir) as running:
        yield running


@pytest.fixture(scope="session")
def steps() -> Callable[[TritonServer], list[Step]]:
    """What the model ``sum`` of a server saw, in order."""

    def read(server: TritonServer) -> list[Step]:
        record = server.models / "sum" / "1" / "steps.txt"
        lines = record.read_text().splitlines() if record.exists() else []
        return [
            Step(int(stream), start == "1", end == "1", float(x))
            for stream, start, end, x in map(str.split, lines)
        ]

    return read


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[TritonServer]:
    """A server of the test's own, to be killed."""
    models, work_dir = tmp_path / "models", tmp_path / "server"
    models.mkdir()
    work_dir.mkdir()
    write_double(models)
    write_sum(models)
    with TritonServer(models, work_dir) as running:
        yield running


@pytest.fixture
def connections() -> Callable[[TritonServer], int]:
    """How many connections this machine has open to a server."""

    def count(server: TritonServer) -> int:
        port = f":{int(server.url.rpartition(':')[2]):04X}"
        tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
        lines = (line.split() for table in tables for line in table.splitlines()[1:])
        established = "01"
        return sum(
            there.endswith(port) and state == established for _, _, there, state, *_ in lines
        )

    return count


@pytest.fixture
def load() -> Iterator[Load]:
    """Loads models; closes them after the test, and sees that nothing is left of them."""
    loaded: list[TritonModel] = []
    threads = set(threading.enumerate())

    def start(
        name: str, *servers: TritonServer, manifest: dict[str, Any] | None = None, **changes: Any
    ) -> TritonModel:
        options = msgspec.structs.replace(QUICK, urls=tuple(one.url for one in servers), **changes)
        said = Manifest(platform="triton", triton=options, **(manifest or {}))
        loaded.append(TritonLoader()(name, "1", said, None))
        return loaded[-1]

    yield start
    for model in loaded:
        model.close()
        assert all(endpoint.pool.channels == 0 for endpoint in model.endpoints())
        assert all(endpoint.streams == 0 for endpoint in model.endpoints())
    # gRPC ends the threads of a closed channel by itself, a moment after the channel is closed.
    for thread in set(threading.enumerate()) - threads:
        thread.join(timeout=30)
        assert not thread.is_alive(), thread
