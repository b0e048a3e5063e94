"""``commands-en`` as it ships, on the speech that ships for tests: alone, all of it at a time, and over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest
from websockets.asyncio.client import connect

import gapless.testing
from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.bench.live_server import live_server
from gapless.engine import Engine
from gapless.listen.recogniser.contract import Recogniser, Result
from gapless.serve.stream.messages import FinalMessage, decode_server
from gapless.settings import Settings
from gapless.testing.recogniser_contract import Utterance, recognise

SOUNDS = Path(gapless.testing.__file__).with_name("sounds") / "commands-en"
CHUNK_SAMPLES = LISTEN_RATE_HZ * 40 // 1000
STREAMS = 64


class Sound(msgspec.Struct):
    """An entry of ``sounds.json``."""

    file: str
    text: str

    @property
    def samples(self) -> Samples:
        return np.concatenate(list(read_audio(SOUNDS / self.file, LISTEN_RATE_HZ)))


@pytest.fixture(scope="module")
def sounds() -> list[Sound]:
    return msgspec.json.decode((SOUNDS / "sounds.json").read_bytes(), type=list[Sound])


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recogniser]:
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=str(folder), model="commands-en", save=False, max_sessions=128)
    with Engine(settings) as engine:
        yield engine.recogniser("commands-en")


@pytest.mark.long
def test_all_sounds_at_a_time_are_understood(recogniser: Recogniser, sounds: list[Sound]) -> None:
    """Words where there are some; nothing for unknown words, noise, music and babble."""
    audio = [sound.samples for sound in sounds]
    utterances = [Utterance(recogniser) for _ in sounds]
    for start in range(0, max(map(len, audio)), 777):
        for utterance, samples in zip(utterances, audio, strict=True):
            utterance.recognition.accept(samples[start : start + 777])

    texts = [utterance.finish().text for utterance in utterances]
    assert texts == [sound.text for sound in sounds]


@pytest.mark.long
@pytest.mark.parametrize("block", [160, 1001, 16_000])
def test_streamed_is_whole(block: int, recogniser: Recogniser, sounds: list[Sound]) -> None:
    said = [sound for sound in sounds if sound.text][:3]
    for sound in said:
        samples = sound.samples
        whole = recognise(recogniser, samples, block=len(samples)).result
        streamed = recognise(recogniser, samples, block=block).result
        assert spoken(streamed) == spoken(whole)


def spoken(result: Result) -> tuple[str, list[tuple[str, int, int]]]:
    return result.text, [(word.text, word.start_ms, word.end_ms) for word in result.words]


@pytest.mark.long
def test_sixty_four_people_speak_at_a_time_and_some_hang_up_within_a_word(
    sounds: list[Sound],
) -> None:
    said = [sound for sound in sounds if sound.text][:STREAMS]
    assert len(said) == STREAMS

    async def speak(url: str, samples: Samples, vanish_after: int | None = None) -> str:
        pcm = (np.pad(samples, (0, LISTEN_RATE_HZ // 2)) * 32_767).astype("<i2")
        clock = asyncio.get_running_loop().time
        async with connect(f"{url}?model=commands-en") as socket:
            began = clock()
            for number, start in enumerate(range(0, len(pcm), CHUNK_SAMPLES)):
                if number == vanish_after:
                    socket.transport.abort()
                    return ""
                await socket.send(pcm[start : start + CHUNK_SAMPLES].tobytes())
                await asyncio.sleep(began + (number + 1) * 0.04 - clock())
            await socket.send('{"type":"stop"}')
            messages = [decode_server(message) async for message in socket]
        return " ".join(each.text for each in messages if isinstance(each, FinalMessage))

    async def speak_all(url: str) -> list[str]:
        async with asyncio.timeout(90):
            speaking = [speak(url, sound.samples) for sound in said]
            vanishing = [speak(url, said[n].samples, vanish_after=20 + n) for n in range(6)]
            return [*await asyncio.gather(*speaking, *vanishing)][:STREAMS]

    with ExitStack() as stack:
        server = stack.enter_context(live_server({"model": "commands-en"}))
        texts = asyncio.run(speak_all(server.url))

    assert texts == [sound.text for sound in said]
