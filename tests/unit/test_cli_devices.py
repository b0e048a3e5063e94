"""``gapless devices`` on a machine without sound."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from gapless.audio.device import find
from gapless.audio.device.server import Device
from gapless.cli.main import main
from gapless.testing.fake_sound_server import FakeSound, make_device

DESK = Device(
    name="usb-desk",
    description="Desk Mic",
    direction="input",
    channels=1,
    rate_hz=44_100,
    latency_ms=5.333,
    default=True,
)


def run(monkeypatch: pytest.MonkeyPatch, sound: FakeSound, *arguments: str) -> Result:
    monkeypatch.setattr(find, "find_server", sound.find)
    return CliRunner().invoke(main, ["devices", *arguments])


def test_inputs_and_outputs_are_listed_with_the_default_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = FakeSound(DESK, make_device("webcam"), make_device("hdmi", "output", default=True))

    result = run(monkeypatch, sound)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PipeWire",
        "",
        "inputs",
        "* usb-desk  Desk Mic  (1 channel, 44100 Hz, 5.3 ms)",
        "  webcam  Webcam  (1 channel, 48000 Hz)",
        "outputs",
        "* hdmi  Hdmi  (2 channels, 48000 Hz)",
    ]


def test_a_direction_without_devices_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, FakeSound(DESK))

    assert result.stdout.splitlines()[-2:] == ["outputs", "  none"]


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, FakeSound(DESK), "--json")

    assert json.loads(result.stdout) == {
        "server": "PipeWire",
        "devices": [
            {
                "name": "usb-desk",
                "description": "Desk Mic",
                "direction": "input",
                "channels": 1,
                "rate_hz": 44_100,
                "latency_ms": 5.333,
                "default": True,
            }
        ],
    }


def test_a_name_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, FakeSound(make_device("evil\x1b[2J\nmic", description="\x07")))

    assert "  evil[2Jmic    (1 channel, 48000 Hz)" in result.stdout.splitlines()


def test_a_server_without_devices_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, FakeSound())

    assert result.exit_code == 1
    assert "PipeWire runs, but has no device; plug one in" in result.stderr


def test_without_a_server_it_is_said_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = FakeSound(DESK)
    sound.kill()

    result = run(monkeypatch, sound)

    assert result.exit_code == 1
    assert "no sound server runs here; start one with" in result.stderr
