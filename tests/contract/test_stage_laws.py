"""Every stage of the audio room keeps the laws of ``gapless.audio.stage``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gapless.audio.codec import open_decoder
from gapless.audio.format import AudioFormat, Encoding
from gapless.audio.resample import Resampler
from gapless.testing.laws import check_stage, usual_splits

pytestmark = pytest.mark.long

CHANCE = np.random.default_rng(7)
NOISE = CHANCE.uniform(-1, 1, 5000).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_s32le", "mulaw", "alaw"])
def test_integer_decoders(encoding: Encoding, channels: int) -> None:
    audio = AudioFormat(encoding, 16_000, channels)
    assert audio.frame_bytes is not None
    whole = CHANCE.bytes(audio.frame_bytes * 700)
    check_stage(
        lambda: open_decoder(audio),
        whole,
        usual_splits(len(whole)),
        items_per_sample=audio.frame_bytes,
    )


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_float_decoder(channels: int) -> None:
    audio = AudioFormat("pcm_f32le", 48_000, channels)
    whole = NOISE[: 700 * channels].tobytes()
    check_stage(
        lambda: open_decoder(audio),
        whole,
        usual_splits(len(whole)),
        items_per_sample=4 * channels,
    )


@pytest.mark.parametrize("out_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("in_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_resampler(in_hz: int, out_hz: int) -> None:
    check_stage(
        lambda: Resampler(in_hz, out_hz),
        NOISE[:2500],
        usual_splits(2500, ones=1500),
        samples_per_output=Fraction(in_hz, out_hz),
    )
