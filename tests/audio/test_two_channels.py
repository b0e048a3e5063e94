"""Streams of two channels and without an input: what other programs hear left and right on every server."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.device.jack import Jack
from gapless.audio.device.jack_stream import pairs
from gapless.audio.device.pipewire import PipeWire
from gapless.audio.device.pulse import PulseAudio
from gapless.audio.device.server import SoundServer, Stream, StreamOptions
from gapless.audio.types import Samples
from gapless.bench.probe import Ear
from gapless.errors import DeviceError
from gapless.testing.native_blocks import make_pulses
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import JackServer, PipeWireServer, PulseAudioServer
from gapless.testing.two_tones import BURST_SAMPLES, ERROR, Tones, find_bursts, make_tones

pytestmark = pytest.mark.audio

Closing = Callable[[Any], Any]

PULSE_SAMPLES = 1_000
ENOUGH = 4
"""Bursts that must be heard; a busy machine may lose a block of others."""


@pytest.fixture
def tones() -> Tones:
    return make_tones(700.0, 1100.0)


@pytest.fixture
def opened(tones: Tones, closing: Closing) -> Callable[..., Stream]:
    """Opens a stream of two channels that needs no microphone."""

    def open_stream(server: SoundServer, **options: Any) -> Stream:
        asked = StreamOptions(client="Synth", input="", output_channels=2, **options)
        stream: Stream = closing(server.open_stream(asked, tones.block))
        wait_until(lambda: stream.counts().blocks > 0, "the first block")
        assert stream.input == ""
        return stream

    return open_stream


def assert_heard(
    hears: Callable[[], Samples], bursts: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Enough bursts are heard as they are: the right tone in each channel, as loud as it is and without a delay.

    Args:
        hears: float32 so far, interleaved.
        bursts: float32 [channels, BURST_SAMPLES].
    """
    channels = bursts.shape[0]

    def split() -> npt.NDArray[np.float32]:
        frames = hears()
        return frames[: frames.size // channels * channels].reshape(-1, channels).T

    wait_until(lambda: len(find_bursts(split(), bursts)) >= ENOUGH, "bursts of both tones")
    return split()


def test_a_lag_or_swapped_channels_would_be_seen(tones: Tones) -> None:
    heard = np.pad(np.tile(np.pad(tones.bursts, ((0, 0), (0, BURST_SAMPLES))), 5), ((0, 0), (9, 0)))
    assert find_bursts(heard, tones.bursts) == [9 + 2 * BURST_SAMPLES * n for n in range(5)]
    for lag in (1, 64, 256, 1024):
        assert find_bursts(np.stack([heard[0, lag:], heard[1, :-lag]]), tones.bursts) == []
    assert find_bursts(heard[::-1], tones.bursts) == []
    assert find_bursts(heard * np.float32(0.9), tones.bursts) == []
    assert find_bursts(np.stack([heard[0], heard.sum(axis=0)]), tones.bursts) == []


@pytest.mark.parametrize(
    ("own", "theirs", "joined"),
    [
        (["o"], ["1"], ["o1"]),
        (["o"], ["1", "2", "3"], ["o1", "o2"]),
        (["l", "r"], ["1"], ["l1", "r1"]),
        (["l", "r"], ["1", "2"], ["l1", "r2"]),
        (["l", "r"], ["1", "2", "3"], ["l1", "r2"]),
        (["l", "r"], [], []),
    ],
    ids=lambda names: "".join(names) or "none",
)
def test_channels_are_joined_in_their_order(
    own: list[str], theirs: list[str], joined: list[str]
) -> None:
    assert [one + other for one, other in pairs(own, theirs)] == joined


def test_pipewire_plays_two_channels(
    pipewire: PipeWireServer, opened: Callable[..., Stream], tones: Tones
) -> None:
    speakers = pipewire.speakers("stereo", channels=2)
    stream = opened(PipeWire(), output=speakers, block_frames=256)
    assert stream.output == speakers
    with pipewire.recording(f"{speakers}.monitor", channels=2) as recording:
        assert_heard(recording.samples, tones.bursts)
    assert tones.state[0]["loudest_heard"] == 0, "it hears silence"


def test_on_pipewire_both_are_heard_on_a_device_with_one_channel(
    pipewire: PipeWireServer, opened: Callable[..., Stream], tones: Tones
) -> None:
    speakers = pipewire.speakers("mono")
    opened(PipeWire(), output=speakers, block_frames=256)
    with pipewire.recording(f"{speakers}.monitor") as recording:
        assert_heard(recording.samples, tones.bursts.sum(axis=0, keepdims=True))


def test_jack_plays_two_channels(
    jackd: JackServer, opened: Callable[..., Stream], tones: Tones, tmp_path: Path
) -> None:
    stream = opened(Jack())
    assert stream.output == "system"
    joined = jackd.ask("jack_lsp", "-c", "Synth") or ""
    assert joined.split() == [
        *("Synth:input", "Synth:left", "system:playback_1"),
        *("Synth:right", "system:playback_2"),
    ]
    path = tmp_path / "heard.wav"
    ports = ("Synth:left", "Synth:right")
    jackd.run("jack_rec", "-f", str(path), "-d", "1", "-b", "16", *ports).wait()
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE_HZ)
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    heard = np.asarray(values / 32_768, np.float32)
    assert_heard(lambda: heard, tones.bursts)
    assert tones.state[0]["loudest_heard"] == 0, "it hears silence"


def test_on_jack_both_are_heard_by_a_client_with_one_port(
    jackd: JackServer, opened: Callable[..., Stream], tones: Tones, closing: Closing
) -> None:
    ear = Ear(10.0)
    closing(Jack().open_stream(StreamOptions(client="Ear", input="", output=""), ear.block))
    opened(Jack(), output="Ear")
    assert_heard(lambda: ear.heard(0, ear.position), tones.bursts.sum(axis=0, keepdims=True))


def test_pulseaudio_plays_two_channels(
    pulseaudio: PulseAudioServer, opened: Callable[..., Stream], tones: Tones
) -> None:
    assert PulseAudio().devices()[0].direction == "output", "there is no microphone"
    stream = opened(PulseAudio(), block_frames=256)
    assert stream.output == "speakers"
    with pulseaudio.recording("speakers.monitor", channels=2) as recording:
        assert_heard(recording.samples, tones.bursts)
    assert tones.state[0]["loudest_heard"] == 0, "it hears silence"
    assert stream.alive()
    counts = stream.counts()
    assert counts.took.count == counts.blocks
    with pytest.raises(DeviceError, match="without an input"):
        stream.use_input(None)


def test_on_pulseaudio_both_are_heard_on_a_device_with_one_channel(
    pulseaudio: PulseAudioServer, opened: Callable[..., Stream], tones: Tones
) -> None:
    mono = ("sink_name=mono", "rate=48000", "channels=1", "channel_map=mono")
    pulseaudio.ask("pactl", "load-module", "module-null-sink", *mono)
    opened(PulseAudio(), output="mono", block_frames=256)
    with pulseaudio.recording("mono.monitor") as recording:
        assert_heard(recording.samples, tones.bursts.mean(axis=0, keepdims=True))


def test_a_pulseaudio_without_a_microphone_plays_one_channel(
    pulseaudio: PulseAudioServer, closing: Closing
) -> None:
    options = StreamOptions(input="", block_frames=256)
    stream = closing(PulseAudio().open_stream(options, make_pulses(PULSE_SAMPLES)))
    with pulseaudio.recording("speakers.monitor") as recording:
        wait_until(lambda: bool(pulses(recording.samples())), "pulses one beat apart")
    assert stream.input == ""
    stream.close()
    assert not stream.alive()


def pulses(heard: Samples) -> list[int]:
    """Where single samples of full scale are heard, one beat after the one before."""
    at = np.flatnonzero(heard > 1 - ERROR)
    return [int(here) for here in at[1:][np.diff(at) == PULSE_SAMPLES]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(StreamOptions(output_channels=2), "two channels only", id="input"),
        pytest.param(StreamOptions(input="", monitor=True), "take no monitor", id="monitor"),
    ],
)
def test_what_would_take_a_buffer_that_there_is_not_is_refused(
    pulseaudio: PulseAudioServer, tones: Tones, options: StreamOptions, said: str
) -> None:
    with pytest.raises(DeviceError, match=said):
        PulseAudio().open_stream(options, tones.block)
