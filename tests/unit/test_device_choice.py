"""Which device is meant by a name, a part of one, or nothing."""

from __future__ import annotations

import pytest

from gapless.audio.device.choice import choose_device
from gapless.audio.device.server import Device, Direction
from gapless.errors import DeviceError


def device(name: str, description: str, direction: Direction, *, default: bool = False) -> Device:
    return Device(
        name=name,
        description=description,
        direction=direction,
        channels=1,
        rate_hz=48_000,
        latency_ms=None,
        default=default,
    )


DEVICES = [
    device("alsa.usb-1", "Blue Yeti", "input"),
    device("alsa.usb-2", "Webcam", "input", default=True),
    device("alsa.usb-2.out", "Webcam", "output"),
    device("alsa.usb", "Blue Headset", "input"),
]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        pytest.param(None, "alsa.usb-2", id="default"),
        pytest.param("alsa.usb", "alsa.usb", id="name-wins-over-part"),
        pytest.param("Webcam", "alsa.usb-2", id="description-of-that-direction"),
        pytest.param("yeti", "alsa.usb-1", id="part-in-any-case"),
        pytest.param("usb-1", "alsa.usb-1", id="part-of-name"),
    ],
)
def test_a_device_is_found_by(wanted: str | None, name: str) -> None:
    assert choose_device(DEVICES, "input", wanted).name == name


def test_without_a_default_the_first_is_taken() -> None:
    assert choose_device(DEVICES, "output", None).name == "alsa.usb-2.out"


def test_nothing_is_guessed_between_two() -> None:
    with pytest.raises(DeviceError, match=r"fits 2 devices \(alsa.usb-1, alsa.usb\); say more"):
        choose_device(DEVICES, "input", "blue")


def test_what_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(DeviceError, match=r"'Yeti' \(there is: alsa.usb-2.out\).*gapless devices"):
        choose_device(DEVICES, "output", "Yeti")


def test_where_nothing_is_something_is_to_be_plugged_in() -> None:
    with pytest.raises(DeviceError, match="no input device; plug one in"):
        choose_device([], "input", None)
