"""Streams through PortAudio, whose devices here are those of a JACK server with its dummy driver."""

from __future__ import annotations

import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.audio.device import portaudio as portaudio_module
from gapless.audio.device.jack import Jack
from gapless.audio.device.portaudio import PortAudio
from gapless.audio.device.portaudio_library import look_again
from gapless.audio.device.portaudio_stream import PortAudioStream
from gapless.audio.device.server import StreamOptions
from gapless.bench.probe import Ear
from gapless.errors import DeviceError
from gapless.realtime.elastic import elastic_counts
from gapless.testing.native_blocks import GAIN_STATE, SAMPLES, Gain, make_gain, make_pulses
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import JackServer
from gapless.testing.two_tones import Tones, find_bursts, make_tones

# A process that has loaded PipeWire's libjack gives PortAudio that one, too.
pytestmark = [pytest.mark.audio, pytest.mark.portaudio]

FRAMES = 256
Opening = Callable[..., PortAudioStream]


@pytest.fixture
def opening(jackd: JackServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opening]:
    """Opens streams; PortAudio is a client of the server for as long as the test lasts, and no longer."""
    look_again()
    with ExitStack() as stack:

        def open_stream(gain: Gain | Tones, **options: Any) -> PortAudioStream:
            stream = PortAudio().open_stream(
                StreamOptions(block_frames=FRAMES, **options), gain.block
            )
            stack.callback(stream.close)
            wait_until(lambda: stream.counts().blocks > 0, "the first block")
            assert isinstance(stream, PortAudioStream)
            return stream

        yield open_stream
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "none such")
    look_again()


@pytest.fixture
def two_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the devices had clocks of their own: each is opened alone."""
    place = PortAudio._place

    def of_its_own(self: PortAudio, direction: Any, *rest: Any) -> Any:
        return place(self, direction, *rest)._replace(clock=direction)

    monkeypatch.setattr(portaudio_module.PortAudio, "_place", of_its_own)


@pytest.fixture
def gain() -> Gain:
    return make_gain(0.5)


def samples_of(gain: Gain) -> int:
    return int(gain.state[0]["counts"][SAMPLES])


def test_devices_are_listed_with_the_defaults(opening: Opening) -> None:
    found = [(d.name, d.direction, d.channels, d.rate_hz, d.default) for d in PortAudio().devices()]
    assert found == [
        ("system", "input", 2, RATE_HZ, True),
        ("system", "output", 2, RATE_HZ, True),
    ]
    assert PortAudio.running()


def test_one_clock_is_one_stream_that_calls_the_function(opening: Opening, gain: Gain) -> None:
    stream = opening(gain)
    assert (stream.input, stream.output) == ("system", "system")
    assert (stream.rate_hz, stream.block_frames) == (RATE_HZ, FRAMES)
    wait_until(lambda: stream.counts().blocks > 100, "100 blocks")
    stream.close()
    counts = stream.counts()
    assert samples_of(gain) == FRAMES * counts.blocks == FRAMES * counts.took.count
    assert counts.late.count == counts.blocks - 1


@pytest.mark.parametrize("clocks", ["one", "two"])
def test_what_the_function_makes_is_played(
    request: pytest.FixtureRequest, opening: Opening, jackd: JackServer, clocks: str
) -> None:
    if clocks == "two":
        request.getfixturevalue("two_clocks")
    pulses = make_pulses(RATE_HZ // 100)
    playing = opening(Gain(pulses, np.zeros(1, GAIN_STATE)))
    ear = make_gain(1.0)
    hearing = opening(ear)
    ports = {line.strip() for line in (jackd.ask("jack_lsp") or "").splitlines()}
    plays, hears = (
        sorted(p for p in ports if "PortAudio:out_" in p),
        sorted(p for p in ports if "PortAudio:in_" in p),
    )
    jackd.ask("jack_disconnect", "system:capture_1", hears[-1])
    jackd.ask("jack_connect", plays[0], hears[-1])
    wait_until(lambda: ear.state[0]["loudest"] > 0.9, "a pulse")
    assert playing.alive()
    assert hearing.alive()


def test_two_clocks_are_two_streams_with_a_bounded_wait_between(
    opening: Opening, two_clocks: None, gain: Gain
) -> None:
    stream = opening(gain, monitor=True)
    wait_until(lambda: samples_of(gain) > RATE_HZ, "a second of sound")
    for player in ("main", "monitor"):
        counts = elastic_counts(stream._state[player]["elastic"])
        assert 0 < counts.delay < RATE_HZ // 10
        assert counts.overrun == 0
    assert stream.alive()
    stream.close()
    assert samples_of(gain) == FRAMES * stream.counts().blocks


def test_without_an_input_two_channels_are_played_left_and_right(
    opening: Opening, jackd: JackServer, tmp_path: Path
) -> None:
    tones = make_tones(700.0, 1100.0)
    stream = opening(tones, input="", output_channels=2)
    assert (stream.input, stream.output) == ("", "system")
    ports = [port for port in (jackd.ask("jack_lsp") or "").split() if "PortAudio" in port]
    assert [port.split(":")[1] for port in ports] == ["out_0", "out_1"], "none hears"
    path = tmp_path / "heard.wav"
    jackd.run("jack_rec", "-f", str(path), "-d", "1", "-b", "16", *ports).wait()
    with wave.open(str(path)) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    heard = np.asarray(values / 32_768, np.float32).reshape(-1, 2).T
    assert len(find_bursts(heard, tones.bursts)) >= 4
    assert tones.state[0]["loudest_heard"] == 0, "it hears silence"
    with pytest.raises(DeviceError, match="without an input"):
        stream.use_input(None)
    assert stream.alive()


def test_a_device_with_one_channel_plays_both(opening: Opening) -> None:
    ear, tones = Ear(10.0), make_tones(700.0, 1100.0)
    device = Jack().open_stream(StreamOptions(client="Ear", input="", output=""), ear.block)
    try:
        look_again()
        opening(tones, input="", output="Ear", output_channels=2)
        both = tones.bursts.mean(axis=0, keepdims=True)
        wait_until(
            lambda: len(find_bursts(ear.heard(0, ear.position)[None], both)) >= 4, "bursts of both"
        )
    finally:
        device.close()


@pytest.mark.parametrize("options", [{"output_channels": 2}, {"input": "", "monitor": True}])
def test_what_would_take_a_buffer_that_there_is_not_is_refused(
    opening: Opening, gain: Gain, options: dict[str, Any]
) -> None:
    with pytest.raises(DeviceError, match=r"take no (input|monitor)"):
        opening(gain, **options)


@pytest.mark.parametrize("clocks", ["one", "two"])
def test_another_input_may_be_chosen(
    request: pytest.FixtureRequest, opening: Opening, gain: Gain, clocks: str
) -> None:
    if clocks == "two":
        request.getfixturevalue("two_clocks")
    stream = opening(gain)
    before = stream.counts().blocks
    stream.use_input("sys")
    assert stream.input == "system"
    wait_until(lambda: stream.counts().blocks > before + 20, "blocks go on")
    with pytest.raises(DeviceError, match="'none such'"):
        stream.use_input("none such")
    assert stream.alive()


def test_a_busy_interpreter_loses_no_block(
    opening: Opening, gain: Gain, busy_interpreter: Callable[[], Any]
) -> None:
    opening(gain)
    with busy_interpreter():
        began_s, before = time.monotonic(), samples_of(gain)
        time.sleep(1.5)
        seconds, samples = time.monotonic() - began_s, samples_of(gain) - before
    assert samples == pytest.approx(seconds * RATE_HZ, rel=0.1)


def test_a_device_that_calls_no_more_ends_the_stream(
    opening: Opening, jackd: JackServer, gain: Gain
) -> None:
    stream = opening(gain)
    # It hangs and is not killed: PortAudio waits ten minutes when it closes a stream of a dead JACK server.
    with jackd.hanging():
        wait_until(lambda: not stream.alive(), "the stream is over")
        assert (stream.input, stream.output) == ("", "")
    wait_until(stream.alive, "the device calls again")


def test_a_closed_stream_calls_no_more(opening: Opening, gain: Gain) -> None:
    stream = opening(gain)
    stream.close()
    before = samples_of(gain)
    assert not stream.alive()
    time.sleep(0.05)
    assert samples_of(gain) == before
    stream.close()


def test_a_rate_that_the_device_has_not_is_refused(opening: Opening, gain: Gain) -> None:
    with pytest.raises(DeviceError, match=r"system cannot be opened .*gapless devices"):
        opening(gain, rate_hz=44_100)


def test_a_virtual_microphone_takes_a_server_that_can_make_one(opening: Opening) -> None:
    with pytest.raises(DeviceError, match="start PipeWire or PulseAudio"):
        PortAudio().open_virtual("microphone", "Clean")
