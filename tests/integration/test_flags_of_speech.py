"""The flag ``batching`` where speech is heard: each way in is on a side, live or recorded."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Awaitable, Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from websockets.asyncio.client import connect

from gapless.bench.speech import SOUNDS
from gapless.infer.inference import Inference
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Wake
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices
from gapless.testing.sound_programs import wait_until

with warnings.catch_warnings():
    # The library still imports what Python will drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient

Speak: TypeAlias = Callable[[RunningServer], Awaitable[None]]

SILENCE = bytes(3200)
RECORDING = (SOUNDS / "01.opus").read_bytes()
ANEW = {"cache-control": "no-cache"}
PATIENCE_S = 30.0


@pytest.fixture
def services(inference: Inference, tmp_path: Path) -> Iterator[ScriptedServices]:
    settings = Settings(port=0, grpc_port=-1, wyoming_port=0, save=False, data_dir=str(tmp_path))
    with ScriptedServices(settings, inference=inference) as made:
        yield made


@pytest.fixture
def asked(services: ScriptedServices, monkeypatch: pytest.MonkeyPatch) -> list[ListenOptions]:
    """How each listener was to listen, so far."""
    noted: list[ListenOptions] = []
    open_listener = services.open_listener

    def note(model: str | None, options: ListenOptions, wake: Wake | None = None) -> Listener:
        noted.append(options)
        return open_listener(model, options, wake)

    monkeypatch.setattr(services, "open_listener", note)
    return noted


@pytest.fixture
def server(services: ScriptedServices) -> Iterator[RunningServer]:
    with running_server(services) as running:
        yield running


async def native(server: RunningServer) -> None:
    async with connect(f"{server.ws_url}/v1/stream") as socket:
        await socket.send('{"type":"start"}')
        await socket.send(SILENCE)
        await socket.send('{"type":"stop"}')
        async for _ in socket:
            pass


async def wyoming(server: RunningServer) -> None:
    assert server.wyoming is not None
    host, _, port = server.wyoming.rpartition(":")
    async with AsyncTcpClient(host, int(port)) as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        await client.write_event(AudioChunk(16_000, 2, 1, SILENCE).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return


async def openai(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client:
        answer = await client.post(
            "/v1/audio/transcriptions",
            headers=ANEW,
            files={"file": RECORDING},
            data={"model": "whisper-1"},
        )
        assert answer.status_code == 200, answer.text


async def deepgram(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client:
        answer = await client.post("/v1/listen", headers=ANEW, content=RECORDING)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("speak", [native, wyoming, openai, deepgram])
def test_speech_of_a_session_that_is_not_batched_asks_models_alone(
    asked: list[ListenOptions], server: RunningServer, speak: Speak
) -> None:
    def say() -> None:
        asyncio.run(asyncio.wait_for(speak(server), PATIENCE_S))

    def calls() -> dict[str, float]:
        text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE_S).text
        found = re.findall(r'flag_calls_total\{flag="batching",side="(\w+)"\} (\S+)', text)
        return {side: float(number) for side, number in found}

    say()
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        for share in ("off", "on"):
            client.put("/v1/flags", json={"flags": {"batching": share}}).raise_for_status()
            say()

    # Some open a listener before they know what is wanted of it, and another then.
    sides = [alone for alone, _ in groupby(options.recognise.alone for options in asked)]
    assert sides == [False, True, False]
    # A call is counted when it is over, which its client knows a moment before.
    wait_until(lambda: calls() == {"on": 1.0, "off": 1.0}, "each side is counted once")
