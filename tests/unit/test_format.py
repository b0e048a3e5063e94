"""What formats exist and what they are refused for."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.audio.format import ENCODINGS, AudioFormat, Encoding
from gapless.errors import UnsupportedAudioError


def test_the_default_is_what_recognisers_hear() -> None:
    assert AudioFormat() == AudioFormat("pcm_s16le", 16_000, 1)


@pytest.mark.parametrize(
    ("encoding", "bytes_per_second", "output_rate_hz"),
    [
        ("pcm_s16le", 88_200, 22_050),
        ("pcm_s32le", 176_400, 22_050),
        ("pcm_f32le", 176_400, 22_050),
        ("mulaw", 44_100, 22_050),
        ("alaw", 44_100, 22_050),
        ("opus", None, 48_000),
        ("auto", None, 48_000),
    ],
)
def test_sizes_and_rates(
    encoding: Encoding, bytes_per_second: int | None, output_rate_hz: int
) -> None:
    audio = AudioFormat(encoding, 22_050, 2)
    assert audio.bytes_per_second == bytes_per_second
    assert audio.output_rate_hz == output_rate_hz


def test_every_encoding_has_a_test_above() -> None:
    assert len(ENCODINGS) == 7


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"encoding": "mp3"}, "encoding", "'mp3' is unknown; use one of pcm_s16le"),
        ({"rate_hz": 7_999}, "sample_rate", "7999 is out of range; use 8000 to 48000 Hz"),
        ({"rate_hz": 48_001}, "sample_rate", "use 8000 to 48000"),
        ({"channels": 0}, "channels", "use 1 to 8"),
        ({"channels": 9}, "channels", "9 is out of range; use 1 to 8"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    fields: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(UnsupportedAudioError, match=message) as caught:
        AudioFormat(**fields)
    assert caught.value.param == param
    assert caught.value.code == "unsupported_audio"


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_the_bounds_themselves_are_fine(rate_hz: int, channels: int) -> None:
    assert AudioFormat("mulaw", rate_hz, channels).frame_bytes == channels
