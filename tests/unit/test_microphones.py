"""Virtual microphones beside a server: those that answer are told of, and one that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gapless.clean.mic.control import respond
from gapless.clean.mic.endpoint import Endpoint
from gapless.clean.mic.places import runtime_folder
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import MicReport
from gapless.clean.mic.running import RunningMic
from gapless.errors import ConnectionLostError
from gapless.serve.metrics import microphones
from gapless.serve.metrics.microphones import Microphones
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def looked(env: dict[str, str], times: int = 1) -> list[list[MicReport]]:
    async def look() -> list[list[MicReport]]:
        beside = Microphones(env)
        try:
            return [await beside.reports() for _ in range(times)]
        finally:
            beside.close()

    return asyncio.run(look())


def test_nobody_is_there(env: dict[str, str]) -> None:
    assert looked(env) == [[]]


@pytest.mark.long
def test_who_answers_is_told_of(env: dict[str, str]) -> None:
    sound = FakeSound(make_device("built_in", default=True))
    mic = RunningMic(MicPlan(name="Mic"), open_engine=FakeMicEngine, find_server=sound.find)
    mic.tick()
    with Endpoint("Mic", runtime_folder(env)) as endpoint:
        endpoint.answer(lambda line, token: respond(line, mic, token))
        (reports,) = looked(env)
    mic.close()

    assert [report.name for report in reports] == ["Mic"]
    assert reports[0].running


def test_who_hangs_is_left_out_and_asked_once(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def hang(*question: object) -> None:
        asked.append(str(question[-1]))
        time.sleep(0.2)
        raise ConnectionLostError("it does not answer; end it")

    monkeypatch.setattr(microphones, "PATIENCE_S", 0.01)
    monkeypatch.setattr(microphones, "ask", hang)
    with Endpoint("Mic", runtime_folder(env)):
        reports = looked(env, times=3)

    assert reports == [[], [], []]
    assert asked == ["Mic"]
