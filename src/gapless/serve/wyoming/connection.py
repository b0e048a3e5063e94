"""One of Wyoming's connections: questions about the server, and utterances one after the other.

In: a TCP connection. Out: the same, closed. Invariants: every ``audio-stop`` is answered by exactly one ``transcript``,
with ``error`` before it where something went wrong; each utterance is a stream of its own, so that a connection that
only asks takes nobody's place; bytes that are no event end the connection, events that nobody knows do not.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from gapless.errors import GaplessError, ProtocolError
from gapless.serve.flags.call import serving
from gapless.serve.flags.flags import Flags
from gapless.serve.language import base_language
from gapless.serve.offload import in_executor
from gapless.serve.problem import problem_of
from gapless.serve.services import Services
from gapless.serve.stream.channel import Gone
from gapless.serve.stream.close import DONE, LOST
from gapless.serve.stream.connection import Connection
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import StreamOptions
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams
from gapless.serve.wyoming.info import choose, describe
from gapless.serve.wyoming.messages import Audio, Transcribe, read
from gapless.serve.wyoming.utterance import AUDIO_STOP, UtteranceDialect
from gapless.serve.wyoming.wire import Event, EventReader, encode

READ_BYTES: Final = 64 * 1024

POLICY: Final = Policy(dialect="wyoming")

VAD_THRESHOLD: Final = 0.3
PADDING_MS: Final = 400
"""The client has cut the speech out already, so that the voice detector leaves out only what is surely none: clients
send noise, too, when nobody speaks after the wake word, and recognisers make words of it."""


class WyomingConnection:
    """One client.

    Args:
        reader, writer: the TCP connection.
        services: the engine.
        streams: where utterances are heard.
        flags: say what is on for whom.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        services: Services,
        streams: Streams,
        flags: Flags,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._services = services
        self._streams = streams
        self._flags = flags
        peer = writer.get_extra_info("peername")
        self._client = peer[0] if peer else None
        self._events = EventReader(services.settings.max_frame_bytes)
        self._patience_s = services.settings.idle_timeout_ms / 1000
        self._wish: dict[str, Any] = {}
        """What ``transcribe`` said of the next utterance; read when it begins."""
        self.hearing = False
        """An utterance is not answered yet."""
        self.stopping = False
        """Close when it is answered."""

    async def run(self) -> None:
        """Serve until one side closes."""
        with suppress(Gone):  # whoever left is not told
            try:
                while not self.stopping:
                    await self._handle(await self._patiently())
            except ProtocolError as error:
                await self.send(_error(error))

    async def next_event(self) -> Event:
        """The next event that is not answered here.

        Raises:
            Gone: the client has closed.
            ProtocolError: its bytes are no event.
        """
        while True:
            event = self._events.next_event()
            if event is None:
                await self._read()
            elif event.type == "describe":
                models = await in_executor(self._services, self._services.models)
                await self.send(encode("info", describe(models)))
            elif event.type == "ping":
                await self.send(encode("pong", {"text": event.data.get("text")}))
            else:
                return event

    async def send(self, data: bytes) -> None:
        """Send an event; waits while the client does not read.

        Raises:
            Gone: the client has closed, or reads no more.
        """
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._patience_s):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Gone(LOST) from error

    async def _patiently(self) -> Event:
        """The next event, if it comes in time."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await self.next_event()
        except TimeoutError as error:
            raise Gone(LOST) from error

    async def _read(self) -> None:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise Gone(LOST) from error
        if not data:
            raise Gone(DONE)
        self._events.feed(data)

    async def _handle(self, event: Event) -> None:
        match event.type:
            case "transcribe":
                self._wish = event.data
            case "audio-start" | "audio-chunk":  # some clients leave out the start
                await self._hear(event)
            case "audio-stop":  # nothing was sent, so nothing was said
                await self._answer(UtteranceDialect(StreamOptions()))

    # --- an utterance -----------------------------------------------------------------------------

    async def _hear(self, start: Event) -> None:
        """Hear the utterance that ``start`` begins, up to its ``audio-stop``."""
        self.hearing = True
        dialect = UtteranceDialect(StreamOptions())
        wish, self._wish = self._wish, {}
        try:
            audio = read(start.data, Audio)
            dialect = UtteranceDialect(await self._options(read(wish, Transcribe), audio))
            channel = UtteranceChannel(self, audio, start.payload)
            with serving(self._flags, stays=True):
                live = self._streams.open(dialect.options, POLICY, client=self._client)
                await Connection(channel, self._streams, dialect).run(live)
        except GaplessError as error:
            await self._answer(dialect, error)
        else:
            if channel.failure is not None:
                await self._answer(dialect, channel.failure)
                raise Gone(LOST)
        await self._answer(dialect)
        self.hearing = False
        while not (dialect.stopped or self.stopping):  # the rest of an utterance that was refused
            dialect.stopped = (await self._patiently()).type == "audio-stop"

    async def _options(self, request: Transcribe, audio: Audio) -> StreamOptions:
        language = base_language(request.language)
        models = await in_executor(self._services, self._services.models)
        model = choose(models, request.name, language)
        return StreamOptions(
            model=model.name,
            language=language,
            hotwords=request.hotwords,
            words=False,
            encoding=audio.encoding,
            sample_rate=audio.rate,
            channels=audio.channels,
            vad_threshold=VAD_THRESHOLD,
            padding_ms=PADDING_MS,
        )

    async def _answer(
        self, dialect: UtteranceDialect, error: GaplessError | Gone | None = None
    ) -> None:
        """Send the transcript if it was not sent, after the error that kept it from being all of it."""
        if isinstance(error, GaplessError):
            await self.send(_error(error))
        for frame in dialect.answer():
            await self.send(_bytes(frame))


class UtteranceChannel:
    """Carries one utterance: what its stream closes is the utterance, and not the connection.

    Args:
        connection: where events come from.
        audio: the format of all chunks.
        first: audio that is here already.
    """

    def __init__(self, connection: WyomingConnection, audio: Audio, first: bytes) -> None:
        self._connection = connection
        self._audio = audio
        self._first = first
        self._stopped = False
        self.failure: Gone | ProtocolError | None = None
        """What ended the connection."""

    async def receive(self) -> Frame:
        """The next audio, or ``AUDIO_STOP``; nothing after that."""
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._stopped:
            await asyncio.Event().wait()  # until the answer has been sent
        try:
            return await self._next_frame()
        except ProtocolError as error:
            self.failure = error
            raise Gone(LOST) from error
        except Gone as error:
            self.failure = error
            raise

    async def _next_frame(self) -> Frame:
        while True:
            event = await self._connection.next_event()
            if event.type == "audio-stop":
                self._stopped = True
                return AUDIO_STOP
            if event.type == "audio-chunk" and event.payload:
                if read(event.data, Audio) != self._audio:
                    raise ProtocolError(
                        "a chunk has another format than audio-start said; "
                        "send audio-stop and audio-start before it changes"
                    )
                return event.payload

    async def send(self, frame: Frame) -> None:
        """Send an event."""
        await self._connection.send(_bytes(frame))

    async def close(self, code: int, reason: str) -> None:
        """Nothing: the connection may bring another utterance."""


def _error(error: GaplessError) -> bytes:
    problem = problem_of(error)
    return encode("error", {"text": problem.message, "code": problem.code})


def _bytes(frame: Frame) -> bytes:
    if isinstance(frame, str):
        raise TypeError("Wyoming's frames are bytes")
    return frame
