"""A real server in a process of its own, and the client process that speaks to it.

In: settings, as environment variables have them; tasks. Out: an address; reports. Invariants: no process outlives its
``with`` block, nor this process, even if that is killed. Thread: the caller's, blocked meanwhile.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Timer
from typing import IO, Final

import msgspec

from gapless.bench.live_client import ANSWER_TIMEOUT_S, Report, Task
from gapless.errors import DeadlineError, GaplessError
from gapless.settings import ENV_PREFIX

MODULE: Final = (sys.executable, "-m", "gapless.bench.parent")
"""Runs a module in a process that ends with this one."""

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
MOST_STREAMS: Final = 2048

ADDRESS: Final = re.compile(r"http://(127\.0\.0\.1:\d+)")

LAST_CHARACTERS: Final = 500
"""Of what a process wrote before it failed, shown in its error."""


class Address(msgspec.Struct, frozen=True):
    """A running server."""

    url: str
    """``ws://HOST:PORT/v1/stream``."""
    pid: int


@contextmanager
def live_server(settings: Mapping[str, object]) -> Iterator[Address]:
    """Run ``gapless serve`` for as long as the block does.

    Args:
        settings: by name, besides those that a bench needs; models are looked for where they always are.

    Raises:
        GaplessError: it does not start; says what it said.
    """
    with TemporaryDirectory(prefix="gapless-bench-") as data, TemporaryFile("w+") as complaints:
        known = {
            "save": "false",
            "max_sessions": MOST_STREAMS,
            "log_level": "error",
            **settings,
        }
        if "models_dir" not in known:
            from gapless.settings import load_settings

            known["models_dir"] = str(load_settings().settings.models_path)
        environment = os.environ | {
            ENV_PREFIX + name.upper(): str(value) for name, value in known.items()
        }
        with subprocess.Popen(  # noqa: S603 - our own module
            [*MODULE, "gapless", "serve", "--port", "0", "--data-dir", data],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,
        ) as server:
            try:
                yield Address(f"ws://{_address_of(server, complaints)}/v1/stream", server.pid)
            finally:
                _stop(server)


def talk(task: Task, *, limit_s: float) -> Report:
    """Run the client.

    Args:
        task: what it does.
        limit_s: how long the audio takes; the client gets as much again, and time to start.

    Raises:
        GaplessError: it failed; says what it said.
    """
    limit_s = 2 * (limit_s + ANSWER_TIMEOUT_S) + START_TIMEOUT_S
    with TemporaryFile() as reports, TemporaryFile("w+") as complaints:
        with subprocess.Popen(  # noqa: S603 - our own module
            [*MODULE, "gapless.bench.live_client", msgspec.json.encode(task).decode()],
            stdin=subprocess.PIPE,
            stdout=reports,
            stderr=complaints,
        ) as client:
            try:
                status = client.wait(limit_s)
            except subprocess.TimeoutExpired:
                raise DeadlineError(
                    f"the client had not ended after {limit_s:.0f} s; look what it waits for"
                ) from None
            finally:
                client.kill()
        if status != 0:
            raise GaplessError(
                f"the client ended with status {status}: {_said(complaints)}; run it again"
            )
        reports.seek(0)
        return msgspec.json.decode(reports.read(), type=Report)


def _address_of(server: subprocess.Popen[str], complaints: IO[str]) -> str:
    """What the server says on its first lines."""
    if server.stdout is None:
        raise AssertionError("standard output is a pipe")
    # Reading blocks; a server that says nothing is ended, which ends the reading.
    timer = Timer(START_TIMEOUT_S, server.kill)
    timer.start()
    try:
        for line in server.stdout:
            if found := ADDRESS.search(line):
                return found[1]
    finally:
        timer.cancel()
    raise DeadlineError(
        f"the server did not start: {_said(complaints)}; run `gapless serve` to see why"
    )


def _stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _said(complaints: IO[str]) -> str:
    complaints.seek(0)
    return complaints.read()[-LAST_CHARACTERS:].strip() or "it said nothing"
