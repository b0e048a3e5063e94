"""OpenAI's own client for Realtime, unmodified, against a real server: real decoding and listening, words made up."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import httpx
import numpy as np
import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import (
    RealtimeTranscriptionSessionAudioInputParam,
    RealtimeTranscriptionSessionCreateRequestParam,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gapless.audio.types import Samples
from gapless.settings import Settings
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

Answer = TypeVar("Answer")

KEY = "sesame"
PATIENCE_S = 20.0
TRANSCRIPTION = "conversation.item.input_audio_transcription"
WORDS = "one two three four five one two three"
"""What the scripted recogniser makes of the recording."""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = Settings(port=0, api_key=KEY)
    with (
        ScriptedServices(settings, ScriptedRecogniser()) as services,
        running_server(services) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def speech(load_speech: Any) -> Samples:
    """A sentence between silences, 16 kHz."""
    quiet = np.zeros(16_000, np.float32)
    return np.concatenate([quiet[:8000], load_speech("sentence.flac"), quiet, quiet])


def pcm(samples: Samples, rate_hz: int = 24_000) -> bytes:
    """16-bit samples; those at 8, 16 and 24 kHz are all that these tests need."""
    at = np.arange(0, len(samples), 16_000 / rate_hz)
    heard = np.interp(at, np.arange(len(samples)), samples)
    audio: bytes = (heard * 32_767).astype("<i2").tobytes()
    return audio


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    async def bounded() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await work

    return asyncio.run(bounded())


def openai_client(server: RunningServer, key: str = KEY) -> openai.AsyncOpenAI:
    """Close it on the event loop that used it."""
    return openai.AsyncOpenAI(
        base_url=f"{server.url}/v1",
        websocket_base_url=f"{server.ws_url}/v1",  # for the beta, which would insist on TLS
        api_key=key,
        max_retries=0,
    )


@asynccontextmanager
async def session(server: RunningServer) -> AsyncIterator[AsyncRealtimeConnection]:
    async with (
        openai_client(server) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        assert (await connection.recv()).type == "session.created"
        yield connection


async def append(
    connection: AsyncRealtimeConnection, audio: bytes, frame_bytes: int = 2400
) -> None:
    """As LiveKit does: 50 ms at a time."""
    for start in range(0, len(audio), frame_bytes):
        piece = base64.b64encode(audio[start : start + frame_bytes]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def until(connection: AsyncRealtimeConnection, kind: str, times: int = 1) -> list[Any]:
    """Events up to the ``times``-th of a kind."""
    events: list[Any] = []
    while sum(event.type == kind for event in events) < times:
        events.append(await connection.recv())
        assert events[-1].type != "error", events[-1]
    return events


def kinds(events: list[Any]) -> list[str]:
    """Types in order, each run of deltas once."""
    found = [event.type.removeprefix(f"{TRANSCRIPTION}.") for event in events]
    return [kind for i, kind in enumerate(found) if kind != "delta" or found[i - 1] != "delta"]


def deltas(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == f"{TRANSCRIPTION}.delta")


def update(**audio_input: Any) -> RealtimeTranscriptionSessionCreateRequestParam:
    heard = cast("RealtimeTranscriptionSessionAudioInputParam", audio_input)
    return {"type": "transcription", "audio": {"input": heard}}


@pytest.mark.long
def test_a_turn_that_the_voice_ends_has_its_events_in_order(
    server: RunningServer, speech: Samples
) -> None:
    async def talk() -> list[Any]:
        async with session(server) as connection:
            await connection.session.update(session=update(transcription={"model": "scripted"}))
            await append(connection, pcm(speech))
            return await until(connection, f"{TRANSCRIPTION}.completed")

    events = run(talk())

    assert kinds(events) == [
        "session.updated",
        "input_audio_buffer.speech_started",
        "delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "delta",
        "completed",
    ]
    completed = events[-1]
    assert deltas(events) == completed.transcript == WORDS
    assert completed.usage.type == "duration"
    assert [language.code for language in completed.languages] == ["en"]
    assert {event.item_id for event in events if hasattr(event, "item_id")} == {completed.item_id}
    started, stopped = (e for e in events if e.type.startswith("input_audio_buffer.speech_"))
    assert stopped.audio_end_ms - started.audio_start_ms == pytest.approx(
        completed.usage.seconds * 1000
    )
    assert len({event.event_id for event in events}) == len(events)


@pytest.mark.long
def test_a_turn_that_the_client_ends_is_committed_at_once_and_completed_when_it_is_heard(
    server: RunningServer, speech: Samples
) -> None:
    async def talk() -> list[Any]:
        async with session(server) as connection:
            await connection.session.update(session=update(turn_detection=None))
            await append(connection, pcm(speech))
            await connection.input_audio_buffer.commit()
            return await until(connection, f"{TRANSCRIPTION}.completed")

    events = run(talk())

    order = [kind for kind in kinds(events) if kind != "delta"]
    assert order == [
        "session.updated",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "completed",
    ]
    assert deltas(events) == events[-1].transcript == WORDS
    assert events[-1].usage.seconds == pytest.approx(len(speech) / 16_000, abs=0.002)


@pytest.mark.long
def test_two_items_are_told_apart_by_their_ids_and_follow_one_another(
    server: RunningServer, speech: Samples
) -> None:
    async def talk() -> list[Any]:
        async with session(server) as connection:
            await connection.session.update(session=update(turn_detection=None))
            for _ in range(2):
                await append(connection, pcm(speech), frame_bytes=96_000)
                await connection.input_audio_buffer.commit()
            return await until(connection, f"{TRANSCRIPTION}.completed", times=2)

    events = run(talk())

    first, second = (e for e in events if e.type == "input_audio_buffer.committed")
    assert (first.previous_item_id, second.previous_item_id) == (None, first.item_id)
    for item in (first, second):
        of_item = [event for event in events if getattr(event, "item_id", None) == item.item_id]
        assert deltas(of_item) == of_item[-1].transcript == WORDS


@pytest.mark.long
def test_a_connection_is_used_again_with_another_format_and_its_times_go_on(
    server: RunningServer, speech: Samples
) -> None:
    """As LiveKit's pool does, which sends the whole session again."""

    async def talk() -> list[list[Any]]:
        async with session(server) as connection:
            uses = []
            for rate_hz in (24_000, 16_000, 16_000):
                audio_format: Any = {"type": "audio/pcm", "rate": rate_hz}
                await connection.session.update(
                    session=update(format=audio_format, transcription={"model": "scripted"})
                )
                await append(connection, pcm(speech, rate_hz), frame_bytes=rate_hz // 10)
                uses.append(await until(connection, f"{TRANSCRIPTION}.completed"))
            return uses

    uses = run(talk())

    assert [use[-1].transcript for use in uses] == [WORDS] * 3
    assert [use[0].session.audio.input.format.rate for use in uses] == [24_000, 16_000, 16_000]
    starts = [use[1].audio_start_ms for use in uses]
    length_ms = len(speech) // 16
    # Within what the detector differs by, which begins anew only with another format.
    assert starts[1] - starts[0] == pytest.approx(length_ms, abs=40)
    assert starts[2] - starts[1] == pytest.approx(length_ms, abs=200)


@pytest.mark.long
def test_the_beta_has_its_own_shapes(server: RunningServer, speech: Samples) -> None:
    async def talk() -> list[Any]:
        async with (
            openai_client(server) as client,
            client.beta.realtime.connect(
                model="gpt-4o-realtime-preview", extra_query={"intent": "transcription"}
            ) as connection,
        ):
            created = await connection.recv()
            await connection.transcription_session.update(
                session={
                    "input_audio_format": "pcm16",
                    "input_audio_transcription": {"language": "en"},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                }
            )
            for start in range(0, len(audio := pcm(speech)), 2400):
                piece = base64.b64encode(audio[start : start + 2400]).decode()
                await connection.input_audio_buffer.append(audio=piece)
            events: list[Any] = [created]
            while events[-1].type != f"{TRANSCRIPTION}.completed":
                events.append(await connection.recv())
            return events

    events = run(talk())

    assert [kind for kind in kinds(events) if kind != "delta"] == [
        "transcription_session.created",
        "transcription_session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "completed",
    ]
    updated = events[1].session
    assert updated.input_audio_format == "pcm16"
    assert updated.turn_detection.silence_duration_ms == 400
    assert updated.input_audio_transcription.language == "en"
    assert events[-1].transcript == WORDS


@pytest.mark.long
def test_a_client_secret_opens_sessions_as_it_was_told_and_nothing_else(
    server: RunningServer,
) -> None:
    async def talk() -> Any:
        async with openai_client(server) as client:
            secret = await client.realtime.client_secrets.create(
                expires_after={"anchor": "created_at", "seconds": 60},
                session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
            )
        assert secret.value.startswith("ek_")
        assert secret.session.type == "transcription"
        async with openai_client(server, secret.value) as holder:
            with pytest.raises(openai.AuthenticationError):
                await holder.models.list()
            async with holder.realtime.connect() as connection:
                return await connection.recv()

    created = run(talk())

    assert created.type == "session.created"
    assert created.session.audio.input.turn_detection is None


@pytest.mark.long
def test_the_beta_gives_a_session_with_its_secret(server: RunningServer) -> None:
    async def ask() -> Any:
        async with openai_client(server) as client:
            return await client.beta.realtime.transcription_sessions.create(
                input_audio_format="g711_ulaw", turn_detection={"type": "server_vad"}
            )

    answer = run(ask())

    assert answer.client_secret.value.startswith("ek_")
    assert answer.input_audio_format == "g711_ulaw"
    assert answer.turn_detection.silence_duration_ms == 500


@pytest.mark.parametrize(
    "query",
    ["", "?intent=transcription", "?model=scripted", "?intent=transcription&model=scripted"],
)
def test_a_browser_shows_its_key_among_the_subprotocols(server: RunningServer, query: str) -> None:
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{KEY}")]

    async def talk() -> tuple[str | None, str]:
        async with connect(f"{server.ws_url}/v1/realtime{query}", subprotocols=offered) as socket:
            return socket.subprotocol, str(await socket.recv())

    subprotocol, created = run(talk())

    assert subprotocol == "realtime"
    assert '"type":"session.created"' in created


def test_who_has_no_good_key_is_refused_before_the_upgrade(server: RunningServer) -> None:
    async def talk(*offered: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"{server.ws_url}/v1/realtime", subprotocols=[Subprotocol(one) for one in offered]
            )
        return refused.value.response.status_code

    assert run(talk("realtime")) == 401
    assert run(talk("realtime", "openai-insecure-api-key.wrong")) == 401
    assert run(talk("realtime", "openai-insecure-api-key.ek_made_up")) == 401


@pytest.mark.long
def test_what_is_not_served_is_an_error_that_names_the_event_and_the_session_goes_on(
    server: RunningServer, speech: Samples
) -> None:
    async def talk() -> list[Any]:
        async with session(server) as connection:
            await connection.send({"type": "response.create", "event_id": "mine"})
            refusals = [await connection.recv()]
            await connection.input_audio_buffer.commit(event_id="empty")
            refusals.append(await connection.recv())
            await connection.session.update(
                event_id="wild", session=update(format={"type": "audio/pcm", "rate": 1})
            )
            refusals.append(await connection.recv())
            await append(connection, pcm(speech))
            return [*refusals, *await until(connection, f"{TRANSCRIPTION}.completed")]

    spoken, empty, wild, *events = run(talk())

    assert (spoken.error.event_id, spoken.error.param) == ("mine", "type")
    assert (empty.error.event_id, empty.error.code) == ("empty", "input_audio_buffer_commit_empty")
    assert (wild.error.event_id, wild.error.param) == ("wild", "session.audio.input.format.rate")
    assert events[-1].transcript == WORDS


def test_a_model_that_is_not_here_is_an_error_after_which_nobody_connects_again(
    server: RunningServer,
) -> None:
    async def talk() -> tuple[list[str], int | None]:
        url = f"{server.ws_url}/v1/realtime?model=no-such"
        async with connect(url, additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
            frames: list[str] = []
            with suppress(ConnectionClosed):
                async for frame in socket:
                    frames.append(str(frame))  # noqa: PERF401 - they are wanted although it ends badly
            return frames, socket.close_code

    frames, code = run(talk())

    assert '"code":"model_not_found"' in frames[-1]
    assert code == 1008


@pytest.mark.long
def test_secrets_that_make_no_sense_are_refused_in_openai_s_shape(server: RunningServer) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{server.url}/v1/realtime/client_secrets"
    for body, param in (
        ({"expires_after": {"seconds": 1}}, "expires_after.seconds"),
        ({"session": {"type": "realtime"}}, "session.type"),
        (
            {"session": {"audio": {"input": {"format": {"type": "mp3"}}}}},
            "session.audio.input.format.type",
        ),
        ([], None),
    ):
        answer = httpx.post(url, json=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.json()["error"]["param"] == param
