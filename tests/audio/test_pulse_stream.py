"""Streams on a real PulseAudio: what other processes hear of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gapless.audio.device.pulse import PulseAudio
from gapless.audio.device.pulse_stream import PulseStream
from gapless.audio.device.server import StreamOptions, VirtualDevice
from gapless.audio.types import Samples
from gapless.errors import DeviceError
from gapless.realtime.elastic import ElasticCounts, elastic_counts
from gapless.testing.native_blocks import SAMPLES, Gain, make_gain
from gapless.testing.pulse_microphone import PulseMicrophone
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import PipeWireServer, PulseAudioServer

pytestmark = pytest.mark.audio

FRAMES = 256
Closing = Callable[[Any], Any]


def loudest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * RATE_HZ / samples.size)


def between(stream: PulseStream) -> ElasticCounts:
    """What became of the buffer between the microphone and the output."""
    return elastic_counts(stream._state["main"]["elastic"])


def samples_of(gain: Gain) -> int:
    return int(gain.state[0]["counts"][SAMPLES])


@pytest.fixture
def desk(pulseaudio: PulseAudioServer) -> PulseMicrophone:
    return PulseMicrophone(pulseaudio, "desk", "Desk Microphone")


@pytest.fixture
def virtual(desk: PulseMicrophone, closing: Closing) -> VirtualDevice:
    device: VirtualDevice = closing(PulseAudio().open_virtual("microphone", "Clean"))
    return device


@pytest.fixture
def gain() -> Gain:
    return make_gain(0.5)


@pytest.fixture
def stream(virtual: VirtualDevice, gain: Gain, closing: Closing) -> PulseStream:
    options = StreamOptions(output=virtual.ours, block_frames=FRAMES)
    opened: PulseStream = closing(PulseAudio().open_stream(options, gain.block))
    wait_until(lambda: opened.counts().blocks > 0, "the first block")
    return opened


def assert_heard(
    server: PulseAudioServer | PipeWireServer, sink: str, source: str, tone: Samples
) -> None:
    """What is played to the sink, another process hears from the source, half as loud."""
    with server.recording(source) as recording:
        server.play(sink, tone).wait()
        recording.wait_for(RATE_HZ // 10)
        heard = recording.samples()
    loud = heard[np.abs(heard) > 0.01]
    assert loud.size > 0.8 * tone.size
    assert np.abs(heard).max() == pytest.approx(0.25, rel=0.02)
    assert loudest_hz(heard) == pytest.approx(440, abs=3)


def test_another_process_hears_in_the_virtual_microphone_what_is_played_into_the_real_one(
    pulseaudio: PulseAudioServer,
    desk: PulseMicrophone,
    virtual: VirtualDevice,
    stream: PulseStream,
    tone: Samples,
) -> None:
    assert (stream.input, stream.output) == ("desk", virtual.ours)
    assert stream.rate_hz == RATE_HZ
    assert_heard(pulseaudio, desk.sink, virtual.name, tone)
    counts = stream.counts()
    assert counts.took.count == counts.blocks
    assert counts.late.count > 0


def test_the_same_on_pipewire_that_speaks_pulseaudios_protocol(
    pipewire: PipeWireServer, gain: Gain, closing: Closing, tone: Samples
) -> None:
    microphone = pipewire.microphone("desk", "Desk Microphone")
    virtual = closing(PulseAudio().open_virtual("microphone", "Clean"))
    options = StreamOptions(input="Desk", output=virtual.ours, block_frames=FRAMES)
    stream = closing(PulseAudio().open_stream(options, gain.block))
    wait_until(lambda: stream.counts().blocks > 0, "the first block")
    with pipewire.recording(virtual.name) as recording:
        pipewire.play(microphone.sink, tone).wait()
        heard = recording.wait_for(RATE_HZ // 10)
    # In a virtual machine its PulseAudio door hands over 1,024 frames at a time whatever is asked for, so that the first
    # seconds have gaps until the buffer has learned it.
    assert np.count_nonzero(np.abs(heard) > 0.01) > tone.size / 8
    assert loudest_hz(heard) == pytest.approx(440, abs=10)


def test_a_virtual_speaker_lets_us_hear_what_others_play(
    pulseaudio: PulseAudioServer, gain: Gain, closing: Closing, tone: Samples
) -> None:
    virtual = closing(PulseAudio().open_virtual("speaker", "Others"))
    options = StreamOptions(input=virtual.ours, output="speakers", block_frames=FRAMES)
    stream = closing(PulseAudio().open_stream(options, gain.block))
    wait_until(lambda: stream.counts().blocks > 0, "the first block")
    assert_heard(pulseaudio, virtual.name, "speakers.monitor", tone)


def test_the_monitor_lets_the_user_hear_what_goes_out(  # noqa: PLR0917  fixtures
    pulseaudio: PulseAudioServer,
    desk: PulseMicrophone,
    virtual: VirtualDevice,
    gain: Gain,
    closing: Closing,
    tone: Samples,
) -> None:
    options = StreamOptions(output=virtual.ours, block_frames=FRAMES, monitor=True)
    stream = closing(PulseAudio().open_stream(options, gain.block))
    wait_until(lambda: stream.counts().blocks > 0, "the first block")
    assert stream.output == virtual.ours
    assert_heard(pulseaudio, desk.sink, "speakers.monitor", tone)


def test_a_busy_interpreter_loses_no_block(
    stream: PulseStream, gain: Gain, busy_interpreter: Callable[[], Any]
) -> None:
    with busy_interpreter():
        began_s, before = time.monotonic(), samples_of(gain)
        time.sleep(1.5)
        seconds, samples = time.monotonic() - began_s, samples_of(gain) - before
    assert samples == pytest.approx(seconds * RATE_HZ, rel=0.1)
    assert stream.alive()


def test_the_sound_that_waits_between_the_clocks_stays_bounded(
    stream: PulseStream, gain: Gain
) -> None:
    least = samples_of(gain) + RATE_HZ
    wait_until(lambda: samples_of(gain) > least, "a second of sound")
    delays = []
    for _ in range(30):
        time.sleep(0.05)
        delays.append(between(stream).delay)
    # Both blocks and the reserve, which grows on a busy machine by 2 ms at a time.
    assert max(delays) < RATE_HZ // 10
    assert between(stream).overrun == 0


def test_an_unplugged_microphone_is_silence_and_a_replugged_one_is_heard_again(
    pulseaudio: PulseAudioServer,
    desk: PulseMicrophone,
    virtual: VirtualDevice,
    stream: PulseStream,
    tone: Samples,
) -> None:
    before = stream.counts().underrun_samples
    desk.unplug()
    wait_until(lambda: stream.input == "", "the microphone is gone")
    assert stream.alive()
    with pytest.raises(DeviceError, match="no input device"):
        stream.use_input(None)
    with pulseaudio.recording(virtual.name) as recording:
        assert np.abs(recording.wait_for(RATE_HZ // 4)).max() == 0
    # What the ring did not have is counted while others are given silence.
    assert stream.counts().underrun_samples > before + RATE_HZ // 8

    desk.plug()
    stream.use_input("desk")
    assert stream.input == "desk"
    assert_heard(pulseaudio, desk.sink, virtual.name, tone)


def test_another_input_is_taken_without_a_new_stream(
    pulseaudio: PulseAudioServer, virtual: VirtualDevice, stream: PulseStream, tone: Samples
) -> None:
    head = PulseMicrophone(pulseaudio, "head", "Headset")
    stream.use_input("Headset")
    assert stream.input == "head"
    assert_heard(pulseaudio, head.sink, virtual.name, tone)


def test_the_default_is_never_what_we_play_on(
    pulseaudio: PulseAudioServer, virtual: VirtualDevice, stream: PulseStream
) -> None:
    pulseaudio.ask("pactl", "set-default-source", virtual.name)
    stream.use_input(None)
    assert stream.input == "desk"


def test_an_output_that_is_gone_ends_the_stream(
    virtual: VirtualDevice, stream: PulseStream
) -> None:
    virtual.close()
    wait_until(lambda: not stream.alive(), "the stream is over")
    assert stream.output == ""


def test_a_killed_server_ends_the_stream_and_a_new_one_has_a_new_stream(
    pulseaudio: PulseAudioServer, virtual: VirtualDevice, stream: PulseStream, closing: Closing
) -> None:
    pulseaudio.kill()
    wait_until(lambda: not stream.alive(), "the stream is over")
    assert (stream.input, stream.output) == ("", "")
    assert not virtual.alive()
    stream.close()
    virtual.close()

    pulseaudio.start()
    PulseMicrophone(pulseaudio, "desk", "Desk Microphone")
    again = closing(PulseAudio().open_virtual("microphone", "Clean"))
    after = closing(PulseAudio().open_stream(StreamOptions(output=again.ours), make_gain().block))
    wait_until(lambda: after.counts().blocks > 0, "the first block")
    assert after.alive()


def test_a_closed_stream_calls_no_more(stream: PulseStream, gain: Gain) -> None:
    stream.close()
    before = samples_of(gain)
    assert not stream.alive()
    time.sleep(0.05)
    assert samples_of(gain) == before
    stream.close()


def test_a_forgotten_stream_calls_no_more(virtual: VirtualDevice, gain: Gain) -> None:
    PulseAudio().open_stream(StreamOptions(output=virtual.ours), gain.block)
    gc.collect()
    before = samples_of(gain)
    time.sleep(0.05)
    assert samples_of(gain) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            StreamOptions(input="none such"), r"'none such' \(there is: desk\)", id="input"
        ),
        pytest.param(StreamOptions(output="none such"), "'none such'", id="output"),
    ],
)
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    desk: PulseMicrophone, gain: Gain, options: StreamOptions, said: str
) -> None:
    with pytest.raises(DeviceError, match=said):
        PulseAudio().open_stream(options, gain.block)


def test_a_rate_that_no_device_has_is_refused(
    desk: PulseMicrophone, virtual: VirtualDevice, gain: Gain
) -> None:
    options = StreamOptions(output=virtual.ours, rate_hz=900_000)
    with pytest.raises((DeviceError, ValueError), match=r"900000|cannot be opened"):
        PulseAudio().open_stream(options, gain.block)
