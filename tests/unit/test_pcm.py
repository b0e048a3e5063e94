"""Samples as they travel, against tables and decoders made by others."""

from __future__ import annotations

import struct
from typing import cast

import av
import numpy as np
import pytest

from gapless.dsp import pcm


def g711_levels(bias: int, steps: list[int]) -> list[float]:
    """The 128 positive values of a G.711 law: the middles of 16 equal steps in each of 8 segments."""
    levels, edge = [], -bias
    for step in steps:
        for _ in range(16):
            levels.append(edge + step / 2)
            edge += step
    return levels


# In 14-bit units: the first step of mu-law is half as wide and its value is 0 (ITU-T G.711, table 2a).
MULAW_LEVELS = [level * 4 for level in g711_levels(1, [2 << s for s in range(8)])]
# In 13-bit units (table 1a).
ALAW_LEVELS = [level * 8 for level in g711_levels(0, [2, *(2 << s for s in range(7))])]


def slow_mulaw(code: int) -> float:
    code ^= 0xFF
    level = MULAW_LEVELS[code & 0x7F]
    return -level if code & 0x80 else level


def slow_alaw(code: int) -> float:
    code ^= 0x55
    level = ALAW_LEVELS[code & 0x7F]
    return level if code & 0x80 else -level


def test_mulaw_gives_the_values_of_the_standard() -> None:
    decoded = pcm.from_mulaw(bytes(range(256))) * 32768
    assert decoded.tolist() == [slow_mulaw(code) for code in range(256)]
    assert (decoded[0x00], decoded[0x80], decoded[0xFF]) == (-32124, 32124, 0)


def test_alaw_gives_the_values_of_the_standard() -> None:
    decoded = pcm.from_alaw(bytes(range(256))) * 32768
    assert decoded.tolist() == [slow_alaw(code) for code in range(256)]
    assert (decoded[0x2A], decoded[0xAA], decoded[0xD5]) == (-32256, 32256, 8)


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_g711_agrees_with_ffmpeg(law: str) -> None:
    codes = bytes(range(256))
    codec = cast("av.AudioCodecContext", av.CodecContext.create(f"pcm_{law}", "r"))
    codec.layout = "mono"
    codec.sample_rate = 8000
    (frame,) = codec.decode(av.Packet(codes))
    ours = {"mulaw": pcm.from_mulaw, "alaw": pcm.from_alaw}[law](codes)
    assert (ours * 32768).tolist() == frame.to_ndarray()[0].tolist()


def test_16_bit_integers_are_exact() -> None:
    values = [-32768, -1, 0, 1, 256, 32767]
    decoded = pcm.from_s16le(struct.pack("<6h", *values))
    assert decoded.dtype == np.float32
    assert (decoded.astype(np.float64) * 32768).tolist() == values


def test_32_bit_integers_are_rounded_to_24_bits() -> None:
    values = [-(2**31), -1, 0, 1, 2**30, 2**31 - 1]
    decoded = pcm.from_s32le(struct.pack("<6i", *values))
    assert decoded.dtype == np.float32
    assert np.abs(decoded - np.array(values) / 2**31).max() <= 2.0**-25


def test_floats_are_taken_as_they_are() -> None:
    assert pcm.from_f32le(struct.pack("<3f", 0.5, -1.5, 1e-30)).tolist() == [
        0.5,
        -1.5,
        float(np.float32(1e-30)),
    ]


@pytest.mark.parametrize("convert", [pcm.from_s16le, pcm.from_s32le, pcm.from_f32le])
def test_decoded_samples_are_the_callers_own(convert: object) -> None:
    assert callable(convert)
    assert convert(bytes(16)).flags.writeable


@pytest.mark.parametrize("channels", range(1, 9))
def test_mixing_down_takes_the_mean(channels: int) -> None:
    frames = np.random.default_rng(1).uniform(-1, 1, (100, channels)).astype(np.float32)
    mixed = pcm.mix_down(frames.T)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, frames.astype(np.float64).mean(axis=1), atol=1e-6, rtol=0)
