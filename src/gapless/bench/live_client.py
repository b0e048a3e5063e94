"""Many people who speak at once: ``python -m gapless.bench.live_client TASK``, a process of its own.

In: a ``Task`` as JSON. Out: a ``Report`` as JSON on standard output. Audio is sent in chunks as it would be spoken,
each when its last sample is due on the wall clock; the streams' chunks are spread evenly over the time of one.
Invariants: a lag is counted from when its audio was really sent; nobody is waited for longer than twice the length of
the audio and ``ANSWER_TIMEOUT_S``. Thread: main, on an event loop.

Frames of audio are made beforehand, with a mask of zeros, and written straight to the transport: a general client would
need more of the processor than the server that is measured.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Final, cast

import msgspec
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.bench.process import Processor, processor
from gapless.bench.speech import SOUNDS, Pcm, read_utterances, stream_of
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.serve.stream.messages import (
    SUBPROTOCOL,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    PartialMessage,
    ReadyMessage,
    ServerMessage,
    SpeechEndMessage,
    decode_server,
)

CHUNK_MS: Final = 40
CHUNK_SAMPLES: Final = LISTEN_RATE_HZ * CHUNK_MS // 1000

ENDPOINTING_MS: Final = 500
PADDING_MS: Final = 300
"""Asked for by name, so that it is known when the server could first know that somebody stopped speaking."""

CONNECTS_AT_ONCE: Final = 16
START_AFTER_S: Final = 0.2
ANSWER_TIMEOUT_S: Final = 20.0

STOP: Final = b'{"type":"stop"}'


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to say, and to whom."""

    url: str
    """``ws://HOST:PORT/v1/stream``."""
    model: str
    """Empty: the one that the server chooses."""
    streams: tuple[int, ...]
    """Numbers of the streams; each has its own words."""
    seconds: float
    server_pid: int
    """Whose processor time is watched."""
    paced: bool = True
    """False: everything at once, a stream after the other: what the server says when nobody else is there."""
    speech: str = str(SOUNDS)
    api_key: str = ""
    """Of a server that needs one."""


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stream."""

    number: int
    texts: tuple[str, ...]
    """Finals, in order."""
    error: str = ""
    partial_lags_us: tuple[int, ...]
    """From the sending of the chunk that caused a partial to its arrival: the one that completed the detector's window
    over the last audio that the partial is about."""
    position_lags_us: tuple[int, ...]
    """From the sending of that last audio itself."""
    final_lags_us: tuple[int, ...]
    """From the sending of the audio that ends the silence behind speech to the arrival of the final."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all of them."""

    streams: tuple[StreamReport, ...]
    elapsed_ns: int
    audio_s: float
    """Of all streams together."""
    late_us: tuple[int, ...]
    """How late chunks were sent: what the client could not do in time."""
    server: Processor
    client: Processor


def decision_sample(speech_end_ms: int) -> int:
    """Position at which the silence behind speech was long enough; see ``listen/segment.py``."""
    speech_end = (speech_end_ms - PADDING_MS) * LISTEN_RATE_HZ // 1000
    silence = ENDPOINTING_MS * LISTEN_RATE_HZ // 1000
    return speech_end + math.ceil(silence / WINDOW_SAMPLES) * WINDOW_SAMPLES


def cause_sample(position: int) -> int:
    """Position at which the server may hand audio up to ``position`` on: the end of the detector's window over it."""
    return math.ceil(position / WINDOW_SAMPLES) * WINDOW_SAMPLES


def chunk_with(sample: int, chunks: int) -> int:
    """Which chunk brought the sample before position ``sample``."""
    return min(max(math.ceil(sample / CHUNK_SAMPLES) - 1, 0), chunks - 1)


class Speaker(asyncio.Protocol):
    """One stream.

    Args:
        number: of the stream.
        pcm: what is said.
        task: to whom, and how.
    """

    def __init__(self, number: int, pcm: Pcm, task: Task) -> None:
        self._number = number
        self._frames = _audio_frames(pcm)
        self._loop = asyncio.get_running_loop()
        query = (
            f"sample_rate={LISTEN_RATE_HZ}&encoding=pcm_s16le&save=false"
            f"&endpointing_ms={ENDPOINTING_MS}&padding_ms={PADDING_MS}"
        )
        if task.model:
            query += f"&model={task.model}"
        self._api_key = task.api_key
        self._wire = ClientProtocol(
            parse_uri(f"{task.url}?{query}"), subprotocols=[Subprotocol(SUBPROTOCOL)]
        )
        self._sent_at = [0.0] * len(self._frames)
        self._texts: list[str] = []
        self._partial_lags: list[int] = []
        self._position_lags: list[int] = []
        self._final_lags: list[int] = []
        self._speech_ends: dict[str, int] = {}
        self._error = ""
        self.late_us: list[int] = []
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def report(self) -> StreamReport:
        """What there is now."""
        return StreamReport(
            number=self._number,
            texts=tuple(self._texts),
            error=self._error or ("" if self.ended.done() else "the server never said end"),
            partial_lags_us=tuple(self._partial_lags),
            position_lags_us=tuple(self._position_lags),
            final_lags_us=tuple(self._final_lags),
        )

    # --- asyncio's side ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a stream."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._wire.connect()
        if self._api_key:
            request.headers["Authorization"] = f"Bearer {self._api_key}"
        self._wire.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Hear what the server says."""
        now = time.monotonic()
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Response):
                if self._wire.handshake_exc is not None:
                    self._fail(f"refused: {self._wire.handshake_exc}")
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._hear(decode_server(bytes(event.data).decode()), now)
        self._write()

    def connection_lost(self, error: Exception | None) -> None:
        """The server has gone, which is in order after ``end``."""
        if not self.ended.done():
            self._fail(f"the connection was lost: {error}")

    # --- speaking ---------------------------------------------------------------------------------

    def speak(self, began: float) -> None:
        """Say everything, at the pace of the wall clock from ``began`` on (as ``time.monotonic`` has it).

        That is the clock of event loops too, but uvloop's own reading of it is only good to a millisecond.
        """
        self._began = began
        self._loop.call_at(began + CHUNK_MS / 1000, self._speak_chunk, 0)

    def speak_at_once(self) -> None:
        """Say everything now; the server takes it as fast as it can."""
        if self.ended.done():
            return
        for number, frame in enumerate(self._frames):
            self._sent_at[number] = time.monotonic()
            self._transport.write(frame)
        self._stop()

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def _speak_chunk(self, number: int) -> None:
        if self.ended.done():
            return
        now = time.monotonic()
        due = self._began + (number + 1) * CHUNK_MS / 1000
        self.late_us.append(max(round((now - due) * 1e6), 0))
        self._sent_at[number] = now
        self._transport.write(self._frames[number])
        if number + 1 < len(self._frames):
            self._loop.call_at(due + CHUNK_MS / 1000, self._speak_chunk, number + 1)
        else:
            self._stop()

    def _stop(self) -> None:
        """Say that there is no more."""
        self._wire.send_text(STOP)
        self._write()

    # --- listening --------------------------------------------------------------------------------

    def _hear(self, message: ServerMessage, now: float) -> None:
        match message:
            case ReadyMessage():
                if not self.ready.done():
                    self.ready.set_result(None)
            case PartialMessage(end_ms=end_ms):
                position = end_ms * LISTEN_RATE_HZ // 1000
                self._partial_lags.append(self._lag_us(cause_sample(position), now))
                self._position_lags.append(self._lag_us(position, now))
            case SpeechEndMessage(utt=utt, at_ms=at_ms):
                self._speech_ends[utt] = at_ms
            case FinalMessage(utt=utt, text=text):
                self._texts.append(text)
                if utt in self._speech_ends:
                    position = decision_sample(self._speech_ends.pop(utt))
                    self._final_lags.append(self._lag_us(position, now))
            case ErrorMessage():
                self._error = self._error or message.message
            case EndMessage():
                self.ended.set_result(None)
            case _:
                pass

    def _lag_us(self, position: int, now: float) -> int:
        return round((now - self._sent_at[chunk_with(position, len(self._frames))]) * 1e6)

    def _fail(self, error: str) -> None:
        self._error = self._error or error
        for future in (self.ready, self.ended):
            if not future.done():
                future.set_result(None)

    def _write(self) -> None:
        for data in self._wire.data_to_send():
            if data:
                self._transport.write(data)


async def speak_all(task: Task) -> Report:
    """Let all streams speak, and report."""
    utterances = read_utterances(Path(task.speech))
    audio = [stream_of(number, utterances, task.seconds) for number in task.streams]
    audio_s = sum(len(pcm) for pcm in audio) / LISTEN_RATE_HZ
    speakers = [Speaker(number, pcm, task) for number, pcm in zip(task.streams, audio, strict=True)]
    del audio
    await connect_all(speakers, task.url)
    server, client = processor(task.server_pid), processor(os.getpid())
    began_ns = time.perf_counter_ns()
    if task.paced:
        speak_together(speakers, time.monotonic() + START_AFTER_S)
        await _wait([speaker.ended for speaker in speakers], audio_s / len(speakers) * 2)
    else:
        for speaker in speakers:
            speaker.speak_at_once()
            await _wait([speaker.ended], task.seconds)
    report = Report(
        streams=tuple(speaker.report() for speaker in speakers),
        elapsed_ns=time.perf_counter_ns() - began_ns,
        audio_s=audio_s,
        late_us=tuple(late for speaker in speakers for late in speaker.late_us),
        server=processor(task.server_pid).since(server),
        client=processor(os.getpid()).since(client),
    )
    for speaker in speakers:
        speaker.close()
    return report


async def connect_all(speakers: list[Speaker], url: str) -> None:
    """Have a stream for each, a few at a time; who is refused says so in its report."""
    uri = parse_uri(url)
    context = ssl.create_default_context() if uri.secure else None
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def connect(speaker: Speaker) -> None:
        async with gate:
            await asyncio.get_running_loop().create_connection(
                lambda: speaker, uri.host, uri.port, ssl=context
            )
            await _wait([speaker.ready], 0)

    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(connect(speaker))


def speak_together(speakers: list[Speaker], began: float) -> None:
    """Let all speak from ``began`` on, their chunks spread evenly over the time of one."""
    for place, speaker in enumerate(speakers):
        speaker.speak(began + place / len(speakers) * CHUNK_MS / 1000)


async def _wait(futures: list[asyncio.Future[None]], audio_s: float) -> None:
    await asyncio.wait(futures, timeout=audio_s + ANSWER_TIMEOUT_S)


def _audio_frames(pcm: Pcm) -> list[bytes]:
    """Chunks as WebSocket frames: final, binary, masked with zeros (RFC 6455, section 5.2)."""
    frames = []
    for start in range(0, len(pcm), CHUNK_SAMPLES):
        payload = pcm[start : start + CHUNK_SAMPLES].astype("<i2").tobytes()
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
        frames.append(b"\x82" + length + bytes(4) + payload)
    return frames


def main() -> None:
    """Do one task."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        report = asyncio.run(speak_all(task))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(speak_all(task))
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
