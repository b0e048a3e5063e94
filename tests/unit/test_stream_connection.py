"""A connection carries frames through any dialect over any channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

import pytest

from gapless.serve.stream.channel import Gone
from gapless.serve.stream.connection import MAX_REPLIES, Connection
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import FlushMessage, ServerMessage, StopMessage, StreamOptions
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.registry import Streams
from gapless.serve.stream.session import StreamSession
from gapless.testing.services import ScriptedServices

Answer = TypeVar("Answer")


class Telegraph:
    """A dialect of one word a frame."""

    options = StreamOptions()

    def greet(self, session: StreamSession) -> Iterable[Frame]:
        return ("hello",)

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        match frame:
            case bytes():
                session.receive_bytes(frame, now_ms)
            case "flush":
                session.receive(FlushMessage("f"), now_ms)
            case "stop":
                session.receive(StopMessage(), now_ms)
            case "flood":
                return ["echo"] * (MAX_REPLIES + 1)
            case word:
                return (f"what is {word}",)
        return ()

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        return () if message.type == "progress" else (message.type,)

    def farewell(self, code: int) -> tuple[int, str]:
        return code + 3000, "bye"


class Wire:
    """A channel in memory."""

    def __init__(self, *frames: Frame) -> None:
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        for frame in frames:
            self._frames.put_nowait(frame)
        self.sent: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self.deaf = False

    def hang_up(self) -> None:
        self._frames.put_nowait(None)

    async def receive(self) -> Frame:
        frame = await self._frames.get()
        if frame is None:
            raise Gone(1006)
        return frame

    async def send(self, frame: Frame) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        self.sent.append(frame)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@pytest.fixture
def services() -> Iterator[ScriptedServices]:
    with ScriptedServices() as services:
        yield services


def serve(
    services: ScriptedServices,
    talk: Callable[[Streams, Connection, Wire], Awaitable[None]],
    *frames: Frame,
) -> tuple[Wire, Streams]:
    async def main() -> tuple[Wire, Streams]:
        async with asyncio.timeout(20):
            streams = Streams(services)
            wire = Wire(*frames)
            await talk(streams, Connection(wire, streams, Telegraph()), wire)
            await streams.drain()
            return wire, streams

    return asyncio.run(main())


async def carry(streams: Streams, connection: Connection, _: Wire) -> None:
    await connection.run(streams.open(StreamOptions(), Policy()))


def test_the_greeting_comes_first_and_answers_go_before_the_session(
    services: ScriptedServices,
) -> None:
    wire, _ = serve(services, carry, "love", b"\0\0" * 160, "flush", "stop")

    assert wire.sent == ["hello", "what is love", "ready", "flushed", "end"]
    assert wire.closed == (4000, "bye")


def test_a_client_that_does_not_read_its_answers_is_cut_off(services: ScriptedServices) -> None:
    async def talk(streams: Streams, connection: Connection, wire: Wire) -> None:
        wire.deaf = True
        await carry(streams, connection, wire)

    wire, streams = serve(services, talk, "flood")

    assert wire.closed == (4013, "bye")
    assert streams.stats().connected == 0


def test_a_client_that_hangs_up_is_heard_to_the_end_and_not_waited_for(
    services: ScriptedServices,
) -> None:
    async def talk(streams: Streams, connection: Connection, wire: Wire) -> None:
        wire.hang_up()
        await carry(streams, connection, wire)
        assert streams.stats().parked == 0

    wire, streams = serve(services, talk, b"\0\0" * 1600)

    assert wire.closed is None
    assert streams.stats().connected == 0
