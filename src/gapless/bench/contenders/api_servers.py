"""Servers that answer over HTTP, on cores of their own where there are two.

In: settings. Out: addresses. Invariants: no server outlives its ``with`` block, nor this process; whoever asks runs on
other cores than a server that is pinned. Thread: main.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from urllib.request import Request, urlopen

import msgspec

from gapless.bench.live_server import MODULE, live_server
from gapless.bench.load.infer import Described, infer_body
from gapless.bench.small_model import NAME
from gapless.errors import GaplessError

STREAM_PATH: Final = "/v1/stream"
INFER_PATH: Final = "/api/infer"
JSON: Final = ("content-type", "application/json")
ANSWER_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 10.0

AS_INSTALLED: Final = {"log_level": "info"}
"""What a server does for everybody is part of what is measured: its log has a line for each request."""


class Place(msgspec.Struct, frozen=True):
    """A running server."""

    url: str
    """``http://HOST:PORT``."""
    pid: int


def usable_cores() -> list[int]:
    """That this process may run on; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cores_of(pid: int) -> int:
    """How many cores a process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(pid))
    return os.cpu_count() or 1


def core_for_server() -> set[int]:
    """One of them; empty where nothing can be pinned, or there is only one."""
    cores = usable_cores()
    return set(cores[:1]) if len(cores) > 1 else set()


def cores_for_others() -> set[int]:
    """The rest."""
    return set(usable_cores()[1:])


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """What is started within runs on these cores; on all if there are none."""
    before = usable_cores()
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, before)


@contextmanager
def gapless_server(models: str, settings: Mapping[str, object]) -> Iterator[Place]:
    """``gapless serve`` with the small model.

    Args:
        models: the folder that it lies in.
        settings: besides.
    """
    known = {**AS_INSTALLED, "models_dir": models, "tensor_model": NAME, **settings}
    with live_server(known) as server:
        yield Place(server.url.replace("ws://", "http://", 1).removesuffix(STREAM_PATH), server.pid)


@contextmanager
def constant_server(answer: bytes) -> Iterator[Place]:
    """The same HTTP stack, which answers everything with these bytes.

    Raises:
        GaplessError: it does not start.
    """
    with NamedTemporaryFile(prefix="gapless-bench-") as file:
        file.write(answer)
        file.flush()
        with subprocess.Popen(  # noqa: S603 - our own module
            [*MODULE, "gapless.bench.programs.constant_answer", file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as server:
            try:
                url = server.stdout.readline().strip() if server.stdout is not None else ""
                if not url:
                    raise GaplessError("the server of constant answers did not start; run it again")
                yield Place(url, server.pid)
            finally:
                server.terminate()
                try:
                    server.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()


def read(url: str, body: bytes | None = None) -> bytes:
    """An answer; a GET where there is no body."""
    request = Request(url, body, dict([JSON]))  # noqa: S310 - our own server's address
    with urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def question_of(place: Place) -> str:
    """The body of a question to the model, as ``gapless load infer`` asks it."""
    return infer_body(msgspec.json.decode(read(place.url + INFER_PATH), type=Described))


def data_folder(place: Place) -> Path:
    """Where a server keeps what it keeps."""
    config = msgspec.json.decode(read(f"{place.url}/v1/config"))
    return Path(config["settings"]["data_dir"]["value"])
