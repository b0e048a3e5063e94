"""Streams and virtual devices on a real PipeWire: what other processes hear of them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gapless.audio.device.jack_stream import JackStream
from gapless.audio.device.loopback import Loopback
from gapless.audio.device.pipewire import PipeWire
from gapless.audio.device.server import StreamOptions
from gapless.audio.types import Samples
from gapless.errors import DeviceError
from gapless.testing.native_blocks import SAMPLES, Gain, make_gain
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import FakeMicrophone, PipeWireServer

pytestmark = pytest.mark.audio

Closing = Callable[[Any], Any]


def loudest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * RATE_HZ / samples.size)


@pytest.fixture
def microphone(pipewire: PipeWireServer) -> FakeMicrophone:
    return pipewire.microphone("desk-mic", "Desk Microphone")


@pytest.fixture
def virtual(microphone: FakeMicrophone, closing: Closing) -> Loopback:
    device: Loopback = closing(PipeWire().open_virtual("microphone", "Gapless Microphone"))
    return device


@pytest.fixture
def gain() -> Gain:
    return make_gain(0.5)


@pytest.fixture
def stream(virtual: Loopback, gain: Gain, closing: Closing) -> JackStream:
    options = StreamOptions(input="desk-mic", output=virtual.ours, block_frames=256)
    opened: JackStream = closing(PipeWire().open_stream(options, gain.block))
    return opened


def test_another_process_hears_in_the_virtual_microphone_what_is_played_into_the_real_one(
    pipewire: PipeWireServer,
    microphone: FakeMicrophone,
    virtual: Loopback,
    stream: JackStream,
    tone: Samples,
) -> None:
    with pipewire.recording(virtual.name) as recording:
        pipewire.play(microphone.sink, tone).wait()
        heard = recording.samples()
    loud = heard[np.abs(heard) > 0.01]
    assert loud.size > 0.8 * tone.size
    assert np.abs(heard).max() == pytest.approx(0.25, rel=0.01), "half of what was played"
    assert loudest_hz(heard) == pytest.approx(440, abs=3)


def test_a_stream_says_what_it_joins_and_how_it_fares(
    stream: JackStream, virtual: Loopback
) -> None:
    assert (stream.input, stream.output) == ("desk-mic", virtual.ours)
    assert (stream.rate_hz, stream.block_frames) == (RATE_HZ, 256)
    assert stream.alive()
    wait_until(lambda: stream.counts().blocks > 20, "20 blocks")
    counts = stream.counts()
    assert counts.took.count >= 20
    assert counts.late.count >= 20


@pytest.mark.parametrize("frames", [128, 512])
def test_the_block_is_as_short_as_was_asked_for(
    virtual: Loopback, closing: Closing, frames: int
) -> None:
    options = StreamOptions(output=virtual.ours, block_frames=frames)
    stream = closing(PipeWire().open_stream(options, make_gain().block))
    wait_until(lambda: stream.block_frames == frames, f"blocks of {frames}")


@pytest.mark.parametrize("digits", ["0535078499351235", "12e4567890123456"])
def test_a_stream_finds_its_ports_whatever_marks_it(
    pipewire: PipeWireServer, closing: Closing, monkeypatch: pytest.MonkeyPatch, digits: str
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: digits)
    sink = pipewire.speakers("desk-out")

    stream = closing(
        PipeWire().open_stream(StreamOptions(input="", output=sink), make_gain().block)
    )

    assert stream.output == sink


def test_a_virtual_device_may_be_called_by_a_number(
    pipewire: PipeWireServer, closing: Closing
) -> None:
    device = closing(PipeWire().open_virtual("microphone", "0440"))

    assert device.name in pipewire.sources()


def test_every_block_goes_through_the_function(stream: JackStream, gain: Gain) -> None:
    wait_until(lambda: stream.counts().blocks > 100, "100 blocks")
    stream.close()
    assert gain.state[0]["counts"][SAMPLES] == 256 * stream.counts().blocks


def test_an_unplugged_microphone_is_silence_and_a_replugged_one_is_heard_again(
    pipewire: PipeWireServer,
    microphone: FakeMicrophone,
    virtual: Loopback,
    stream: JackStream,
    tone: Samples,
) -> None:
    microphone.unplug()
    wait_until(lambda: stream.input == "", "the microphone is gone")
    before = stream.counts().blocks
    wait_until(lambda: stream.counts().blocks > before + 20, "blocks go on")
    assert stream.alive()
    with pytest.raises(DeviceError, match="desk-mic"):
        stream.use_input("desk-mic")
    assert stream.alive()

    microphone.replug()
    wait_until(lambda: "desk-mic" in {device.name for device in PipeWire().devices()}, "a device")
    stream.use_input("desk-mic")
    assert stream.input == "desk-mic"
    with pipewire.recording(virtual.name) as recording:
        pipewire.play(microphone.sink, tone).wait()
        assert np.abs(recording.samples()).max() == pytest.approx(0.25, rel=0.01)


def test_another_input_is_taken_without_a_new_stream(
    pipewire: PipeWireServer, virtual: Loopback, stream: JackStream, tone: Samples
) -> None:
    other = pipewire.microphone("head-mic", "Headset")
    stream.use_input("Headset")
    assert stream.input == "head-mic"
    with pipewire.recording(virtual.name) as recording:
        pipewire.play(other.sink, tone).wait()
        assert np.abs(recording.samples()).max() == pytest.approx(0.25, rel=0.01)


def test_a_killed_server_ends_the_stream_and_a_new_one_has_a_new_stream(
    pipewire: PipeWireServer, virtual: Loopback, stream: JackStream, closing: Closing
) -> None:
    pipewire.kill()
    wait_until(lambda: not stream.alive() and not virtual.alive(), "both are gone")
    assert (stream.input, stream.output) == ("", "")
    assert not PipeWire.running()
    with pytest.raises(DeviceError):
        PipeWire().devices()
    stream.close()
    virtual.close()

    pipewire.start()
    pipewire.microphone("desk-mic")
    again = closing(PipeWire().open_virtual("microphone", "Gapless Microphone"))
    options = StreamOptions(input="desk-mic", output=again.ours)
    after = closing(PipeWire().open_stream(options, make_gain().block))
    assert after.alive()
    assert after.input == "desk-mic"


def test_a_server_that_hangs_is_dead_and_can_be_left(
    pipewire: PipeWireServer, stream: JackStream, virtual: Loopback
) -> None:
    with pipewire.hanging():
        wait_until(lambda: not stream.alive(), "it hangs")
        stream.close()


def test_the_default_is_asked_for_anew(
    pipewire: PipeWireServer, stream: JackStream, virtual: Loopback
) -> None:
    pipewire.microphone("head-mic")
    pipewire.set_default("source", "head-mic")
    stream.use_input(None)
    assert stream.input == "head-mic"


def test_a_busy_interpreter_loses_no_block(
    stream: JackStream, busy_interpreter: Callable[[], Any]
) -> None:
    with busy_interpreter():
        began_s, before = time.monotonic(), stream.counts().blocks
        time.sleep(1.5)
        seconds, blocks = time.monotonic() - began_s, stream.counts().blocks - before
    # A callback in Python ran 23 to 37 times in a hundred here; the bounds are for busy machines.
    assert blocks == pytest.approx(seconds * RATE_HZ / 256, rel=0.1)


def test_a_closed_stream_calls_no_more(stream: JackStream, gain: Gain) -> None:
    wait_until(lambda: stream.counts().blocks > 5, "some blocks")
    stream.close()
    before = int(gain.state[0]["counts"][SAMPLES])
    assert not stream.alive()
    time.sleep(0.05)
    assert gain.state[0]["counts"][SAMPLES] == before
    stream.close()


def test_the_monitor_lets_the_user_hear_what_goes_out(
    pipewire: PipeWireServer,
    microphone: FakeMicrophone,
    virtual: Loopback,
    closing: Closing,
    tone: Samples,
) -> None:
    pipewire.set_default("sink", pipewire.speakers("speakers"))
    options = StreamOptions(input="desk-mic", output=virtual.ours, block_frames=256, monitor=True)
    stream = closing(PipeWire().open_stream(options, make_gain(0.5).block))
    assert stream.output == virtual.ours
    with pipewire.recording("speakers.monitor") as recording:
        pipewire.play(microphone.sink, tone).wait()
        assert np.abs(recording.samples()).max() == pytest.approx(0.25, rel=0.01)


def test_a_virtual_speaker_lets_us_hear_what_others_play(
    pipewire: PipeWireServer, closing: Closing, tone: Samples
) -> None:
    speakers = pipewire.speakers("speakers")
    server = PipeWire()
    virtual = closing(server.open_virtual("speaker", "Clean Others"))
    assert virtual.name in pipewire.sinks()
    options = StreamOptions(input=virtual.ours, output=speakers, block_frames=256)
    closing(server.open_stream(options, make_gain(0.5).block))
    with pipewire.recording(f"{speakers}.monitor") as recording:
        pipewire.play(virtual.name, tone).wait()
        assert np.abs(recording.samples()).max() == pytest.approx(0.25, rel=0.01)


def test_a_rate_that_the_server_does_not_have_is_refused(virtual: Loopback, gain: Gain) -> None:
    options = StreamOptions(output=virtual.ours, rate_hz=44_100)
    with pytest.raises(DeviceError, match="48000 Hz and cannot have 44100 Hz"):
        PipeWire().open_stream(options, gain.block)


def test_a_server_whose_rate_changes_ends_the_stream(
    pipewire: PipeWireServer, stream: JackStream
) -> None:
    pipewire.ask("pw-metadata", "-n", "settings", "0", "clock.force-rate", "44100")
    wait_until(lambda: not stream.alive(), "the rate is another")


def test_a_device_that_is_not_there_is_named_with_those_that_are(
    virtual: Loopback, gain: Gain
) -> None:
    with pytest.raises(DeviceError, match=r"'no such thing' \(there is: desk-mic\)"):
        PipeWire().open_stream(StreamOptions(input="no such thing"), gain.block)


def test_a_second_device_of_that_name_is_refused(virtual: Loopback) -> None:
    with pytest.raises(DeviceError, match="already"):
        PipeWire().open_virtual("microphone", "gapless microphone")


def test_a_virtual_device_outlives_the_thread_that_made_it(
    microphone: FakeMicrophone, closing: Closing
) -> None:
    made: list[Loopback] = []
    thread = threading.Thread(
        target=lambda: made.append(closing(PipeWire().open_virtual("microphone", "Threaded")))
    )
    thread.start()
    thread.join()
    assert made[0].alive()
    made[0].close()
    assert not made[0].alive()
    made[0].close()


CHILD = """
import time
from gapless.audio.device.pipewire import PipeWire
device = PipeWire().open_virtual("microphone", "Orphan")
print("open", flush=True)
time.sleep(60)
"""


def test_a_virtual_device_dies_with_its_killed_process(
    pipewire: PipeWireServer, microphone: FakeMicrophone
) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        assert "orphan" in pipewire.sources()
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    wait_until(lambda: "orphan" not in pipewire.sources(), "the device is gone")
