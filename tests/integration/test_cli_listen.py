from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from gapless.audio.device import microphone
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.cli.captions import json_captions, line_captions, live_captions
from gapless.cli.main import main
from gapless.errors import ModelError
from gapless.listen.events import (
    Failed,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
)
from gapless.testing.sound_library import FakeSoundLibrary
from gapless.transcript import Utterance

HEADSET: dict[str, Any] = {
    "name": "Headset",
    "max_input_channels": 2,
    "default_samplerate": float(LISTEN_RATE_HZ),
}

STORY: list[ListenEvent] = [
    SpeechStart("u1", 300),
    Partial("u1", "hello wor", 5, 300, 900),
    SpeechEnd("u1", 1200),
    Final(Utterance("u1", "hello world", 61_300, 62_200)),
    Failed("u2", ModelError("the model broke; report it")),
    Flushed("f"),
]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeSoundLibrary:
    """A machine with one microphone."""
    library = FakeSoundLibrary([HEADSET])
    monkeypatch.setattr(microphone, "load_library", lambda: library)
    monkeypatch.setenv("GAPLESS_CONFIG", "")
    return library


@pytest.mark.long
def test_the_microphone_is_captioned_until_ctrl_c_and_the_last_words_too(
    library: FakeSoundLibrary, load_speech: Callable[[str], Samples]
) -> None:
    sound = load_speech("telephone.wav")
    ours = signal.getsignal(signal.SIGINT)
    listening = threading.Event()

    def speak() -> None:
        # The command listens once it has taken over Ctrl-C.
        while signal.getsignal(signal.SIGINT) is ours:
            if listening.wait(0.01):
                return
        stereo = np.stack([sound, sound], axis=1)
        for start in range(0, len(stereo), 320):
            library.streams[0].hear(stereo[start : start + 320])
        os.kill(os.getpid(), signal.SIGINT)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        result = CliRunner().invoke(main, ["listen", "--json"], catch_exceptions=False)
    finally:
        listening.set()
        speaker.join()

    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert events[0]["type"] == "speech_start"
    assert events[-1]["type"] == "final"
    assert events[-1]["text"].endswith("doing today")
    assert events[-1]["words"][-1]["text"] == "today"
    assert library.streams[0].closed
    assert signal.getsignal(signal.SIGINT) is ours


def test_microphones_are_listed(library: FakeSoundLibrary) -> None:
    library.devices.append({**HEADSET, "name": "Webcam", "max_input_channels": 1})

    result = CliRunner().invoke(main, ["listen", "--list-devices"])

    assert result.stdout == "* Headset  (2 channels, 16000 Hz)\n  Webcam  (1 channels, 16000 Hz)\n"


def test_a_machine_without_a_microphone_says_so(library: FakeSoundLibrary) -> None:
    library.devices.clear()

    result = CliRunner().invoke(main, ["listen", "--list-devices"])

    assert result.exit_code == 1
    assert "there is no microphone here" in result.stderr


def test_a_microphone_that_is_not_there_is_an_error(library: FakeSoundLibrary) -> None:
    result = CliRunner().invoke(main, ["listen", "--device", "gramophone"])

    assert result.exit_code == 1
    assert "gapless listen --list-devices" in result.stderr
    assert library.streams == []


def test_a_terminal_keeps_what_was_said_and_shows_what_is_being_said() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)

    with live_captions(console) as show:
        for event in STORY[:2]:
            show(event)
        assert "hello" in screen.getvalue()
        assert "00:01:01" not in screen.getvalue()
        for event in STORY[2:]:
            show(event)

    assert "00:01:01" in screen.getvalue()
    assert "hello world" in screen.getvalue()
    assert "the model broke; report it" in screen.getvalue()


def test_a_pipe_gets_finished_utterances_only(capsys: pytest.CaptureFixture[str]) -> None:
    with line_captions() as show:
        for event in STORY:
            show(event)

    captured = capsys.readouterr()
    assert captured.out == "00:01:01  hello world\n"
    assert captured.err == "the model broke; report it\n"


def test_a_program_gets_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    with json_captions() as show:
        for event in STORY:
            show(event)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == [
        "speech_start",
        "partial",
        "speech_end",
        "final",
        "failed",
        "flushed",
    ]
    assert lines[1]["stable_chars"] == 5
    assert lines[3]["text"] == "hello world"
    assert lines[4] == {
        "type": "failed",
        "utt": "u2",
        "code": "model_error",
        "message": "the model broke; report it",
    }
