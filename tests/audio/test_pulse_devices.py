"""Devices and virtual devices on a real PulseAudio, and on PipeWire through its PulseAudio door."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gapless.audio.device.pulse import PulseAudio
from gapless.audio.device.server import Device
from gapless.errors import DeviceError
from gapless.testing.pulse_microphone import PulseMicrophone
from gapless.testing.sound_programs import RATE_HZ
from gapless.testing.sound_servers import PipeWireServer, PulseAudioServer

pytestmark = pytest.mark.audio

Closing = Callable[[Any], Any]


@pytest.fixture
def desk(pulseaudio: PulseAudioServer) -> PulseMicrophone:
    return PulseMicrophone(pulseaudio, "desk", "Desk Microphone")


def inputs() -> list[Device]:
    return [device for device in PulseAudio().devices() if device.direction == "input"]


def test_microphones_and_outputs_are_listed_and_monitors_are_not(desk: PulseMicrophone) -> None:
    assert [(d.name, d.description, d.channels, d.rate_hz, d.default) for d in inputs()] == [
        ("desk", "Desk Microphone", 1, RATE_HZ, True)
    ]
    outputs = {d.name: d for d in PulseAudio().devices() if d.direction == "output"}
    assert set(outputs) == {"speakers", "desk_feed"}
    assert outputs["speakers"].default
    assert outputs["speakers"].channels == 2
    assert outputs["desk_feed"].latency_ms == pytest.approx(50, abs=1), "without rewinds"


def test_a_machine_without_a_microphone_lists_none(pulseaudio: PulseAudioServer) -> None:
    assert inputs() == []


def test_whether_it_runs_is_known(pulseaudio: PulseAudioServer) -> None:
    assert PulseAudio.running()
    pulseaudio.kill()
    assert not PulseAudio.running()
    with pytest.raises(DeviceError, match="pactl info"):
        PulseAudio().devices()


@pytest.mark.parametrize(
    ("kind", "ours"), [("microphone", "gapless_my_mic_feed"), ("speaker", "gapless_my_mic.monitor")]
)
def test_a_virtual_device_is_there_for_others_while_it_is_open(
    pulseaudio: PulseAudioServer, desk: PulseMicrophone, closing: Closing, kind: Any, ours: str
) -> None:
    before = PulseAudio().devices()
    virtual = closing(PulseAudio().open_virtual(kind, "My \"Mic' \\"))
    assert (virtual.name, virtual.ours) == ("gapless_my_mic", ours)
    assert virtual.alive()
    there = pulseaudio.sources() if kind == "microphone" else pulseaudio.sinks()
    assert virtual.name in there
    assert ours in {*pulseaudio.sources(), *pulseaudio.sinks()}
    assert 'device.description = "My Mic "' in (pulseaudio.ask("pactl", "list") or "")
    assert {d.name for d in PulseAudio().devices()} == {d.name for d in before}, "ours are left out"

    virtual.close()
    assert not virtual.alive()
    assert not any("gapless" in name for name in (*pulseaudio.sources(), *pulseaudio.sinks()))
    virtual.close()


def test_a_second_device_of_that_name_is_refused_and_leaves_nothing(
    pulseaudio: PulseAudioServer, closing: Closing
) -> None:
    closing(PulseAudio().open_virtual("microphone", "Mic"))
    sinks = pulseaudio.sinks()
    with pytest.raises(DeviceError, match="already; choose another name"):
        PulseAudio().open_virtual("microphone", "mic")
    assert pulseaudio.sinks() == sinks


CHILD = """
import time
from gapless.audio.device.pulse import PulseAudio
device = PulseAudio().open_virtual("microphone", "Orphan")
print("open", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("where", ["pulseaudio", "pipewire"])
def test_what_a_crash_left_behind_is_removed_and_what_lives_is_not(
    request: pytest.FixtureRequest, closing: Closing, where: str
) -> None:
    server: PulseAudioServer | PipeWireServer = request.getfixturevalue(where)
    living = closing(PulseAudio().open_virtual("microphone", "Living"))
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert "gapless_orphan" in server.sources()

    again = closing(PulseAudio().open_virtual("microphone", "Orphan"))
    assert again.alive()
    assert living.alive()
    assert sorted(name for name in server.sinks() if "gapless" in name) == [
        "gapless_living_feed",
        "gapless_orphan_feed",
    ]
