"""The microphone, on a sound library without devices."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from gapless.audio.device import microphone as microphone_module
from gapless.audio.device.microphone import (
    MAX_WAITING_MS,
    list_devices,
    load_library,
    open_microphone,
)
from gapless.errors import DeviceError, MissingDependencyError
from gapless.testing.sound_library import FakeSoundLibrary


def device(name: str, inputs: int, rate: float = 48_000.0) -> dict[str, Any]:
    return {"name": name, "max_input_channels": inputs, "default_samplerate": rate}


@pytest.fixture
def library() -> FakeSoundLibrary:
    return FakeSoundLibrary(
        [device("Speakers", 0), device("Webcam", 1), device("Desk mic", 4, 44_100.0)]
    )


def test_only_devices_that_can_be_listened_to_are_listed(library: FakeSoundLibrary) -> None:
    found = list_devices(library)

    assert [(info.name, info.rate_hz, info.channels, info.default) for info in found] == [
        ("Webcam", 48_000, 1, True),
        ("Desk mic", 44_100, 4, False),
    ]


def test_a_machine_without_microphones_lists_none() -> None:
    assert list_devices(FakeSoundLibrary([device("Speakers", 0)])) == []


def test_blocks_come_out_in_order_as_the_mean_of_the_channels(library: FakeSoundLibrary) -> None:
    with open_microphone("Desk", library=library) as microphone:
        stream = library.streams[0]
        assert stream.started
        for value in (0.25, 0.5):
            stream.hear(np.array([[value, value / 2]] * 3, np.float32))
        blocks = iter(microphone)
        first, second = next(blocks), next(blocks)

    assert first.dtype == np.float32
    assert first.tolist() == [0.1875] * 3
    assert second.tolist() == [0.375] * 3
    assert stream.closed
    assert list(blocks) == []


def test_the_device_is_opened_at_its_own_rate_with_blocks_of_the_asked_length(
    library: FakeSoundLibrary,
) -> None:
    with open_microphone("Desk mic", block_ms=10, library=library) as microphone:
        assert microphone.rate_hz == 44_100
    options = library.streams[0].options
    assert (options["samplerate"], options["blocksize"], options["channels"]) == (44_100, 441, 2)


def test_a_device_can_be_named_by_its_number(library: FakeSoundLibrary) -> None:
    with open_microphone("2", rate_hz=16_000, library=library) as microphone:
        assert microphone.rate_hz == 16_000
    assert library.streams[0].options["device"] == 2


def test_sound_that_nobody_takes_is_dropped_and_counted(library: FakeSoundLibrary) -> None:
    second = np.ones((48_000, 1), np.float32)
    with open_microphone(library=library) as microphone:
        for _ in range(MAX_WAITING_MS // 1000 + 2):
            library.streams[0].hear(second)
        assert microphone.lost_samples == 2 * 48_000
        next(iter(microphone))
        library.streams[0].hear(second)
        assert microphone.lost_samples == 2 * 48_000


def test_a_device_that_goes_away_is_an_error_after_what_it_said(library: FakeSoundLibrary) -> None:
    with open_microphone(library=library) as microphone:
        library.streams[0].hear(np.zeros((5, 1), np.float32))
        library.streams[0].unplug()
        blocks = iter(microphone)
        assert len(next(blocks)) == 5
        with pytest.raises(DeviceError, match=r"stopped.*plugged in"):
            next(blocks)


def test_a_device_that_gives_nothing_is_an_error(
    library: FakeSoundLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone_module, "STALL_S", 0.01)
    with (
        open_microphone(library=library) as microphone,
        pytest.raises(DeviceError, match="has given nothing"),
    ):
        next(iter(microphone))


def test_an_unknown_device_is_an_error_that_says_how_to_list_them(
    library: FakeSoundLibrary,
) -> None:
    with (
        pytest.raises(DeviceError, match="--list-devices"),
        open_microphone("Piano", library=library),
    ):
        pytest.fail("opened")


def test_a_device_that_cannot_be_started_is_closed_again() -> None:
    library = FakeSoundLibrary([device("Busy", 1)], fails_with="Device unavailable")
    with (
        pytest.raises(DeviceError, match="Device unavailable"),
        open_microphone(library=library),
    ):
        pytest.fail("opened")
    assert library.streams[0].closed


def test_a_missing_package_is_an_error_that_says_how_to_add_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gapless\[device\]'"):
        load_library()
