"""A real server under everything at once: live streams, calls of a model, uploaded recordings.

In: settings of the server, how much is asked of it. Out: work whose operations are partial results of the live streams;
figures of the calls and uploads beside them, of the server's memory and of its start. Invariants: the streams speak at
the pace of the clock; no two calls and no two recordings are alike, so that nothing is answered from memory.
Thread: main; the streams speak from a process of their own.

Everything is asked twice. First calls and recordings come at a fixed pace, and what they take counts from when they
were due, so that all settings have the same load. Then each comes as soon as the one before is answered: that is as
much as the server can, but another load for each setting, because what calls get recordings and streams have to pay.
"""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
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

CALLS_EVERY_S: Final = 0.05
"""Of each caller."""

RECORDINGS_EVERY_S: Final = 2.0
"""Of each sender."""

FIGURES: Final = ("infer_p95_us", "lag_p95_us", "recording_p50_us", "start_us")
"""The rows that settings are compared by, under the same load; the smaller the better."""


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
        uploads: who send recordings.
    """
    utterances = read_utterances(Path(speech))
    began = time.perf_counter()
    with live_server({"save": "true", **settings}) as server:
        room = _Room(server, model, speech, utterances)
        crowd = Crowd(streams, callers, uploads)
        asyncio.run(room.until_ready())
        start_us = (time.perf_counter() - began) * 1e6

        def work(seconds: float) -> Samples:
            # Whoever comes first to a fresh server waits longer; that is not the question here.
            room.run(WARM_UP_S, crowd)
            room.run(SHORTEST_S, crowd)
            paced = room.run(max(seconds, SHORTEST_S), crowd, is_paced=True)
            eager = room.run(max(seconds, SHORTEST_S), crowd)
            figures = paced.figures | {
                "start_us": start_us,
                "infer_per_s": eager.figures["infer_per_s"],
                "files_per_min": eager.figures["files_per_min"],
            }
            figures["overall_score"] = overall(figures)
            return msgspec.structs.replace(paced, figures=figures)

        yield work


class Crowd(NamedTuple):
    """Who asks."""

    streams: int
    callers: int
    uploads: int


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

    def run(self, seconds: float, crowd: Crowd, *, is_paced: bool = False) -> Samples:
        """Ask everything for so long; what is not paced comes as soon as the one before is answered."""
        task = Task(
            url=self._server.url,
            model=self._model,
            streams=tuple(range(crowd.streams)),
            seconds=seconds,
            server_pid=self._server.pid,
            speech=self._speech,
        )
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            talking = pool.submit(talk, task, limit_s=seconds)
            calls_ns, recordings_ns = asyncio.run(self._ask(seconds, crowd, is_paced=is_paced))
            asked_s = time.monotonic() - began
            report = talking.result()
        lags = _lags_us(report)
        if not lags or not calls_ns or not recordings_ns:
            raise ModelError("nothing was answered in time; is the machine busy?")
        resident, peak = memory_mib(self._server.pid)
        return Samples(
            took_ns=[lag * 1000 for lag in lags],
            elapsed_ns=report.elapsed_ns,
            units=round(report.audio_s),
            figures={
                "infer_per_s": len(calls_ns) / asked_s,
                "infer_p95_us": distribution(calls_ns).p95 / 1e3,
                "lag_p95_us": float(distribution(lags).p95),
                "recording_p50_us": distribution(recordings_ns).p50 / 1e3,
                # Of the time that each sender spent, so that a recording which is cut off by the end counts as well.
                "files_per_min": 60e9 * crowd.uploads * len(recordings_ns) / sum(recordings_ns),
                "resident_mib": resident,
                "peak_mib": peak,
                "server_cores": report.server.cores,
                "cpu_s": report.server.cpu_s,
            },
        )

    async def _ask(
        self, seconds: float, crowd: Crowd, *, is_paced: bool
    ) -> tuple[list[int], list[int]]:
        ends = time.monotonic() + seconds
        calls_ns: list[int] = []
        recordings_ns: list[int] = []
        calls_every_s = CALLS_EVERY_S if is_paced else 0.0
        recordings_every_s = RECORDINGS_EVERY_S if is_paced else 0.0
        async with asyncio.TaskGroup() as group:
            for number in range(crowd.callers):
                turns = _turns(ends, calls_every_s, number / crowd.callers)
                group.create_task(self._call(turns, calls_ns))
            for number in range(crowd.uploads):
                turns = _turns(ends, recordings_every_s, number / crowd.uploads)
                group.create_task(self._upload(turns, recordings_ns))
        return calls_ns, recordings_ns

    async def _call(self, turns: AsyncIterator[float], took_ns: list[int]) -> None:
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
        async for due in turns:
            self._calls += 1
            window[0, 0] = np.float32(self._calls * 1e-9)
            await connection.must(b"POST", INFER_PATH, headers, head + window.tobytes())
            took_ns.append(round((time.monotonic() - due) * 1e9))
        connection.close()

    async def _upload(self, turns: AsyncIterator[float], took_ns: list[int]) -> None:
        connection = await _Connection.open(*self._place)
        headers = b"content-type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n"
        async for due in turns:
            self._recordings += 1
            body = _form(self._model, self._recording(FIRST_RECORDING + self._recordings))
            await connection.must(b"POST", UPLOAD_PATH, headers, body)
            took_ns.append(round((time.monotonic() - due) * 1e9))
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


async def _turns(ends: float, every_s: float, phase: float) -> AsyncIterator[float]:
    """When each question is due: every so often, whatever the answers take; 0: as soon as one is answered."""
    due = time.monotonic() + phase * every_s
    while due < ends:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        yield due
        due = due + every_s if every_s else time.monotonic()


def overall(figures: Mapping[str, float]) -> float:
    """One figure for all rows: the inverse of their geometric mean. Only ratios of it mean something."""
    logs = [np.log(figures[name]) for name in FIGURES if figures[name] > 0]
    return 1000 * float(np.exp(-np.mean(logs)))


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
