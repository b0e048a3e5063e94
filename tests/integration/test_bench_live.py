"""The client of the live benches against a real server whose words are made up, and the contenders without a server."""

from __future__ import annotations

import asyncio
import os
import wave
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ
from gapless.bench.child import figures_of
from gapless.bench.live_client import Report, Task, speak_all
from gapless.bench.live_server import live_server, talk
from gapless.bench.speech import CATALOGUE
from gapless.bench.voice import voice_cases
from gapless.errors import DeadlineError
from gapless.settings import Settings
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

pytestmark = pytest.mark.long

SPEECH = Path(__file__).parents[1] / "data" / "speech"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    recording = np.concatenate(list(read_audio(SPEECH / "utterances.flac", LISTEN_RATE_HZ)))
    utterance = recording[LISTEN_RATE_HZ // 2 : LISTEN_RATE_HZ * 7 // 4]
    with wave.open(str(folder / "one.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(LISTEN_RATE_HZ)
        file.writeframes((utterance * 32_767).astype("<i2").tobytes())
    (folder / CATALOGUE).write_bytes(msgspec.json.encode([{"file": "one.wav", "text": "words"}]))
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with (
        ScriptedServices(Settings(port=0, max_sessions=3)) as services,
        running_server(services) as running,
    ):
        yield running


def say(server: RunningServer, speech: Path, *, streams: int, paced: bool) -> Report:
    task = Task(
        url=f"{server.ws_url}/v1/stream",
        model="scripted",
        streams=tuple(range(streams)),
        seconds=0.1,
        server_pid=os.getpid(),
        paced=paced,
        speech=str(speech),
    )
    return asyncio.run(speak_all(task))


def test_streams_say_the_same_words_alone_and_together(server: RunningServer, speech: Path) -> None:
    alone = say(server, speech, streams=2, paced=False)
    together = say(server, speech, streams=2, paced=True)

    assert [stream.error for stream in together.streams] == ["", ""]
    assert all(stream.texts for stream in alone.streams)
    assert [stream.texts for stream in together.streams] == [
        stream.texts for stream in alone.streams
    ]
    # In real time: the words cannot come before they were said.
    longest_s = together.audio_s / 2
    assert together.elapsed_ns >= longest_s * 0.9e9
    assert alone.elapsed_ns < together.elapsed_ns
    for stream in together.streams:
        assert stream.partial_lags_us
        assert stream.final_lags_us
        assert min(stream.partial_lags_us) >= 0
    assert len(together.late_us) == pytest.approx(together.audio_s / 0.04, abs=2)
    assert together.client.cpu_s > 0


def test_a_stream_that_is_refused_says_why(server: RunningServer, speech: Path) -> None:
    report = say(server, speech, streams=4, paced=False)

    errors = [stream.error for stream in report.streams if stream.error]
    assert len(errors) == 1
    assert "503" in errors[0]


def test_a_server_of_its_own_is_spoken_to_by_a_client_of_its_own_and_leaves_nothing(
    speech: Path,
) -> None:
    with live_server({"model": "pocketsphinx"}) as address:
        task = Task(
            url=address.url,
            model="pocketsphinx",
            streams=(0,),
            seconds=0.1,
            server_pid=address.pid,
            paced=False,
            speech=str(speech),
        )
        (stream,) = talk(task, limit_s=5).streams
    assert stream.error == ""
    assert stream.texts == ("how are you doing today",)
    with pytest.raises(ProcessLookupError):
        os.kill(address.pid, 0)


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(DeadlineError, match=r"'no-such' of the settings is not here.*gapless serve"),
        live_server({"model": "no-such"}),
    ):
        pass


def test_the_contenders_of_features_work_and_ours_computes_what_the_baseline_does() -> None:
    with voice_cases() as cases:
        case = cases["features"]()
    for contender in case.contenders:
        with contender.make(**contender.options) as work:
            assert figures_of(work(0.01))["realtime_share"] > 0


def test_only_so_many_streams_are_one_trial_of_so_many() -> None:
    with voice_cases(streams=7) as cases:
        contenders = cases["most-streams"]().contenders
    assert [one.options["count"] for one in contenders] == [7, 7]
    assert [one.options["max_batch"] for one in contenders] == [1, 0]
