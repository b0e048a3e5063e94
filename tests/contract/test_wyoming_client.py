"""Wyoming's own client, unmodified, against a real server; only the words are made up."""

from __future__ import annotations

import asyncio
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.errors import ConfigError
from gapless.infer.inference import Inference
from gapless.settings import Settings
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

with warnings.catch_warnings():
    # The library still imports what Python will drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong

LoadSpeech = Callable[[str], Samples]

SCRIPT = " ".join(f"word{i}" for i in range(100))
PATIENCE_S = 20.0

CHUNK_BYTES = 2048


@pytest.fixture(scope="module")
def services(inference: Inference) -> Iterator[ScriptedServices]:
    settings = Settings(port=0, wyoming_port=0, save=False)
    with ScriptedServices(settings, ScriptedRecogniser(SCRIPT), inference=inference) as made:
        yield made


@pytest.fixture(scope="module")
def server(services: ScriptedServices) -> Iterator[RunningServer]:
    with running_server(services) as running:
        yield running


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    """Three seconds of speech."""
    return pcm(load_speech("sentence.flac")[:48_000])


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


@asynccontextmanager
async def connected(server: RunningServer) -> AsyncIterator[AsyncTcpClient]:
    assert server.wyoming is not None
    host, _, port = server.wyoming.rpartition(":")
    async with asyncio.timeout(PATIENCE_S), AsyncTcpClient(host, int(port)) as client:
        yield client


def run(work: Awaitable[None]) -> None:
    async def wait() -> None:
        await work

    asyncio.run(wait())


async def say(
    client: AsyncTcpClient,
    speech: bytes,
    form: tuple[int, int, int] = (16_000, 2, 1),
    *,
    stop: bool = True,
) -> None:
    """One utterance, as Home Assistant sends it; ``form`` is rate, width and channels."""
    await client.write_event(AudioStart(*form).event())
    for start in range(0, len(speech), CHUNK_BYTES):
        chunk = AudioChunk(*form, speech[start : start + CHUNK_BYTES])
        await client.write_event(chunk.event())
    if stop:
        await client.write_event(AudioStop().event())


async def read(client: AsyncTcpClient) -> Event:
    event = await client.read_event()
    assert event is not None, "the server has closed"
    return event


async def read_answer(client: AsyncTcpClient) -> list[Event]:
    """Everything up to the end of an answer."""
    events = [await read(client)]
    while not TranscriptStop.is_type(events[-1].type):
        events.append(await read(client))
    return events


def transcript_of(events: list[Event]) -> str:
    (found,) = [event for event in events if Transcript.is_type(event.type)]
    return Transcript.from_event(found).text


def errors_of(events: list[Event]) -> list[str | None]:
    return [Error.from_event(event).code for event in events if Error.is_type(event.type)]


def test_home_assistant_learns_what_there_is(server: RunningServer) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await client.write_event(Describe().event())
            (program,) = Info.from_event(await read(client)).asr
            assert [(model.name, model.languages) for model in program.models] == [
                ("scripted", ["en"])
            ]
            await client.write_event(Ping("hello").event())
            assert Pong.from_event(await read(client)).text == "hello"

    run(ask())


def test_home_assistant_gets_one_transcript_a_connection(
    server: RunningServer, speech: bytes
) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await client.write_event(Transcribe(language="en").event())
            await say(client, speech)
            while not Transcript.is_type((event := await read(client)).type):
                pass
            assert Transcript.from_event(event).text.startswith("word0 word1 word2 ")
            assert Transcript.from_event(event).language == "en"

    run(ask())


def test_what_was_streamed_is_the_transcript(server: RunningServer, speech: bytes) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await say(client, speech)
            start, *chunks, transcript, stop = await read_answer(client)
        assert TranscriptStart.is_type(start.type)
        assert len(chunks) > 3
        text = "".join(TranscriptChunk.from_event(chunk).text for chunk in chunks)
        assert text == Transcript.from_event(transcript).text
        assert TranscriptStop.is_type(stop.type)

    run(ask())


@pytest.mark.long
def test_a_connection_may_bring_utterances_of_any_format(
    server: RunningServer, load_speech: LoadSpeech, speech: bytes
) -> None:
    async def ask() -> None:
        samples = load_speech("sentence.flac")[:48_000]
        stereo = pcm(np.repeat(samples, 3 * 2))  # three times the rate, both channels alike
        wide = (np.frombuffer(speech, "<i2").astype("<i4") << 16).tobytes()
        async with connected(server) as client:
            texts = []
            for audio, form in (
                (speech, (16_000, 2, 1)),
                (wide, (16_000, 4, 1)),
                (stereo, (48_000, 2, 2)),
                (bytes(32_000), (16_000, 2, 1)),
                (b"", (16_000, 2, 1)),
                (speech, (16_000, 2, 1)),
            ):
                await say(client, audio, form)
                answer = await read_answer(client)
                assert errors_of(answer) == []
                texts.append(transcript_of(answer))
        assert texts[0]
        assert texts == [texts[0]] * 3 + ["", "", texts[0]]

    run(ask())


@pytest.mark.long
def test_all_that_was_said_between_start_and_stop_is_one_transcript(
    server: RunningServer, load_speech: LoadSpeech
) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await say(client, pcm(load_speech("utterances.flac")))
            words = transcript_of(await read_answer(client)).split()
        assert words.count("word0") == 4, "each of the four utterances begins the script anew"
        assert len(words) > 15

    run(ask())


def test_noise_is_no_speech(server: RunningServer, load_speech: LoadSpeech) -> None:
    """The scripted recogniser makes words of any sound that reaches it."""

    async def ask() -> None:
        async with connected(server) as client:
            for name in ("white.flac", "tones.flac"):
                await say(client, pcm(load_speech(name)))
                assert transcript_of(await read_answer(client)) == ""

    run(ask())


def test_chunks_without_a_start_and_a_stop_without_anything_are_answered(
    server: RunningServer, speech: bytes
) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await client.write_event(AudioStop().event())
            assert transcript_of(await read_answer(client)) == ""
            await client.write_event(AudioChunk(16_000, 2, 1, speech).event())
            await client.write_event(AudioStop().event())
            assert transcript_of(await read_answer(client)).startswith("word0 ")

    run(ask())


@pytest.mark.parametrize(
    ("wish", "form", "code"),
    [
        (Transcribe(language="tlh").event(), (16_000, 2, 1), "invalid_request"),
        (Transcribe(name="latin").event(), (16_000, 2, 1), "model_not_found"),
        (Transcribe().event(), (96_000, 2, 1), "invalid_request"),
        (Transcribe().event(), (16_000, 1, 1), "invalid_request"),
        (Event("transcribe", {"language": 7}), (16_000, 2, 1), "invalid_request"),
    ],
    ids=["language", "model", "rate", "width", "wish"],
)
def test_what_cannot_be_heard_is_an_error_with_a_transcript_and_the_connection_stays(
    wish: Event, form: tuple[int, int, int], code: str, server: RunningServer, speech: bytes
) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await client.write_event(wish)
            await say(client, speech, form)
            answer = await read_answer(client)
            assert errors_of(answer) == [code]
            assert transcript_of(answer) == ""
            await say(client, speech)  # the wish was for one utterance
            answer = await read_answer(client)
            assert errors_of(answer) == []
            assert transcript_of(answer)

    run(ask())


@pytest.mark.long
def test_without_room_there_is_an_error_and_a_transcript_and_describe_still_works(
    inference: Inference, speech: bytes
) -> None:
    settings = Settings(port=0, wyoming_port=0, save=False, max_sessions=1)

    async def ask(server: RunningServer) -> None:
        async with connected(server) as one, connected(server) as two:
            await say(one, speech, stop=False)
            assert TranscriptStart.is_type((await read(one)).type)
            await say(two, speech)
            answer = await read_answer(two)
            assert errors_of(answer) == ["overloaded"]
            assert transcript_of(answer) == ""
            await two.write_event(Describe().event())
            assert Info.is_type((await read(two)).type)
            await one.write_event(AudioStop().event())
            assert transcript_of(await read_answer(one))

    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as server,
    ):
        run(ask(server))


def test_a_chunk_of_another_format_ends_the_connection_with_an_answer(
    server: RunningServer, speech: bytes
) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await say(client, speech, stop=False)
            await client.write_event(AudioChunk(8000, 2, 1, speech).event())
            events = [event async for event in rest_of(client)]
        assert errors_of(events) == ["invalid_request"]
        transcript_of(events)

    run(ask())


async def rest_of(client: AsyncTcpClient) -> AsyncIterator[Event]:
    while (event := await client.read_event()) is not None:
        yield event


def test_bytes_that_are_no_event_are_answered_and_end_the_connection(server: RunningServer) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            assert client._writer is not None
            client._writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            (event,) = [event async for event in rest_of(client)]
        assert Error.from_event(event).code == "invalid_request"

    run(ask())


def test_events_that_nobody_knows_are_passed_over(server: RunningServer, speech: bytes) -> None:
    async def ask() -> None:
        async with connected(server) as client:
            await client.write_event(Event("select-program", {"name": "gapless"}))
            await say(client, speech[:32_000], stop=False)
            await client.write_event(Event("timer-finished", {"id": "x"}, b"payload"))
            await client.write_event(Ping().event())
            await client.write_event(AudioStop().event())
            answer = await read_answer(client)
        assert any(Pong.is_type(event.type) for event in answer)
        assert transcript_of(answer)

    run(ask())


@pytest.mark.long
def test_a_client_that_vanishes_leaves_nothing_behind(inference: Inference, speech: bytes) -> None:
    settings = Settings(port=0, wyoming_port=0, save=False)

    async def ask(server: RunningServer) -> None:
        async with connected(server) as client:
            await say(client, speech, stop=False)
            assert TranscriptStart.is_type((await read(client)).type)
            assert server.streams.connected == 1
        async with asyncio.timeout(PATIENCE_S):
            while server.streams.connected:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0)

    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as server,
    ):
        run(ask(server))


@pytest.mark.long
def test_who_says_nothing_is_let_go(inference: Inference, speech: bytes) -> None:
    settings = Settings(port=0, wyoming_port=0, save=False, idle_timeout_ms=100)

    async def ask(server: RunningServer) -> None:
        async with connected(server) as client:
            assert await client.read_event() is None
        async with connected(server) as client:
            await say(client, speech, stop=False)
            events = [event async for event in rest_of(client)]
        assert errors_of(events) == ["idle_timeout"]
        assert transcript_of(events)

    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as server,
    ):
        run(ask(server))


@pytest.mark.long
def test_a_server_that_stops_answers_what_it_has_heard(inference: Inference, speech: bytes) -> None:
    settings = Settings(port=0, wyoming_port=0, save=False)

    async def ask(server: RunningServer) -> None:
        async with connected(server) as idle, connected(server) as client:
            await idle.write_event(Describe().event())
            assert Info.is_type((await read(idle)).type)
            await say(client, speech, stop=False)
            assert TranscriptStart.is_type((await read(client)).type)
            server.server.should_exit = True
            events = [event async for event in rest_of(client)]
            assert await idle.read_event() is None
        assert errors_of(events) == []
        assert transcript_of(events).startswith("one two ")

    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as server,
    ):
        run(ask(server))


def test_a_port_that_is_taken_stops_the_start(services: ScriptedServices) -> None:
    from gapless.serve.flags.flags import Flags
    from gapless.serve.stream.registry import Streams
    from gapless.serve.wyoming.edge import WyomingEdge

    async def start(port: int) -> None:
        edge = WyomingEdge(services, Streams(services), Flags(services.settings))
        with pytest.raises(ConfigError, match="--wyoming-port") as refusal:
            await edge.start("127.0.0.1", port)
        assert refusal.value.param == "wyoming_port"

    with socket.create_server(("127.0.0.1", 0)) as taken:
        run(start(taken.getsockname()[1]))


@pytest.mark.long
def test_without_the_setting_nothing_listens(inference: Inference) -> None:
    with (
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as server,
    ):
        assert server.wyoming is None
