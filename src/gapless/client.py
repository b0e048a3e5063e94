"""A client of the native stream, for asyncio.

In: samples or encoded bytes. Out: the server's messages, typed as in ``gapless.serve.stream.messages``.
Invariants: every failure is a ``GaplessError``; nothing is buffered here without bound: who does not read events is
held back, and in the end cut off, by the server. Thread: the event loop's.

    async with Client("ws://127.0.0.1:8000") as client, client.stream(sample_rate=16_000) as stream:
        await stream.send(samples)
        await stream.stop()
        async for event in stream:
            print(event)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

import msgspec
import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)
from websockets.typing import Subprotocol

from gapless.audio.format import Encoding
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import (
    AudioError,
    ConfigError,
    ConnectionLostError,
    GaplessError,
    ProtocolError,
)
from gapless.serve.stream.messages import (
    SUBPROTOCOL,
    ConfigureMessage,
    EndMessage,
    ErrorMessage,
    FlushMessage,
    HearingOptions,
    KeepaliveMessage,
    ReadyMessage,
    ServerMessage,
    StopMessage,
    StreamOptions,
    decode_server,
    encode,
)

SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

OPEN_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0

PING_TIMEOUT_S: Final = 120.0
"""A server that holds us back does not read our pings either: be patient."""

CLOSE_NORMAL: Final = 1000

FILE_BLOCK_MS: Final = 100
"""Audio per frame of a streamed file."""


class Client:
    """A server to stream to.

    Args:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://`` and the server's address.
        api_key: the server's key, where it needs one.
    """

    def __init__(self, url: str = "ws://127.0.0.1:8000", *, api_key: str | None = None) -> None:
        scheme, separator, address = url.partition("://")
        if not separator or scheme not in SCHEMES or not address.strip("/"):
            raise ConfigError(
                f"{url!r} is no address of a server; use one such as ws://127.0.0.1:8000",
                param="url",
            )
        self._url = f"{SCHEMES[scheme]}://{address.rstrip('/')}/v1/stream"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._streams: set[Stream] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the streams that are still open."""
        for stream in list(self._streams):
            await stream.close()

    def stream(
        self,
        *,
        sample_rate: int = LISTEN_RATE_HZ,
        encoding: Encoding = "pcm_s16le",
        channels: int = 1,
        model: str | None = None,
        language: str | None = None,
        interim: bool | None = None,
        words: bool | None = None,
        endpointing_ms: int | None = None,
        denoise: float | Literal["off", "on"] | None = None,
        hotwords: tuple[str, ...] | None = None,
        n_best: int | None = None,
        priority: Literal["live", "bulk"] | None = None,
        save: bool | None = None,
    ) -> Stream:
        """A stream, opened by ``async with``; see ``serve.stream.messages.StreamOptions`` for what the options mean."""
        options = StreamOptions(
            model=model,
            language=language,
            encoding=encoding,
            sample_rate=sample_rate,
            channels=channels,
            interim=interim,
            words=words,
            endpointing_ms=endpointing_ms,
            denoise=denoise,
            hotwords=hotwords,
            n_best=n_best,
            priority=priority,
            save=save,
        )
        return Stream(self._url, self._headers, options, self._streams)

    async def stream_file(
        self,
        path: str | Path,
        *,
        realtime: bool = True,
        model: str | None = None,
        language: str | None = None,
        denoise: float | Literal["off", "on"] | None = None,
        save: bool | None = None,
    ) -> AsyncIterator[ServerMessage]:
        """Stream a sound file and yield what the server says to it, to the ``end``.

        Args:
            path: a file of any usual kind.
            realtime: at the pace of a person speaking; otherwise as fast as the server takes it.
            model: recogniser, where not the server's default.
            language: ISO 639-1 code.
            denoise: amount of noise removed.
            save: whether the transcript is kept.

        Raises:
            GaplessError: the file cannot be read, or the server refuses it or goes away.
        """
        stream = self.stream(model=model, language=language, denoise=denoise, save=save)
        async with stream:
            sender = asyncio.create_task(_send_file(stream, Path(path), realtime=realtime))
            try:
                async for event in stream:
                    yield event
                await sender
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)


class Stream:
    """An open stream: send audio, iterate over events. Made by ``Client.stream``."""

    def __init__(
        self, url: str, headers: dict[str, str], options: StreamOptions, open_streams: set[Stream]
    ) -> None:
        self._address = f"{url}?{urlencode(_query(options))}"
        self._headers = headers
        self._options = options
        self._open_streams = open_streams
        """Of the client; this one is among them while it is open."""
        self._socket: ClientConnection | None = None
        self._ready: ReadyMessage | None = None
        self._early: deque[ServerMessage] = deque()
        """Read while looking for the reason of a failure; not yet given to the reader."""
        self._refusal: ErrorMessage | None = None
        """The last error the server told."""
        self._ended = False

    async def __aenter__(self) -> Self:
        try:
            self._socket = await connect(
                self._address,
                additional_headers=self._headers,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_timeout=PING_TIMEOUT_S,
            )
        except InvalidStatus as error:
            raise _refusal_of(error) from error
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise ConnectionLostError(
                f"no stream at {self._address.partition('?')[0]} ({error}); is the server running?"
            ) from error
        self._open_streams.add(self)
        try:
            await self._receive_ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def ready(self) -> ReadyMessage:
        """What the server said of the stream when it opened it."""
        if self._ready is None:
            raise ProtocolError("the stream is not open; use it in `async with`")
        return self._ready

    async def send(self, audio: Samples | npt.NDArray[np.int16] | bytes) -> None:
        """Send audio; waits while the server holds us back.

        Args:
            audio: float32 in -1..1 (or int16) samples, [n] or [n, channels], for PCM encodings; or encoded bytes.

        Raises:
            AudioError: samples that the stream's encoding cannot carry.
            GaplessError: the server refused the stream, or went away.
        """
        data = audio if isinstance(audio, bytes) else encode_samples(audio, self._options)
        most = self.ready.limits.max_frame_bytes
        for start in range(0, len(data), most):
            await self._send(data[start : start + most])

    async def flush(self, flush_id: str = "") -> None:
        """Make everything sent so far final; the server answers ``flushed`` with the same id."""
        await self._send(encode(FlushMessage(flush_id)))

    async def configure(self, options: HearingOptions) -> None:
        """Hear what follows with other options."""
        given = {name: getattr(options, name) for name in HearingOptions.__struct_fields__}
        await self._send(encode(ConfigureMessage(**given)))

    async def keepalive(self) -> None:
        """Keep the stream open while there is no audio."""
        await self._send(encode(KeepaliveMessage()))

    async def stop(self) -> None:
        """There is no more audio: the server finishes, says ``end`` and closes."""
        await self._send(encode(StopMessage()))

    async def close(self) -> None:
        """Close the connection; the server still finishes and keeps what was said. Idempotent."""
        self._open_streams.discard(self)
        if self._socket is not None:
            await self._socket.close()

    def __aiter__(self) -> AsyncIterator[ServerMessage]:
        return self

    async def __anext__(self) -> ServerMessage:
        if self._ended:
            raise StopAsyncIteration
        message = self._early.popleft() if self._early else await self._receive()
        self._ended = isinstance(message, EndMessage)
        return message

    @property
    def _connection(self) -> ClientConnection:
        if self._socket is None:
            raise ProtocolError("the stream is not open; use it in `async with`")
        return self._socket

    async def _receive_ready(self) -> None:
        message = await self._receive()
        if isinstance(message, ErrorMessage):
            raise error_of(msgspec.to_builtins(message))
        if not isinstance(message, ReadyMessage):
            raise ProtocolError("the server did not say ready; is this a Gapless server?")
        self._ready = message

    async def _send(self, frame: bytes | str) -> None:
        try:
            await self._connection.send(frame)
            # Sending returns at once while there is room, and who only sends would never hear a refusal.
            await asyncio.sleep(0)
        except ConnectionClosed as closed:
            raise await self._reason(closed) from closed

    async def _receive(self) -> ServerMessage:
        try:
            message = decode_server(await self._connection.recv())
        except ConnectionClosed as closed:
            raise await self._reason(closed) from closed
        if isinstance(message, ErrorMessage):
            self._refusal = message
        return message

    async def _reason(self, closed: ConnectionClosed) -> GaplessError:
        """Why the connection closed, in the server's own words where it said any."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = decode_server(await self._connection.recv())
                self._early.append(message)
                if isinstance(message, ErrorMessage):
                    self._refusal = message
        if closed.rcvd is None:
            return ConnectionLostError("the connection to the server was lost; open a new stream")
        if self._refusal is not None and closed.rcvd.code != CLOSE_NORMAL:
            return error_of(msgspec.to_builtins(self._refusal))
        return ConnectionLostError(
            f"the server has closed the stream (code {closed.rcvd.code}); open a new one"
        )


def encode_samples(samples: Samples | npt.NDArray[np.int16], options: StreamOptions) -> bytes:
    """Samples as the bytes of a PCM encoding.

    Raises:
        AudioError: samples of another type or shape, or an encoding that is not PCM.
    """
    encoding, channels = options.audio.encoding, options.audio.channels
    if samples.ndim > 2 or (samples.ndim == 2 and samples.shape[1] != channels):
        raise AudioError(
            f"samples of shape {samples.shape} do not fit {channels} channels; "
            "use [n] or [n, channels]"
        )
    if samples.dtype == np.int16 and encoding == "pcm_s16le":
        return samples.astype("<i2").tobytes()
    if samples.dtype != np.float32:
        raise AudioError(f"samples are {samples.dtype}; use float32 in -1..1")
    if encoding == "pcm_f32le":
        return samples.astype("<f4").tobytes()
    if encoding == "pcm_s16le":
        pcm: npt.NDArray[np.int16] = np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2")
        return pcm.tobytes()
    raise AudioError(
        f"samples cannot be sent as {encoding}; use pcm_s16le or pcm_f32le, or send encoded bytes"
    )


def error_of(told: dict[str, Any]) -> GaplessError:
    """The error that a server told, as the class that it was there."""
    kinds = {kind.code: kind for kind in _subclasses(GaplessError)}
    return kinds.get(told.get("code", ""), GaplessError)(
        told.get("message") or "the server refused; look into its log",
        param=told.get("param"),
        retry_after_ms=told.get("retry_after_ms"),
    )


def _subclasses(kind: type[GaplessError]) -> Iterator[type[GaplessError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _refusal_of(error: InvalidStatus) -> GaplessError:
    """What a server answered instead of an upgrade."""
    with contextlib.suppress(msgspec.DecodeError):
        body = msgspec.json.decode(error.response.body or b"")
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            return error_of(body["error"])
    return ConnectionLostError(
        f"the server answered {error.response.status_code}; is this a Gapless server?"
    )


def _query(options: StreamOptions) -> dict[str, str]:
    """Options as a query string has them."""
    given = {name: getattr(options, name) for name in StreamOptions.__struct_fields__}
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _send_file(stream: Stream, path: Path, *, realtime: bool) -> None:
    """Decode a file in a thread, block by block, and send it."""
    from gapless.audio.files import read_audio

    block_samples = LISTEN_RATE_HZ * FILE_BLOCK_MS // 1000
    blocks = read_audio(path, LISTEN_RATE_HZ, block_samples=block_samples)
    clock = asyncio.get_running_loop().time
    began, sent = clock(), 0
    try:
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            sent += len(block)
            if realtime:
                # A block is there when its last sample has been spoken.
                await asyncio.sleep(max(began + sent / LISTEN_RATE_HZ - clock(), 0))
            await stream.send(block)
    finally:
        # A file that breaks off is answered as far as it goes.
        await stream.stop()
