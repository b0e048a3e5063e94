"""The same words through every dialect, each spoken by its real client: one session core is behind them all."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import warnings
import wave
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import numpy as np
import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import connect

import gapless.testing
from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.client import Client
from gapless.engine import Engine
from gapless.infer.inference import Inference
from gapless.serve.stream.messages import FinalMessage
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

pytestmark = pytest.mark.long

with warnings.catch_warnings():
    # The clients still import what their libraries will drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import DeepgramClient
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.listen.v1.client import V1Client
    from deepgram.listen.v1.types import ListenV1Results
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient

Speak: TypeAlias = Callable[[RunningServer, bytes], Awaitable[str]]

COMMANDS = Path(gapless.testing.__file__).with_name("sounds") / "commands-en"
WORDS = "one two three four five"
PIECE_BYTES = 3200
PATIENCE_S = 60.0


def pieces(speech: bytes) -> Iterator[bytes]:
    return (speech[start : start + PIECE_BYTES] for start in range(0, len(speech), PIECE_BYTES))


async def native(server: RunningServer, speech: bytes) -> str:
    async with Client(server.ws_url) as client, client.stream() as stream:
        for piece in pieces(speech):
            await stream.send(piece)
        await stream.stop()
        return " ".join([said.text async for said in stream if isinstance(said, FinalMessage)])


async def openai_http(server: RunningServer, speech: bytes) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(speech)
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        answer = await client.audio.transcriptions.create(
            file=("speech.wav", file.getvalue()), model="whisper-1"
        )
    return answer.text


async def openai_realtime(server: RunningServer, speech: bytes) -> str:
    async with (
        openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        heard: Any = {"format": {"type": "audio/pcm", "rate": 16_000}, "turn_detection": None}
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": heard}}
        )
        for piece in pieces(speech):
            await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await connection.input_audio_buffer.commit()
        return await completed(connection)


async def completed(connection: AsyncRealtimeConnection) -> str:
    async for event in connection:
        assert event.type != "error", event
        if event.type == "conversation.item.input_audio_transcription.completed":
            return event.transcript
    raise AssertionError("the server closed without a transcript")


async def wyoming(server: RunningServer, speech: bytes) -> str:
    assert server.wyoming is not None
    host, _, port = server.wyoming.rpartition(":")
    async with AsyncTcpClient(host, int(port)) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(16_000, 2, 1).event())
        for piece in pieces(speech):
            await client.write_event(AudioChunk(16_000, 2, 1, piece).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    raise AssertionError("the server closed without a transcript")


async def deepgram(server: RunningServer, speech: bytes) -> str:
    return await asyncio.to_thread(_deepgram, server, speech)


def _deepgram(server: RunningServer, speech: bytes) -> str:
    places = DeepgramClientEnvironment(
        base=server.url, production=server.ws_url, agent=server.ws_url, agent_rest=server.url
    )
    with httpx.Client() as http:
        client: V1Client = DeepgramClient(
            api_key="none", environment=places, httpx_client=http
        ).listen.v1
        with client.connect(model="nova-3", encoding="linear16", sample_rate=16_000) as socket:
            for piece in pieces(speech):
                socket.send_media(piece)
            socket.send_close_stream()
            results = [each for each in socket if isinstance(each, ListenV1Results)]
    return " ".join(result.channel.alternatives[0].transcript for result in results)


async def asr_v2(server: RunningServer, speech: bytes) -> str:
    async with connect(f"{server.ws_url}/v2/decode/stream/default") as socket:
        for piece in pieces(speech):
            await socket.send(piece)
        await socket.send(b"\x00")
        answers = [json.loads(message) async for message in socket]
    assert answers[-1]["status"] == "COMPLETE"
    text: str = answers[-1]["transcription"]
    return text


DIALECTS: dict[str, Speak] = {
    "native": native,
    "openai-http": openai_http,
    "openai-realtime": openai_realtime,
    "wyoming": wyoming,
    "deepgram": deepgram,
    "asr-v2": asr_v2,
}


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> bytes:
    """``WORDS``, with silence around them."""
    return pcm(load_speech("utterances.flac")[8 * 16_000 : 165_000])


async def bounded(work: Awaitable[list[str]]) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        return await work


@pytest.fixture(scope="module")
def command() -> tuple[str, bytes]:
    """A command of several words, with silence around it."""
    entries = json.loads((COMMANDS / "sounds.json").read_bytes())
    entry = next(entry for entry in entries if len(entry["text"].split()) > 3)
    sound = np.concatenate(list(read_audio(COMMANDS / entry["file"], LISTEN_RATE_HZ)))
    return entry["text"], pcm(np.pad(sound, LISTEN_RATE_HZ // 2))


@pytest.mark.parametrize("model", ["commands-en", "pocketsphinx"])
def test_the_same_words_are_the_same_text_in_every_dialect(
    model: str, speech: bytes, command: tuple[str, bytes], tmp_path: Path
) -> None:
    words, said = command if model == "commands-en" else (WORDS, speech)
    settings = Settings(
        port=0, wyoming_port=0, data_dir=str(tmp_path), save=False, decoders=1, model=model
    )
    with Engine(settings) as engine:
        engine.start()
        with running_server(engine) as server:

            async def speak() -> list[str]:
                return [*await asyncio.gather(*(each(server, said) for each in DIALECTS.values()))]

            heard = dict(zip(DIALECTS, asyncio.run(bounded(speak())), strict=True))

    assert heard == dict.fromkeys(DIALECTS, words)


def test_a_client_that_vanishes_within_a_word_leaves_the_text_of_the_others_as_it_was(
    speech: bytes, inference: Inference
) -> None:
    settings = Settings(port=0, wyoming_port=0, save=False)
    with (
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as server,
    ):

        async def alone() -> list[str]:
            return [await speak(server, speech) for speak in DIALECTS.values()]

        async def among_others() -> list[str]:
            speaking = [
                asyncio.create_task(_text(speak(server, speech))) for speak in DIALECTS.values()
            ]
            await asyncio.gather(*(vanish(server, speech[:16_000]) for _ in range(4)))
            return [*await asyncio.gather(*speaking)]

        expected = asyncio.run(bounded(alone()))
        assert asyncio.run(bounded(among_others())) == expected
        assert all(expected)


async def _text(speaking: Awaitable[str]) -> str:
    return await speaking


async def vanish(server: RunningServer, speech: bytes) -> None:
    """Speak in a stream of one dialect and an utterance of another, and cut both connections."""
    assert server.wyoming is not None
    host, _, port = server.wyoming.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    async with connect(f"{server.ws_url}/v1/listen?encoding=linear16&sample_rate=16000") as socket:
        await socket.send(speech)
        header = {"type": "audio-chunk", "payload_length": len(speech)}
        header["data"] = {"rate": 16_000, "width": 2, "channels": 1}
        writer.write(json.dumps(header).encode() + b"\n" + speech)
        await writer.drain()
        socket.transport.abort()
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
