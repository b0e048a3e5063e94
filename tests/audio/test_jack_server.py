"""Streams on a real JACK server with its dummy driver."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gapless.audio.device.jack import Jack
from gapless.audio.device.jack_stream import JackStream
from gapless.audio.device.server import StreamOptions
from gapless.errors import DeviceError
from gapless.testing.native_blocks import SAMPLES, Gain, make_gain, make_pulses
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import JackServer

pytestmark = pytest.mark.audio

FRAMES = 256
Closing = Callable[[Any], Any]


@pytest.fixture
def gain() -> Gain:
    return make_gain(0.5)


@pytest.fixture
def stream(jackd: JackServer, gain: Gain, closing: Closing) -> JackStream:
    opened: JackStream = closing(Jack().open_stream(StreamOptions(client="Mic"), gain.block))
    return opened


def test_the_sound_card_is_the_default(jackd: JackServer) -> None:
    devices = Jack().devices()
    assert {(device.name, device.direction) for device in devices} == {
        ("system", "input"),
        ("system", "output"),
    }
    assert all(device.default and device.rate_hz == RATE_HZ for device in devices)
    assert {device.channels for device in devices} == {2}
    assert all(device.latency_ms is not None and device.latency_ms > 0 for device in devices)


def test_a_stream_joins_the_first_channel_in_and_two_out(
    jackd: JackServer, stream: JackStream
) -> None:
    assert (stream.input, stream.output) == ("system", "system")
    assert (stream.rate_hz, stream.block_frames) == (RATE_HZ, FRAMES)
    joined = (jackd.ask("jack_lsp", "-c") or "").replace("\n   ", " ").splitlines()
    assert "Mic:input system:capture_1" in joined
    assert "Mic:output system:playback_1 system:playback_2" in joined


def test_what_one_stream_plays_another_hears(jackd: JackServer, closing: Closing) -> None:
    server = Jack()
    ear = make_gain(0.5)
    pulses = make_pulses(every_samples=4 * FRAMES)
    closing(Jack().open_stream(StreamOptions(client="Player", output=""), pulses))
    closing(server.open_stream(StreamOptions(client="Ear", input="Player", output=""), ear.block))
    wait_until(lambda: ear.state[0]["loudest"] > 0, "a pulse")
    assert ear.state[0]["loudest"] == np.float32(0.5)


def test_others_are_joined_with_our_own_port(jackd: JackServer, closing: Closing) -> None:
    server = Jack()
    name = "Gapless: ein sehr langer Name für ein Mikrofon"
    virtual = closing(server.open_virtual("microphone", name))
    options = StreamOptions(client=name, output=virtual.ours)
    stream = closing(server.open_stream(options, make_gain().block))
    assert stream.output == ""
    assert virtual.name in (jackd.ask("jack_lsp") or "").splitlines()
    ours = virtual.name.removesuffix(":output")
    assert ours not in {device.name for device in server.devices()}
    assert ours in {device.name for device in Jack().devices()}
    assert jackd.ask("jack_connect", virtual.name, "system:playback_1") is not None
    assert virtual.alive()
    virtual.close()
    assert not virtual.alive()


def test_every_jack_block_goes_through_the_function(stream: JackStream, gain: Gain) -> None:
    wait_until(lambda: stream.counts().blocks > 50, "50 blocks")
    stream.close()
    assert gain.state[0]["counts"][SAMPLES] == FRAMES * stream.counts().blocks
    assert not stream.alive()


def test_a_busy_interpreter_loses_no_jack_block(
    stream: JackStream, busy_interpreter: Callable[[], Any]
) -> None:
    with busy_interpreter():
        began_s, before = time.monotonic(), stream.counts().blocks
        time.sleep(1.5)
        seconds, blocks = time.monotonic() - began_s, stream.counts().blocks - before
    # A callback in Python ran 29 to 37 times in a hundred here; the bounds are for busy machines.
    assert blocks == pytest.approx(seconds * RATE_HZ / FRAMES, rel=0.1)


def test_a_killed_jack_server_ends_the_stream_and_a_new_one_has_a_new_stream(
    jackd: JackServer, stream: JackStream, closing: Closing
) -> None:
    jackd.kill()
    wait_until(lambda: not stream.alive(), "the stream is dead")
    assert stream.input == ""
    assert not Jack.running()
    with pytest.raises(DeviceError, match="does not answer"):
        Jack().devices()
    stream.close()
    jackd.start()
    again = closing(Jack().open_stream(StreamOptions(client="Mic"), make_gain().block))
    wait_until(lambda: again.counts().blocks > 5, "blocks")
    assert again.alive()


def test_a_client_that_leaves_is_an_unplugged_input(jackd: JackServer, closing: Closing) -> None:
    server = Jack()
    player = closing(
        Jack().open_stream(StreamOptions(client="Player", output=""), make_gain().block)
    )
    stream = closing(
        server.open_stream(StreamOptions(client="Mic", input="Player"), make_gain().block)
    )
    assert stream.input == "Player"
    player.close()
    wait_until(lambda: stream.input == "", "the player has left")
    before = stream.counts().blocks
    wait_until(lambda: stream.counts().blocks > before + 5, "blocks go on")
    stream.use_input(None)
    assert stream.input == "system"


def test_a_jack_server_that_hangs_is_dead_and_can_be_left(
    jackd: JackServer, stream: JackStream
) -> None:
    with jackd.hanging():
        wait_until(lambda: not stream.alive(), "it hangs")
        stream.close()
    assert not stream.alive()
    wait_until(Jack.running, "it goes on")


def test_another_rate_than_jacks_is_refused(jackd: JackServer, gain: Gain) -> None:
    with pytest.raises(DeviceError, match="48000 Hz and cannot have 44100 Hz"):
        Jack().open_stream(StreamOptions(rate_hz=44_100), gain.block)
