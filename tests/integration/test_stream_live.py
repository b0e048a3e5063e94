"""The native stream over real sockets: a real server, real decoding and listening, and words that are made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from gapless.audio.types import Samples
from gapless.client import Client
from gapless.listen.recogniser.contract import RecogniseOptions
from gapless.serve.stream import heartbeat
from gapless.serve.stream.messages import (
    EndMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    PartialMessage,
    ReadyMessage,
    ServerMessage,
    WarningMessage,
    decode_server,
)
from gapless.settings import Settings
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

Answer = TypeVar("Answer")
LoadSpeech = Callable[[str], Samples]
Build = Callable[..., AbstractContextManager["House"]]

PATIENCE_S = 20.0


class House:
    """A server with all that it is made of."""

    def __init__(
        self, server: RunningServer, recogniser: ScriptedRecogniser, store: SqliteStore
    ) -> None:
        self.server = server
        self.recogniser = recogniser
        self.store = store

    @property
    def stream_url(self) -> str:
        return f"{self.server.ws_url}/v1/stream"

    @property
    def open_streams(self) -> int:
        streams = self.server.streams
        return streams.connected + streams.parked


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Makes a server with these settings."""

    @contextmanager
    def make(recogniser: ScriptedRecogniser | None = None, **settings: Any) -> Iterator[House]:
        recogniser = recogniser or ScriptedRecogniser()
        path = tmp_path_factory.mktemp("store") / "transcripts.db"
        with (
            closing(SqliteStore(path)) as store,
            ScriptedServices(Settings(port=0, **settings), recogniser, store) as services,
            running_server(services) as server,
        ):
            yield House(server, recogniser, store)

    return make


@pytest.fixture(scope="module")
def house(build: Build) -> Iterator[House]:
    with build() as made:
        yield made


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> bytes:
    samples = load_speech("utterances.flac")
    return (samples * 32_767).astype("<i2").tobytes()


def run(main: Callable[[], Awaitable[Answer]]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await main()

    return asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes without a message."""
    while not condition():  # noqa: ASYNC110 - it lives in the server's thread
        await asyncio.sleep(0.005)


async def read_all(socket: ClientConnection) -> tuple[list[ServerMessage], int]:
    """Everything that the server says, and the code with which it closes."""
    messages = []
    while True:
        try:
            messages.append(decode_server(await socket.recv()))
        except ConnectionClosed as closed:
            return messages, closed.rcvd.code if closed.rcvd else 1006


async def read_until(socket: ClientConnection, kind: type[Answer]) -> Answer:
    while True:
        message = decode_server(await socket.recv())
        if isinstance(message, kind):
            return message


async def send_audio(socket: ClientConnection, audio: bytes, frame: int = 3200) -> None:
    for start in range(0, len(audio), frame):
        await socket.send(audio[start : start + frame])


def said(messages: list[ServerMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, FinalMessage)]


@pytest.fixture(scope="module")
def expected(house: House, speech: bytes) -> list[FinalMessage]:
    """What a client that does everything right is answered."""

    async def talk() -> list[ServerMessage]:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech)
            await socket.send('{"type":"stop"}')
            messages, _ = await read_all(socket)
            return messages

    return [message for message in run(talk) if isinstance(message, FinalMessage)]


def without_numbers(messages: list[FinalMessage]) -> list[FinalMessage]:
    return [msgspec.structs.replace(message, seq=0, session="") for message in messages]


# --- the story ------------------------------------------------------------------------------------


@pytest.mark.long
def test_speech_is_answered_with_partials_and_finals_and_kept(house: House, speech: bytes) -> None:
    async def talk() -> tuple[list[ServerMessage], int]:
        async with connect(house.stream_url, subprotocols=[Subprotocol("voice.v1")]) as socket:
            assert socket.subprotocol == "voice.v1"
            await send_audio(socket, speech)
            await socket.send('{"type":"stop"}')
            return await read_all(socket)

    messages, code = run(talk)

    assert isinstance(messages[0], ReadyMessage)
    assert any(isinstance(message, PartialMessage) for message in messages)
    end = messages[-1]
    assert isinstance(end, EndMessage)
    assert (end.reason, code) == ("stop", 1000)
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    assert end.transcript_id == messages[0].session
    kept = house.store.get(messages[0].session)
    assert [utterance.text for utterance in kept.utterances] == said(messages) != []
    assert kept.session.audio_ms == end.audio_ms == len(speech) // 32


def test_a_final_is_in_the_store_when_it_is_sent(house: House, speech: bytes) -> None:
    async def talk() -> None:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech)
            final = await read_until(socket, FinalMessage)
            kept = await asyncio.to_thread(house.store.get, final.session)
            assert final.utt in [utterance.utt for utterance in kept.utterances]

    run(talk)


@pytest.mark.long
def test_flush_answers_what_came_before_it_and_the_stream_goes_on(
    house: House, speech: bytes
) -> None:
    async def talk() -> None:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech[:64_000])
            await socket.send('{"type":"flush","id":"one"}')
            final = await read_until(socket, FinalMessage)
            flushed = await read_until(socket, FlushedMessage)
            assert (final.utt, flushed.id) == ("u1", "one")
            await send_audio(socket, speech[64_000:])
            assert (await read_until(socket, FinalMessage)).utt == "u2"

    run(talk)


def test_silence_says_nothing_and_leaves_nothing_behind(house: House) -> None:
    async def talk() -> list[ServerMessage]:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, bytes(64_000))
            await socket.send('{"type":"stop"}')
            return (await read_all(socket))[0]

    messages = run(talk)

    end = messages[-1]
    assert isinstance(end, EndMessage)
    assert (said(messages), end.transcript_id, end.audio_ms) == ([], None, 2000)


@pytest.mark.long
def test_a_stream_that_is_not_to_be_kept_is_not(house: House, speech: bytes) -> None:
    async def talk() -> list[ServerMessage]:
        async with connect(f"{house.stream_url}?save=false") as socket:
            await send_audio(socket, speech)
            await socket.send('{"type":"stop"}')
            return (await read_all(socket))[0]

    messages = run(talk)

    end = messages[-1]
    assert isinstance(end, EndMessage)
    assert said(messages) != []
    assert end.transcript_id is None


@pytest.mark.long
def test_a_file_of_any_kind_can_be_streamed_as_it_is(
    house: House, speech_dir: Path, expected: list[FinalMessage]
) -> None:
    async def talk() -> list[ServerMessage]:
        async with connect(f"{house.stream_url}?encoding=auto") as socket:
            await send_audio(socket, (speech_dir / "utterances.flac").read_bytes(), 1000)
            await socket.send('{"type":"stop"}')
            return (await read_all(socket))[0]

    assert len(said(run(talk))) == len(expected)


def test_what_is_no_sound_is_refused_with_1003(house: House) -> None:
    async def talk() -> tuple[list[ServerMessage], int]:
        async with connect(f"{house.stream_url}?encoding=auto") as socket:
            await socket.send(b"PK\3\4" + bytes(100_000))
            await socket.send('{"type":"stop"}')
            return await read_all(socket)

    messages, code = run(talk)

    assert isinstance(messages[-1], ErrorMessage)
    assert messages[-1].code in ("invalid_audio", "unsupported_audio")
    assert code == 1003


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "error", "param"),
    [
        ("model=nobody", "model_not_found", "model"),
        ("volume=11", "invalid_request", "volume"),
        ("sample_rate=1", "invalid_request", "sample_rate"),
    ],
)
def test_a_stream_that_cannot_be_had_is_refused_in_words(
    house: House, query: str, error: str, param: str
) -> None:
    async def talk() -> tuple[list[ServerMessage], int]:
        async with connect(f"{house.stream_url}?{query}") as socket:
            return await read_all(socket)

    (message,), code = run(talk)

    assert isinstance(message, ErrorMessage)
    assert (message.code, message.param, code) == (error, param, 1008)


@pytest.mark.parametrize("size", [1_048_577, 2_097_153, 3_000_000])
def test_a_frame_over_the_limit_closes_with_1009(house: House, size: int) -> None:
    async def talk() -> int:
        async with connect(house.stream_url) as socket:
            with suppress(ConnectionClosed):  # as far as it comes
                await socket.send(bytes(size))
            return (await read_all(socket))[1]

    assert run(talk) == 1009


@pytest.mark.long
def test_one_stream_too_many_is_refused_before_the_upgrade(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(house: House) -> None:
        async with connect(house.stream_url):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(house.stream_url)
            response = refusal.value.response
            assert response.status_code == 503
            assert response.headers["retry-after"] == "2"
            assert response.headers["retry-after-ms"] == "2000"
            assert msgspec.json.decode(response.body or b"")["error"]["code"] == "overloaded"
        await until(lambda: house.open_streams == 0)
        async with connect(house.stream_url):
            pass

    with build(max_sessions=1) as house:
        run(lambda: talk(house))
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.long
def test_keys_tickets_and_origins_are_looked_at_before_the_upgrade(
    build: Build,
) -> None:
    async def status(url: str, **options: Any) -> int:
        try:
            async with connect(url, **options):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    async def talk(house: House) -> list[int]:
        key = {"Authorization": "Bearer secret"}
        async with httpx.AsyncClient(base_url=house.server.url) as http:
            assert (await http.post("/v1/tickets")).status_code == 401
            ticket = (await http.post("/v1/tickets", headers=key)).json()["token"]
        url = house.stream_url
        return [
            await status(url),
            await status(url, additional_headers={"X-API-Key": "wrong"}),
            await status(url, additional_headers={"X-API-Key": "secret"}),
            await status(url, additional_headers=key),
            await status(f"{url}?token={ticket}"),
            await status(f"{url}?token={ticket}"),
            await status(url, additional_headers=key, origin=Origin("https://evil.example")),
            await status(url, additional_headers=key, origin=Origin(house.server.url)),
            await status(f"{house.server.ws_url}/v1/nothing", additional_headers=key),
        ]

    with build(api_key="secret") as house:
        assert run(lambda: talk(house)) == [401, 401, 101, 101, 101, 401, 403, 101, 404]


# --- connections that end otherwise ---------------------------------------------------------------


@pytest.mark.long
def test_who_leaves_without_stop_is_still_heard_to_the_end_and_kept(
    house: House, speech: bytes, expected: list[FinalMessage]
) -> None:
    async def talk() -> str:
        async with connect(house.stream_url) as socket:
            ready = await read_until(socket, ReadyMessage)
            await send_audio(socket, speech)
        await until(lambda: house.open_streams == 0)
        return ready.session

    session = run(talk)

    kept = house.store.get(session)
    assert [u.text for u in kept.utterances] == [message.text for message in expected]
    assert kept.session.ended_at_ms is not None


@pytest.mark.long
def test_a_lost_connection_can_be_resumed_without_a_gap(
    house: House, speech: bytes, expected: list[FinalMessage]
) -> None:
    async def talk() -> list[ServerMessage]:
        messages: list[ServerMessage] = []
        async with connect(house.stream_url) as lost:
            ready = await read_until(lost, ReadyMessage)
            await send_audio(lost, speech[:200_000])
            while not any(isinstance(message, FinalMessage) for message in messages):
                messages.append(decode_server(await lost.recv()))
            lost.transport.abort()
        last_seq = messages[-2].seq  # as if the last message had been lost on its way
        messages.pop()
        async with connect(house.stream_url) as socket:
            wish = {
                "type": "resume",
                "session": ready.session,
                "token": ready.resume_token,
                "next_sample": 50_000,
                "last_seq": last_seq,
            }
            await socket.send(msgspec.json.encode(wish).decode())
            while not isinstance(messages[-1], ReadyMessage):
                message = decode_server(await socket.recv())
                if message.session == ready.session:
                    messages.append(message)
            await send_audio(socket, speech[100_000:])
            await socket.send('{"type":"stop"}')
            rest, code = await read_all(socket)
            assert code == 1000
            return messages + rest

    messages = run(talk)

    finals = [message for message in messages if isinstance(message, FinalMessage)]
    assert without_numbers(finals) == without_numbers(expected)
    seqs = [message.seq for message in messages]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert not any(isinstance(message, WarningMessage) for message in messages)


def test_resuming_takes_the_stream_from_a_connection_that_still_seems_alive(
    house: House, speech: bytes
) -> None:
    async def talk() -> tuple[int, int]:
        async with connect(house.stream_url) as old, connect(house.stream_url) as new:
            ready = await read_until(old, ReadyMessage)
            await send_audio(old, speech[:64_000])
            await read_until(old, PartialMessage)
            wish = {
                "type": "resume",
                "session": ready.session,
                "token": ready.resume_token,
                "next_sample": 32_000,
            }
            await new.send(msgspec.json.encode(wish).decode())
            _, old_code = await read_all(old)
            await new.send('{"type":"stop"}')
            return old_code, (await read_all(new))[1]

    assert run(talk) == (1008, 1000)


def test_what_cannot_be_resumed_is_refused(house: House, speech: bytes) -> None:
    async def talk() -> None:
        async with connect(house.stream_url) as owner:
            ready = await read_until(owner, ReadyMessage)
            await send_audio(owner, speech[:6400])
            for session, token in ((ready.session, "guess"), ("nobody", ready.resume_token)):
                async with connect(house.stream_url) as socket:
                    wish = {"type": "resume", "session": session, "token": token, "next_sample": 0}
                    await socket.send(msgspec.json.encode(wish).decode())
                    messages, code = await read_all(socket)
                    assert isinstance(messages[-1], ErrorMessage)
                    assert (messages[-1].code, code) == ("not_found", 1008)
            await owner.send('{"type":"stop"}')
            assert (await read_all(owner))[1] == 1000

    run(talk)


@pytest.mark.long
def test_no_more_streams_are_parked_than_may_be_open(build: Build, speech: bytes) -> None:
    async def talk(house: House) -> None:
        for _ in range(3):
            async with connect(house.stream_url) as socket:
                await socket.send(speech[:6400])
                await read_until(socket, ReadyMessage)
                await socket.send('{"type":"flush"}')
                await read_until(socket, FlushedMessage)
                socket.transport.abort()
            await until(lambda: house.server.streams.connected == 0)
            assert house.server.streams.parked == 1

    with build(max_sessions=1) as house:
        run(lambda: talk(house))


# --- load -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_sender_that_is_too_fast_is_held_back_and_not_cut_off(
    build: Build, speech: bytes, expected: list[FinalMessage]
) -> None:
    """The recogniser is taken for longer than the server waits for pings to be answered."""
    recogniser = ScriptedRecogniser(places=1)
    audio = speech + bytes(64_000 * 60)  # two minutes of silence, which is more than sockets hold

    async def talk(house: House) -> list[ServerMessage]:
        taken = recogniser.open(RecogniseOptions(), lambda: None).result()
        async with connect(house.stream_url, ping_interval=None) as socket:
            sender = asyncio.create_task(send_audio(socket, audio, 64_000))
            reader = asyncio.create_task(read_all(socket))
            await until(lambda: house.server.streams.held_back == 1)
            held_back_at = time.monotonic()
            await until(lambda: time.monotonic() - held_back_at > 0.6)
            assert not reader.done()
            taken.cancel()
            await sender
            await socket.send('{"type":"stop"}')
            messages, code = await reader
            assert code == 1000
            return messages

    with build(
        recogniser,
        ping_interval_ms=100,
        ping_timeout_ms=200,
        pause_buffer_ms=2000,
        max_buffer_ms=10_000,
    ) as house:
        finals = [
            message for message in run(lambda: talk(house)) if isinstance(message, FinalMessage)
        ]

    assert without_numbers(finals) == without_numbers(expected)


@pytest.mark.long
def test_a_client_that_does_not_read_is_cut_off(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood(socket: ClientConnection) -> None:
        while True:
            await socket.send("{" * 100)  # each is answered by an error

    async def talk(house: House) -> None:
        async with connect(house.stream_url, max_queue=1, close_timeout=0.1) as socket:
            with pytest.raises(ConnectionClosed):
                await flood(socket)
            await until(lambda: house.open_streams == 0)

    monkeypatch.setattr(heartbeat, "FAREWELL_S", 0.1)
    with build(max_outgoing=16) as house:
        run(lambda: talk(house))


@pytest.mark.long
def test_many_streams_at_a_time_are_each_answered_as_if_they_were_alone(
    house: House, speech: bytes, expected: list[FinalMessage]
) -> None:
    async def talk(frame: int) -> list[FinalMessage]:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech, frame)
            await socket.send('{"type":"stop"}')
            messages, _ = await read_all(socket)
            return [message for message in messages if isinstance(message, FinalMessage)]

    async def together() -> list[list[FinalMessage]]:
        return await asyncio.gather(*(talk(997 * n) for n in range(1, 9)))

    for finals in run(together):
        assert without_numbers(finals) == without_numbers(expected)


# --- leaks and endings ----------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("abort", [True, False])
def test_wherever_a_client_goes_away_nothing_is_left_behind(
    build: Build, speech: bytes, abort: bool
) -> None:
    async def leave_after(house: House, amount: int, wait_for: type[Any] | None) -> None:
        async with connect(house.stream_url, close_timeout=1) as socket:
            await send_audio(socket, speech[:amount])
            if wait_for is not None:
                await read_until(socket, wait_for)
            if abort:
                socket.transport.abort()

    async def talk(house: House) -> None:
        await leave_after(house, 0, None)
        await leave_after(house, 0, ReadyMessage)
        await leave_after(house, 3200, None)
        await leave_after(house, 64_000, PartialMessage)
        await leave_after(house, len(speech), FinalMessage)
        await until(lambda: house.open_streams == 0)
        await until(lambda: house.recogniser.stats().busy == 0)

    with build(resume_ms=1) as house:
        run(lambda: talk(house))


@pytest.mark.long
def test_a_server_that_stops_lets_streams_finish_what_they_heard(
    build: Build, speech: bytes, expected: list[FinalMessage]
) -> None:
    async def talk(house: House) -> tuple[list[ServerMessage], int]:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech)
            await socket.send('{"type":"flush"}')
            messages: list[ServerMessage] = []
            while not (messages and isinstance(messages[-1], FlushedMessage)):
                messages.append(decode_server(await socket.recv()))
            house.server.server.should_exit = True
            rest, code = await read_all(socket)
            return messages + rest, code

    with build() as house:
        messages, code = run(lambda: talk(house))

    end = messages[-1]
    assert isinstance(end, EndMessage)
    assert (end.reason, code) == ("shutdown", 1012)
    assert said(messages) == [message.text for message in expected]


@pytest.mark.long
def test_a_server_that_stops_does_not_wait_for_ever(build: Build, speech: bytes) -> None:
    recogniser = ScriptedRecogniser(places=1)
    taken = recogniser.open(RecogniseOptions(), lambda: None).result()

    async def talk(house: House) -> int:
        async with connect(house.stream_url) as socket:
            await send_audio(socket, speech)
            house.server.server.should_exit = True
            return (await read_all(socket))[1]

    with build(recogniser, drain_ms=100) as house:
        assert run(lambda: talk(house)) == 1012
    assert recogniser.stats().waiting == 0
    taken.cancel()


@pytest.mark.long
def test_an_idle_stream_is_ended(build: Build) -> None:
    async def talk(house: House) -> tuple[list[ServerMessage], int]:
        async with connect(house.stream_url) as socket:
            return await read_all(socket)

    with build(idle_timeout_ms=100) as house:
        messages, code = run(lambda: talk(house))

    _, error, end = messages
    assert isinstance(error, ErrorMessage)
    assert isinstance(end, EndMessage)
    assert (error.code, end.reason, code) == ("idle_timeout", "idle_timeout", 1000)


def test_the_python_client_speaks_the_same_protocol(house: House, speech: bytes) -> None:
    async def talk() -> int:
        async with Client(house.server.url) as client, client.stream() as stream:
            await stream.send(np.frombuffer(speech, "<i2"))
            await stream.stop()
            return sum([isinstance(event, FinalMessage) async for event in stream])

    assert run(talk) > 0
