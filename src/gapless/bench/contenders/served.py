"""A real server under everything at once: live streams, calls of a model, uploaded recordings.

In: settings of the server, how much is asked of it. Out: work whose operations are partial results of the live streams;
figures of the calls and uploads beside them, of the server's memory and of its start. Invariants: the streams speak at
the pace of the clock; calls and uploads are closed loops of so many; no two calls and no two recordings are alike, so
that nothing is answered from memory. Thread: main; the streams speak from a process of their own.
"""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.bench.distribution import distribution
from gapless.bench.drive import Samples, Work
from gapless.bench.inputs import voice_window
from gapless.bench.live_client import Report, Task
from gapless.bench.live_server import Address, live_server, talk
from gapless.bench.process import memory_mib
from gapless.bench.speech import Pcm, read_utterances, stream_of
from gapless.errors import ConnectionLostError, GaplessError, ModelError

SHORTEST_S: Final = 6.0
"""A stream must have time to say something."""

WARM_UP_S: Final = 1.0
RECORDING_S: Final = 6.0
FIRST_RECORDING: Final = 1000
"""Numbers of recordings begin here, those of live streams at 0: nobody says the same."""

START_TIMEOUT_S: Final = 60.0
BOUNDARY: Final = b"gapless-bench"

INFER_PATH: Final = "/v2/models/silero_vad/infer"
UPLOAD_PATH: Final = "/v1/audio/transcriptions"
READY_PATH: Final = "/health/ready"

FIGURES: Final = ("infer_per_s", "infer_p95_us", "lag_p95_us", "files_per_min", "start_us")
"""The rows that the contenders are compared by; ``_per_`` is better when larger, the others when smaller."""


@contextmanager
def everything(
    *,
    settings: dict[str, str],
    model: str,
    speech: str,
    streams: int,
    callers: int,
    uploads: int,
) -> Iterator[Work]:
    """A server with these settings.

    Args:
        settings: by name, as environment variables have them.
        model: recogniser of streams and recordings.
        speech: folder of what is said.
        streams: live ones.
        callers: that call a model over HTTP.
        uploads: recordings that are sent at a time.
    """
    utterances = read_utterances(Path(speech))
    began = time.perf_counter()
    with live_server({"save": "true", **settings}) as server:
        room = _Room(server, model, speech, utterances)
        asyncio.run(room.until_ready())
        start_us = (time.perf_counter() - began) * 1e6

        def work(seconds: float) -> Samples:
            # Whoever comes first to a fresh server waits longer; that is not the question here.
            room.run(WARM_UP_S, streams, callers, uploads)
            room.run(SHORTEST_S, streams, callers, uploads)
            return room.run(max(seconds, SHORTEST_S), streams, callers, uploads, start_us=start_us)

        yield work


class _Room:
    """A server, and all who ask it.

    Args:
        server: to ask.
        model: recogniser.
        speech: folder of what is said.
        utterances: that recordings are made of.
    """

    def __init__(self, server: Address, model: str, speech: str, utterances: list[Pcm]) -> None:
        self._server = server
        place = urlsplit(server.url)
        self._place = (place.hostname or "", place.port or 0)
        self._model = model
        self._speech = speech
        self._utterances = utterances
        self._recordings = 0
        self._calls = 0

    async def until_ready(self) -> None:
        """Wait until the server says that it is."""
        ends = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends:
            connection = await _Connection.open(*self._place)
            status, _ = await connection.ask(b"GET", READY_PATH, b"", b"")
            connection.close()
            if status == 200:
                return
            await asyncio.sleep(0.01)
        raise ConnectionLostError(
            "the server was not ready in time; run `gapless serve` to see why"
        )

    def run(
        self, seconds: float, streams: int, callers: int, uploads: int, *, start_us: float = 0.0
    ) -> Samples:
        """Ask everything for so long."""
        task = Task(
            url=self._server.url,
            model=self._model,
            streams=tuple(range(streams)),
            seconds=seconds,
            server_pid=self._server.pid,
            speech=self._speech,
        )
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            talking = pool.submit(talk, task, limit_s=seconds)
            calls_ns, files_s = asyncio.run(self._ask(seconds, callers, uploads))
            asked_s = time.monotonic() - began
            report = talking.result()
        lags = _lags_us(report)
        if not lags or not calls_ns or not files_s:
            raise ModelError("nothing was answered in time; is the machine busy?")
        resident, peak = memory_mib(self._server.pid)
        figures = {
            "infer_per_s": len(calls_ns) / asked_s,
            "infer_p95_us": distribution(calls_ns).p95 / 1e3,
            "lag_p95_us": float(distribution(lags).p95),
            # Of the time that each sender spent, so that a recording which is cut off by the end counts as well.
            "files_per_min": 60 * uploads * len(files_s) / sum(files_s),
            "start_us": start_us,
            "resident_mib": resident,
            "peak_mib": peak,
            "server_cores": report.server.cores,
            "cpu_s": report.server.cpu_s,
        }
        return Samples(
            took_ns=[lag * 1000 for lag in lags],
            elapsed_ns=report.elapsed_ns,
            units=round(report.audio_s),
            figures=figures | {"overall_score": overall(figures)},
        )

    async def _ask(
        self, seconds: float, callers: int, uploads: int
    ) -> tuple[list[int], list[float]]:
        ends = time.monotonic() + seconds
        calls_ns: list[int] = []
        files_s: list[float] = []
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(self._call(ends, calls_ns))
            for _ in range(uploads):
                group.create_task(self._upload(ends, files_s))
        return calls_ns, files_s

    async def _call(self, ends: float, took_ns: list[int]) -> None:
        connection = await _Connection.open(*self._place)
        window = voice_window()["input"]
        size = window.nbytes
        tensor = {
            "name": "input",
            "shape": [1, window.shape[1]],
            "datatype": "FP32",
            "parameters": {"binary_data_size": size},
        }
        head = msgspec.json.encode({"inputs": [tensor]})
        headers = b"inference-header-content-length: %d\r\n" % len(head)
        while time.monotonic() < ends:
            self._calls += 1
            window[0, 0] = np.float32(self._calls * 1e-9)
            began = time.perf_counter_ns()
            await connection.must(b"POST", INFER_PATH, headers, head + window.tobytes())
            took_ns.append(time.perf_counter_ns() - began)
        connection.close()

    async def _upload(self, ends: float, took_s: list[float]) -> None:
        connection = await _Connection.open(*self._place)
        headers = b"content-type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n"
        while time.monotonic() < ends:
            self._recordings += 1
            body = _form(self._model, self._recording(FIRST_RECORDING + self._recordings))
            began = time.monotonic()
            await connection.must(b"POST", UPLOAD_PATH, headers, body)
            took_s.append(time.monotonic() - began)
        connection.close()

    def _recording(self, number: int) -> bytes:
        """A WAV file that nobody else has."""
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(LISTEN_RATE_HZ)
            out.writeframes(
                stream_of(number, self._utterances, RECORDING_S).astype("<i2").tobytes()
            )
        return file.getvalue()


class _Connection:
    """HTTP/1.1, one question at a time; a general client would need more of the processor than what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> _Connection:
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, method: bytes, path: str, headers: bytes, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(
            b"%b %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n%b\r\n%b"
            % (method, path.encode(), len(body), headers, body)
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        answer = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return int(lines[0].split()[1]), answer

    async def must(self, method: bytes, path: str, headers: bytes, body: bytes) -> None:
        """Ask what must be answered.

        Raises:
            GaplessError: it was not.
        """
        status, answer = await self.ask(method, path, headers, body)
        if status != 200:
            raise GaplessError(f"{path} was answered with {status}: {answer[:200]!r}; run it again")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def overall(figures: dict[str, float]) -> float:
    """One figure for all rows: the geometric mean, times inverted. Only ratios of it mean something."""
    logs = [
        np.log(figures[name]) * (1 if "_per_" in name else -1)
        for name in FIGURES
        if figures[name] > 0
    ]
    return 1000 * float(np.exp(np.mean(logs)))


def _lags_us(report: Report) -> list[int]:
    failed = [stream for stream in report.streams if stream.error]
    if failed:
        raise ModelError(f"stream {failed[0].number} failed: {failed[0].error}; run it again")
    return [lag for stream in report.streams for lag in stream.partial_lags_us]


def _form(model: str, recording: bytes) -> bytes:
    """A form with a recording, as browsers and OpenAI's clients send it (RFC 7578)."""
    parts = (
        b'--%b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n'
        b'--%b\r\ncontent-disposition: form-data; name="file"; filename="said.wav"\r\n'
        b"content-type: audio/wav\r\n\r\n%b\r\n--%b--\r\n"
    )
    return parts % (BOUNDARY, model.encode(), BOUNDARY, recording, BOUNDARY)
