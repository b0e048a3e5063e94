"""Which of the real servers is found."""

from __future__ import annotations

import pytest

from gapless.audio.device.find import find_server
from gapless.errors import ConfigError, DeviceError
from gapless.testing.sound_servers import JackServer, PipeWireServer, PulseAudioServer

pytestmark = pytest.mark.audio


def test_pipewire_is_found_before_its_pulseaudio_door(pipewire: PipeWireServer) -> None:
    assert find_server().name == "PipeWire"
    assert find_server("pulseaudio").name == "PulseAudio"


def test_pulseaudio_is_found(pulseaudio: PulseAudioServer) -> None:
    assert find_server().name == "PulseAudio"


def test_jack_is_found(jackd: JackServer) -> None:
    assert find_server().name == "JACK"


def test_one_that_does_not_run_is_missed(pulseaudio: PulseAudioServer) -> None:
    with pytest.raises(DeviceError, match=r"looked for: PipeWire\).*start"):
        find_server("PipeWire")


def test_one_that_there_is_not_is_told_from_one_that_does_not_run() -> None:
    with pytest.raises(ConfigError, match="'coreaudio'; take one of pipewire, pulseaudio, jack"):
        find_server("coreaudio")
