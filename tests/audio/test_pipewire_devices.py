"""What a real PipeWire says of its devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gapless.audio.device.pipewire import PipeWire
from gapless.audio.device.server import StreamOptions
from gapless.testing.native_blocks import make_gain
from gapless.testing.sound_programs import RATE_HZ
from gapless.testing.sound_servers import PipeWireServer

pytestmark = pytest.mark.audio


def test_devices_are_listed_with_their_directions_and_defaults(pipewire: PipeWireServer) -> None:
    for name in ("first-mic", "second-mic"):
        pipewire.microphone(name, f"The {name}")
    speakers = pipewire.speakers("speakers")
    pipewire.set_default("source", "second-mic")
    pipewire.set_default("sink", speakers)
    devices = {device.name: device for device in PipeWire().devices()}
    inputs = {name for name, device in devices.items() if device.direction == "input"}
    assert inputs == {"first-mic", "second-mic"}, "no monitors"
    assert devices["first-mic"].description == "The first-mic"
    assert {name for name, device in devices.items() if device.default} == {"second-mic", speakers}
    assert {device.rate_hz for device in devices.values()} == {RATE_HZ}
    assert devices["first-mic"].channels == 1


def test_our_own_virtual_devices_are_neither_listed_nor_the_default(
    pipewire: PipeWireServer, closing: Callable[[Any], Any]
) -> None:
    pipewire.microphone("desk-mic")
    server = PipeWire()
    virtual = closing(server.open_virtual("microphone", "Gapless Microphone"))
    pipewire.set_default("source", virtual.name)
    assert {device.name for device in server.devices()} == {"desk-mic", "desk-mic.feed"}
    default = closing(server.open_stream(StreamOptions(output=virtual.ours), make_gain().block))
    assert default.input == "desk-mic", "who hears himself howls"


def test_our_side_of_a_virtual_microphone_is_not_offered_as_a_loudspeaker(
    pipewire: PipeWireServer, closing: Callable[[Any], Any]
) -> None:
    pipewire.microphone("desk-mic")
    before = pipewire.sinks()
    virtual = closing(PipeWire().open_virtual("microphone", "Gapless Microphone"))
    assert virtual.name in pipewire.sources()
    assert pipewire.sinks() == before
