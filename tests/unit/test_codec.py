"""Decoders of streams: partial frames, numbers that are none, Opus packets."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest

from gapless.audio.codec import PcmDecoder, open_decoder
from gapless.audio.format import AudioFormat, Encoding
from gapless.errors import InvalidAudioError, UnsupportedAudioError


def test_a_frame_cut_anywhere_is_put_together() -> None:
    decoder = open_decoder(AudioFormat("pcm_s16le", 16_000, 2))
    data = struct.pack("<6h", 16384, 0, -16384, -16384, 8192, 24576)
    pieces = [decoder.process(data[i : i + 1]) for i in range(len(data))]
    assert [len(piece) for piece in pieces] == [0, 0, 0, 1] * 3
    assert np.concatenate(pieces).tolist() == [0.25, -0.5, 0.5]
    assert len(decoder.flush()) == 0


@pytest.mark.parametrize(
    ("encoding", "channels", "n_bytes"),
    [("pcm_s16le", 1, 7), ("pcm_f32le", 1, 6), ("mulaw", 2, 3), ("pcm_s16le", 2, 6)],
)
def test_a_stream_that_ends_in_a_sample_gives_all_before_and_then_an_error(
    encoding: Encoding, channels: int, n_bytes: int
) -> None:
    audio = AudioFormat(encoding, 16_000, channels)
    assert audio.frame_bytes is not None
    decoder = open_decoder(audio)
    assert len(decoder.process(bytes(n_bytes))) == n_bytes // audio.frame_bytes
    with pytest.raises(InvalidAudioError, match=r"ended in the middle of a sample.*send whole"):
        decoder.flush()
    decoder.reset()
    assert len(decoder.flush()) == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_an_error_that_says_where(bad: float) -> None:
    decoder = open_decoder(AudioFormat("pcm_f32le"))
    with pytest.raises(InvalidAudioError, match="sample 1 of a block of 3") as caught:
        decoder.process(struct.pack("<3f", 0.0, bad, 0.0))
    assert caught.value.code == "invalid_audio"


def test_loud_floats_are_kept_and_absurd_ones_are_clipped() -> None:
    decoder = open_decoder(AudioFormat("pcm_f32le"))
    loud = decoder.process(struct.pack("<4f", 1.5, -4.0, 3e38, -3e38))
    assert loud.tolist() == [1.5, -4.0, 16.0, -16.0]


def test_compressed_encodings_are_no_pcm() -> None:
    with pytest.raises(UnsupportedAudioError, match="open_decoder"):
        PcmDecoder(AudioFormat("opus"))


@pytest.mark.parametrize("encoding", ["pcm_s16le", "mulaw", "opus", "auto"])
def test_a_decoder_can_be_closed_twice_and_unused(encoding: Encoding) -> None:
    decoder = open_decoder(AudioFormat(encoding))
    decoder.close()
    decoder.close()


def opus_packets(
    signal: np.ndarray[tuple[int], np.dtype[np.float32]], channels: int
) -> list[bytes]:
    """20 ms packets of a mono signal at 48 kHz, the same in every channel."""
    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate = 48_000
    codec.layout = "mono" if channels == 1 else "stereo"
    codec.format = "flt"
    codec.bit_rate = 64_000
    frame = av.AudioFrame.from_ndarray(
        np.repeat(signal, channels)[np.newaxis, :], format="flt", layout=codec.layout.name
    )
    frame.sample_rate = 48_000
    return [bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)]]


@pytest.mark.parametrize("channels", [1, 2])
def test_opus_packets_become_sound_one_by_one(channels: int) -> None:
    seconds = np.arange(24_000) / 48_000
    signal = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    decoder = open_decoder(AudioFormat("opus"))

    decoded = [decoder.process(packet) for packet in opus_packets(signal, channels)]

    assert {len(block) for block in decoded} == {960}
    sound = np.concatenate(decoded)
    delay = 312  # libopus looks ahead 6.5 ms
    error = sound[delay + 2000 : delay + 20_000] - signal[2000:20_000]
    assert np.std(error) < 0.02 * np.std(signal)
    assert len(decoder.flush()) == 0


def test_an_opus_decoder_forgets_when_it_is_reset() -> None:
    chance = np.random.default_rng(9)
    packets = opus_packets(chance.uniform(-0.5, 0.5, 9600).astype(np.float32), 1)
    decoder = open_decoder(AudioFormat("opus"))
    first = [decoder.process(packet).tobytes() for packet in packets]
    decoder.reset()
    assert [decoder.process(packet).tobytes() for packet in packets] == first


def test_a_bad_opus_packet_is_an_error_and_the_next_one_is_heard() -> None:
    decoder = open_decoder(AudioFormat("opus"))
    with pytest.raises(InvalidAudioError, match="not an Opus packet"):
        decoder.process(b"\xff" * 2000)
    packet = opus_packets(np.zeros(960, np.float32), 1)[0]
    assert len(decoder.process(packet)) == 960
    assert len(decoder.process(b"")) == 0
