"""Recordings that are the body of a request, for the dialects that send them so.

In: a request, and what its dialect made of its head. Out: the transcript, rendered by the dialect. Invariants: what has
no place in the queue or makes no sense is refused before its body is read; the body is on disk, not in memory; a client
that hangs up stops the work it asked for; where transcripts are kept, this one is on disk when it is answered.
Thread: the event loop's; everything that blocks runs in ``services.executor``.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeAlias, final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gapless.audio.format import AudioFormat, Encoding
from gapless.errors import InvalidAudioError, ModelNotFoundError, ProtocolError, StoreError
from gapless.listen.listener import ListenOptions
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recording import RecordingEvent
from gapless.serve.flags.listening import on_its_side
from gapless.serve.offload import in_executor
from gapless.serve.remember.recordings import RememberedRecordings, asks_anew
from gapless.serve.services import Services
from gapless.serve.stream.hearing import listen_options_of
from gapless.serve.stream.messages import StreamOptions
from gapless.serve.uploads import Uploads, kept, last, unix_ms, unless_gone
from gapless.store.contract import SessionRecord
from gapless.transcript import Transcript

WRITE_BYTES: Final = 1024 * 1024
"""Bytes gathered in memory before they are written."""

WAVE_TAGS: Final[dict[Encoding, int]] = {
    "pcm_s16le": 1,
    "pcm_s32le": 1,
    "pcm_f32le": 3,
    "alaw": 6,
    "mulaw": 7,
}
"""Format tags of RIFF WAVE, by encoding. Source: RFC 2361."""

WAVE_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Wish(msgspec.Struct, frozen=True):
    """What the head of a request asks for."""

    options: StreamOptions
    """How to hear it."""
    render: Callable[[Recorded], object]
    """The JSON that answers it."""
    audio: AudioFormat | None = None
    """What the bytes are; None: a file of any usual kind."""
    unpack: Callable[[Body], Body] | None = None
    """Takes the audio out of the body, if that is something else; blocks."""


class Recorded(msgspec.Struct, frozen=True):
    """A recording that was heard."""

    transcript: Transcript
    sha256: str
    """Of the body."""


Read: TypeAlias = Callable[[Request], Wish]
"""Makes a wish of the head of a request; a ``GaplessError`` refuses it."""


@final
class RecordingEndpoint:
    """One address, as an ASGI application: what it holds ends with the answer.

    Args:
        services: the engine.
        uploads: who is being heard and who waits, in all dialects.
        read: the dialect.
    """

    def __init__(self, services: Services, uploads: Uploads, read: Read) -> None:
        self._services = services
        self._uploads = uploads
        self._remembered = RememberedRecordings(services)
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        services = self._services
        try:
            with self._uploads.admit():
                wish = self._read(request)
                with await read_body(
                    request.stream(),
                    services.executor,
                    audio=wish.audio,
                    stall_ms=services.settings.idle_timeout_ms,
                ) as body:
                    anew = asks_anew(request.headers)
                    answer = self._answer(wish, body, scope, receive, send, anew=anew)
                    await unless_gone(receive, answer)
        except ClientDisconnect:
            return

    async def _answer(
        self, wish: Wish, body: Body, scope: Scope, receive: Receive, send: Send, *, anew: bool
    ) -> None:
        services = self._services
        model = find_model(await in_executor(services, services.models), wish.options.model)
        model.require_language(wish.options.language)
        options = on_its_side(listen_options_of(services.listen_options, wish.options))
        session = SessionRecord(
            id=f"f{secrets.token_hex(10)}",
            source="file",
            model=model.name,
            started_at_ms=unix_ms(),
            language=options.recognise.language,
        )

        async def hear(content: BinaryIO) -> Transcript:
            own = msgspec.structs.replace(body, content=content)
            async with self._uploads.place(
                lambda: self._events(wish, own, options, session)
            ) as events:
                return await last(events)

        if anew:
            transcript = await hear(body.content)
        else:
            key = await self._remembered.key(body.content, model.name, options)
            transcript = await self._remembered.get(key, body.content, hear, session)
        answer = msgspec.json.encode(wish.render(Recorded(transcript, body.sha256)))
        await Response(answer, media_type="application/json")(scope, receive, send)

    def _events(
        self, wish: Wish, body: Body, options: ListenOptions, session: SessionRecord
    ) -> Generator[RecordingEvent, None, None]:
        """Hear the recording; blocks."""
        services = self._services
        with wish.unpack(body) if wish.unpack is not None else body as audio:
            events = services.transcribe(
                audio.content, session.model, options, max_ms=services.settings.max_file_ms
            )
            if services.store is not None:
                events = kept(events, services.store, session)
            yield from events


def find_model(models: list[RecogniserInfo], name: str | None) -> RecogniserInfo:
    """The model of that name; None is the default.

    Raises:
        ModelNotFoundError: no such model.
    """
    for model in models:
        if name in (None, model.name):
            return model
    raise ModelNotFoundError(
        f"there is no model {(name or '')[:200]!r} here; GET /v1/models lists those there are",
        param="model",
    )


# --- bodies ---------------------------------------------------------------------------------------


class Body(msgspec.Struct, frozen=True):
    """A body on disk, without a name there, at its beginning. Leaving the block deletes it."""

    content: BinaryIO
    size_bytes: int
    sha256: str

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.content.close()


async def read_body(
    parts: AsyncIterator[bytes],
    executor: Executor,
    *,
    audio: AudioFormat | None,
    stall_ms: int,
) -> Body:
    """Take in a whole body. The caller closes it.

    Args:
        parts: as they come.
        executor: where they are written.
        audio: raw samples of this format, which become a WAVE file; None: bytes that stay as they are.
        stall_ms: a client that sends nothing for this long is given up.

    Raises:
        InvalidAudioError: nothing was sent.
        ProtocolError: the client stalls.
        StoreError: the body does not fit on the disk.
    """
    loop = asyncio.get_running_loop()
    with BodyWriter(audio) as writer:
        while part := await _next_part(parts, stall_ms):
            if writer.feed(part) >= WRITE_BYTES:
                await loop.run_in_executor(executor, writer.write)
        return await loop.run_in_executor(executor, writer.finish)


async def _next_part(parts: AsyncIterator[bytes], stall_ms: int) -> bytes:
    try:
        async with asyncio.timeout(stall_ms / 1000):
            async for part in parts:
                if part:
                    return part
            return b""
    except TimeoutError:
        raise ProtocolError(
            f"nothing more of the recording came for {stall_ms / 1000:g} s; send it again"
        ) from None


@final
class BodyWriter:
    """Writes a body to disk, behind the head of a WAVE file if it needs one.

    Leaving the block deletes the file, unless it was handed over.

    Args:
        audio: as for ``read_body``.
    """

    def __init__(self, audio: AudioFormat | None = None) -> None:
        self._audio = audio
        self._file: BinaryIO | None = None
        """Made by the first ``write``, handed over by ``finish``."""
        self._unwritten = bytearray()
        self._size_bytes = 0
        self._sha256 = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def feed(self, data: bytes) -> int:
        """Take the next bytes; return how many are not written."""
        self._unwritten += data
        return len(self._unwritten)

    def write(self) -> None:
        """Write what was taken; blocks.

        Raises:
            StoreError: the disk is full.
        """
        try:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115 - closed by close(), or with the body
                if self._audio is not None:
                    self._file.write(bytes(WAVE_HEADER.size))
            self._file.write(self._unwritten)
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"the recording cannot be put on disk ({error.strerror}); "
                "make room in the server's folder for temporary files"
            ) from error
        self._sha256.update(self._unwritten)
        self._size_bytes += len(self._unwritten)
        self._unwritten.clear()

    def finish(self) -> Body:
        """All is here: hand it over; blocks.

        Raises:
            InvalidAudioError: nothing was sent.
            StoreError: the disk is full.
        """
        self.write()
        if not self._size_bytes or self._file is None:
            raise InvalidAudioError("the recording is empty; send its bytes as the body")
        file, self._file = self._file, None
        file.seek(0)
        if self._audio is not None:
            file.write(wave_header(self._audio, self._size_bytes))
            file.seek(0)
        return Body(file, self._size_bytes, self._sha256.hexdigest())


def wave_header(audio: AudioFormat, size_bytes: int) -> bytes:
    """The head of a WAVE file of ``size_bytes`` of samples. Source: Microsoft's RIFF WAVE, PCMWAVEFORMAT.

    Raises:
        KeyError: ``audio`` is no format of single samples.
    """
    frame_bytes = audio.frame_bytes or 1
    most = 0xFFFF_FFFF - WAVE_HEADER.size  # larger ones are read up to their end all the same
    size = min(size_bytes, most)
    return WAVE_HEADER.pack(
        b"RIFF",
        size + WAVE_HEADER.size - 8,
        b"WAVE",
        b"fmt ",
        16,
        WAVE_TAGS[audio.encoding],
        audio.channels,
        audio.rate_hz,
        audio.rate_hz * frame_bytes,
        frame_bytes,
        frame_bytes * 8 // audio.channels,
        b"data",
        size,
    )
