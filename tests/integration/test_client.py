"""``gapless.Client`` against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.client import Client
from gapless.errors import (
    AccessError,
    AudioError,
    ConfigError,
    ConnectionLostError,
    GaplessError,
    InvalidAudioError,
    ModelNotFoundError,
    OverloadError,
    ProtocolError,
)
from gapless.serve.stream.messages import (
    EndMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    HearingOptions,
    PartialMessage,
    ServerMessage,
)
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

Answer = TypeVar("Answer")
LoadSpeech = Callable[[str], Samples]

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def services() -> Iterator[ScriptedServices]:
    with ScriptedServices(Settings(port=0, save=False)) as made:
        yield made


@pytest.fixture(scope="module")
def server(services: ScriptedServices) -> Iterator[RunningServer]:
    with running_server(services) as running:
        yield running


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> Samples:
    return load_speech("utterances.flac")


def run(main: Callable[[], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


def texts(events: list[ServerMessage]) -> list[str]:
    return [event.text for event in events if isinstance(event, FinalMessage)]


@pytest.mark.long
def test_samples_go_in_and_events_come_out(server: RunningServer, speech: Samples) -> None:
    async def talk() -> list[ServerMessage]:
        async with Client(server.ws_url) as client, client.stream() as stream:
            assert stream.ready.model == "scripted"
            for start in range(0, len(speech), 1600):
                await stream.send(speech[start : start + 1600])
            await stream.stop()
            return [event async for event in stream]

    events = run(talk)

    assert isinstance(events[-1], EndMessage)
    assert any(isinstance(event, PartialMessage) for event in events)
    assert len(texts(events)) > 1


@pytest.mark.long
def test_the_same_audio_says_the_same_however_it_is_encoded(
    server: RunningServer, speech: Samples
) -> None:
    async def talk(audio: Samples | bytes, **options: object) -> list[str]:
        async with Client(server.url) as client, client.stream(**options) as stream:  # type: ignore[arg-type]
            await stream.send(audio)
            await stream.stop()
            return texts([event async for event in stream])

    pcm = np.rint(np.clip(speech, -1, 1) * 32_767).astype(np.int16)
    plain = run(lambda: talk(speech))

    assert plain != []
    assert run(lambda: talk(pcm)) == plain  # type: ignore[arg-type]
    assert run(lambda: talk(pcm.tobytes())) == plain
    assert run(lambda: talk(speech, encoding="pcm_f32le")) == plain
    stereo = np.stack([speech, speech], axis=1)
    assert run(lambda: talk(stereo, channels=2)) == plain


@pytest.mark.long
def test_options_reach_the_server(server: RunningServer, speech: Samples) -> None:
    async def talk() -> list[ServerMessage]:
        async with Client(server.url) as client:
            stream = client.stream(interim=False, words=False, endpointing_ms=100, language="en")
            async with stream:
                await stream.send(speech)
                await stream.stop()
                return [event async for event in stream]

    events = run(talk)

    assert not any(isinstance(event, PartialMessage) for event in events)
    assert [event.words for event in events if isinstance(event, FinalMessage)] != []
    assert all(event.words == () for event in events if isinstance(event, FinalMessage))


@pytest.mark.long
def test_flush_and_configure_work_while_the_stream_goes_on(
    server: RunningServer, speech: Samples
) -> None:
    async def talk() -> tuple[list[ServerMessage], list[ServerMessage]]:
        async with Client(server.url) as client, client.stream() as stream:
            await stream.send(speech[:32_000])
            await stream.flush("half")
            first: list[ServerMessage] = []
            async for event in stream:
                first.append(event)
                if isinstance(event, FlushedMessage):
                    break
            await stream.configure(HearingOptions(interim=False))
            await stream.keepalive()
            await stream.send(speech[32_000:])
            await stream.stop()
            return first, [event async for event in stream]

    first, rest = run(talk)

    assert texts(first) != []
    assert any(isinstance(event, PartialMessage) for event in first)
    assert texts(rest) != []
    assert not any(isinstance(event, PartialMessage) for event in rest)


@pytest.mark.long
def test_a_file_is_streamed_to_its_end(server: RunningServer, speech_dir: Path) -> None:
    async def talk() -> list[ServerMessage]:
        async with Client(server.url) as client:
            events = client.stream_file(speech_dir / "utterances.flac", realtime=False)
            return [event async for event in events]

    events = run(talk)

    assert isinstance(events[-1], EndMessage)
    assert len(texts(events)) > 1


def test_a_file_that_is_none_is_an_error_that_says_so(
    server: RunningServer, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a sound " * 100)

    async def talk(path: Path) -> None:
        async with Client(server.url) as client:
            async for _ in client.stream_file(path, realtime=False):
                pass

    with pytest.raises(AudioError):
        run(lambda: talk(text))
    with pytest.raises(GaplessError):
        run(lambda: talk(tmp_path / "missing.wav"))


def test_what_the_server_refuses_is_raised_as_the_error_that_it_was_there(
    server: RunningServer,
) -> None:
    async def talk() -> None:
        async with Client(server.url) as client, client.stream(model="nobody"):
            pass

    with pytest.raises(ModelNotFoundError) as refusal:
        run(talk)
    assert refusal.value.param == "model"


@pytest.mark.long
def test_a_refused_upgrade_is_raised_as_what_it_was() -> None:
    settings = Settings(port=0, save=False, api_key="secret", max_sessions=1)

    async def talk(url: str, key: str | None) -> None:
        async with Client(url, api_key=key) as client, client.stream(), client.stream():
            pass

    with ScriptedServices(settings) as services, running_server(services) as server:
        with pytest.raises(AccessError):
            run(lambda: talk(server.url, "wrong"))
        with pytest.raises(OverloadError) as overload:
            run(lambda: talk(server.url, "secret"))
    assert overload.value.retry_after_ms == 2000


def test_a_stream_that_breaks_off_says_why_and_loses_no_event(server: RunningServer) -> None:
    events: list[ServerMessage] = []

    async def read(client: Client) -> None:
        async with client.stream(encoding="auto") as stream:
            await stream.send(b"PK\3\4" + bytes(100_000))
            async for event in stream:
                events.append(event)  # noqa: PERF401 - what came before the error counts

    async def talk() -> None:
        async with Client(server.url) as client:
            await read(client)

    with pytest.raises(AudioError):
        run(talk)
    assert isinstance(events[-1], ErrorMessage)


def test_sending_to_a_stream_that_was_closed_raises_the_reason(server: RunningServer) -> None:
    async def talk() -> None:
        async with Client(server.url) as client, client.stream(encoding="pcm_f32le") as stream:
            while True:
                await stream.send(np.full(1600, np.nan, np.float32))

    with pytest.raises(InvalidAudioError):
        run(talk)


@pytest.mark.long
def test_a_server_that_goes_away_ends_the_stream() -> None:
    async def talk(server: RunningServer) -> list[ServerMessage]:
        async with Client(server.url) as client, client.stream() as stream:
            server.server.should_exit = True
            return [event async for event in stream]

    with (
        ScriptedServices(Settings(port=0, save=False)) as services,
        running_server(services) as server,
    ):
        (end,) = run(lambda: talk(server))

    assert isinstance(end, EndMessage)
    assert end.reason == "shutdown"


def test_a_server_that_is_not_there_is_said_not_to_be() -> None:
    async def talk() -> None:
        async with Client("ws://127.0.0.1:1") as client, client.stream():
            pass

    with pytest.raises(ConnectionLostError, match="is the server running"):
        run(talk)


def test_closing_the_client_closes_its_streams(server: RunningServer) -> None:
    async def talk() -> None:
        async with Client(server.url) as client:
            stream = client.stream()
            await stream.__aenter__()
        with pytest.raises(ConnectionLostError):
            await stream.send(bytes(3200))

    run(talk)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "ws://", "ws:///"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Client(url)
    assert refusal.value.param == "url"


def test_a_stream_that_is_not_open_says_how_to_open_it() -> None:
    stream = Client().stream()

    with pytest.raises(ProtocolError, match="async with"):
        _ = stream.ready


@pytest.mark.parametrize(
    ("samples", "encoding"),
    [
        (np.zeros(10, np.float64), "pcm_s16le"),
        (np.zeros((10, 2), np.float32), "pcm_s16le"),
        (np.zeros((10, 1, 1), np.float32), "pcm_s16le"),
        (np.zeros(10, np.float32), "mulaw"),
        (np.zeros(10, np.int16), "pcm_f32le"),
    ],
)
def test_samples_that_the_encoding_cannot_carry_are_refused(
    server: RunningServer, samples: Samples, encoding: str
) -> None:
    async def talk() -> None:
        async with Client(server.url) as client, client.stream(encoding=encoding) as stream:  # type: ignore[arg-type]
            await stream.send(samples)

    with pytest.raises(AudioError, match="use"):
        run(talk)


@pytest.mark.long
def test_a_frame_is_never_larger_than_the_server_takes() -> None:
    settings = Settings(port=0, save=False, max_frame_bytes=2048)

    async def talk(server: RunningServer) -> int:
        async with Client(server.url) as client, client.stream() as stream:
            await stream.send(np.zeros(16_000, np.float32))
            await stream.stop()
            events = [event async for event in stream]
            assert isinstance(events[-1], EndMessage)
            return events[-1].audio_ms

    with ScriptedServices(settings) as services, running_server(services) as server:
        assert run(lambda: talk(server)) == 1000
