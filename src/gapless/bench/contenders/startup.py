"""How long it takes from the start of a process to its end, or to its first answer over HTTP.

In: what is started. Out: work; an operation is a start. Invariants: an answer is waited for by asking again and again,
so nothing depends on what a server prints; a server is gone before the next begins; how long it takes to end is in no
figure. Thread: main.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Final

import msgspec

from gapless.bench.drive import Samples, Work
from gapless.bench.live_server import MODULE
from gapless.bench.most_voices import cpu_seconds
from gapless.bench.speech import SOUNDS
from gapless.errors import DeadlineError, GaplessError

CACHE: Final = "NUMBA_CACHE_DIR"

READY: Final = "/health/ready"
TRANSCRIBE: Final = "/v1/audio/transcriptions"

RECORDING: Final = SOUNDS / "01.opus"

OK: Final = 200

BETWEEN_S: Final = 0.002
"""From one question to the next; a start takes hundreds of times as long."""

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 15.0

LAST_CHARACTERS: Final = 500


@contextmanager
def process(*, words: list[str]) -> Iterator[Work]:
    """A Python that runs to its end."""

    def start() -> int:
        began = time.perf_counter_ns()
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, *words], capture_output=True, check=False
        )
        took_ns = time.perf_counter_ns() - began
        if done.returncode:
            raise GaplessError(
                f"{' '.join(words)} failed: {done.stderr.decode(errors='replace')[-LAST_CHARACTERS:]}"
            )
        return took_ns

    # What is not in memory yet is read from the disk once, which is not the point here.
    start()
    yield starts(start)


@contextmanager
def bare_server() -> Iterator[Work]:
    """A server whose application does nothing but answer."""
    words = [*MODULE, "gapless.bench.programs.constant_server"]

    def start() -> int:
        port = free_port()
        return _answers([*words, str(port)], port, os.environ)[0]

    start()
    yield starts(start)


@contextmanager
def own_server(*, cold: bool, model: str) -> Iterator[Work]:
    """``gapless serve``; ``cold``: nothing was compiled before, else all of it was.

    The figure ``transcript_us`` is the time to the first transcript: the server is sent a recording of two seconds as
    soon as it is ready.
    """
    transcripts_ns: list[int] = []

    def transcribe(port: int) -> None:
        _transcribe(port, RECORDING, model)

    def start() -> int:
        port = free_port()
        with (
            TemporaryDirectory(prefix="gapless-bench-") as data,
            TemporaryDirectory(prefix="gapless-bench-") as compiled,
        ):
            environment = os.environ | ({CACHE: compiled} if cold else {})
            words = ["gapless", "serve", "--port", str(port), "--data-dir", data]
            took_ns, transcript_ns = _answers([*MODULE, *words], port, environment, transcribe)
        transcripts_ns.append(transcript_ns)
        return took_ns

    if not cold:
        start()

    def work(seconds: float) -> Samples:
        transcripts_ns.clear()
        samples = starts(start)(seconds)
        figures = {**samples.figures, "transcript_us": median(transcripts_ns) / 1e3}
        return msgspec.structs.replace(samples, figures=figures)

    yield work


def starts(start: Callable[[], int]) -> Work:
    """Starts, one after the other.

    Args:
        start: starts once; returns how long it took, in ns.
    """

    def work(seconds: float) -> Samples:
        took = array("q")
        cpu_began_s = cpu_seconds()
        ends = time.perf_counter_ns() + round(seconds * 1e9)
        while not took or time.perf_counter_ns() < ends:
            took.append(start())
        cpu_s = cpu_seconds() - cpu_began_s
        figures = {"cpu_s": cpu_s, "cpu_us_per_unit": cpu_s * 1e6 / len(took)}
        return Samples(took_ns=took, elapsed_ns=sum(took), units=len(took), figures=figures)

    return work


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(
    words: Sequence[str],
    port: int,
    environment: Mapping[str, str],
    more: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:
    """Start a server, ask until it answers well, ask for more, and end it; how long both took, in ns."""
    with TemporaryFile("w+") as said:
        began = time.perf_counter_ns()
        with subprocess.Popen(  # noqa: S603 - our own module
            words, env=environment, stdin=subprocess.PIPE, stdout=said, stderr=said
        ) as server:
            try:
                _wait_until_ready(server, port, said)
                took_ns = time.perf_counter_ns() - began
                more(port)
                return took_ns, time.perf_counter_ns() - began
            finally:
                server.terminate()
                try:
                    server.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    server.kill()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, said: IO[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            said.seek(0)
            raise GaplessError(
                f"the server ended with status {server.returncode}: "
                f"{said.read()[-LAST_CHARACTERS:].strip()}; run it by hand"
            )
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
            try:
                connection.request("GET", READY)
                if connection.getresponse().status == OK:
                    return
            finally:
                connection.close()
        time.sleep(BETWEEN_S)
    raise DeadlineError(
        f"the server was not ready after {START_TIMEOUT_S:.0f} s; run `gapless serve` to see why"
    )


def _transcribe(port: int, recording: Path, model: str) -> None:
    """Send a recording, and wait for its text.

    Raises:
        GaplessError: it was not answered well.
    """
    line = "gapless-bench"
    fields = {
        "model": (b"", model.encode()),
        "file": (b'; filename="a.opus"', recording.read_bytes()),
    }
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (line.encode(), name.encode(), attribute, content)
        for name, (attribute, content) in fields.items()
    ]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    try:
        connection.request(
            "POST",
            TRANSCRIBE,
            b"".join(parts) + b"--%s--\r\n" % line.encode(),
            {"Content-Type": f"multipart/form-data; boundary={line}"},
        )
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise GaplessError(
            f"the first recording got no answer ({error}); run the bench again"
        ) from error
    finally:
        connection.close()
    if answer.status != OK:
        raise GaplessError(
            f"the first recording was answered with {answer.status}: "
            f"{body[:LAST_CHARACTERS].decode(errors='replace')}; see that the model {model} is here"
        )
