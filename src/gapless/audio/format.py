"""What a stream of audio bytes is made of.

In: what a client declared. Out: a checked ``AudioFormat``. Invariants: one that exists can be
decoded by ``audio.codec.open_decoder``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import msgspec

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.errors import UnsupportedAudioError

Encoding: TypeAlias = Literal[
    "pcm_s16le", "pcm_s32le", "pcm_f32le", "mulaw", "alaw", "opus", "auto"
]
"""``opus``: each block is one raw Opus packet. ``auto``: the bytes of a file of any usual kind."""

ENCODINGS: Final[tuple[str, ...]] = get_args(Encoding)

SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_s32le": 4, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
"""Bytes of a sample, for encodings where it is constant."""

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 48_000
MAX_CHANNELS: Final = 8
DECODED_RATE_HZ: Final = 48_000
"""The rate of what ``opus`` and ``auto`` are decoded to."""


class AudioFormat(msgspec.Struct, frozen=True):
    """Encoding, rate and channels of a stream of bytes.

    ``rate_hz`` and ``channels`` say nothing about ``opus`` and ``auto``, whose bytes carry both.

    Raises:
        UnsupportedAudioError: unknown encoding, or a rate or channel count out of range; ``param``
            is the name of the wire's field.
    """

    encoding: Encoding = "pcm_s16le"
    rate_hz: int = LISTEN_RATE_HZ
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise UnsupportedAudioError(
                f"encoding {self.encoding!r} is unknown; use one of {', '.join(ENCODINGS)}",
                param="encoding",
            )
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise UnsupportedAudioError(
                f"sample_rate {self.rate_hz} is out of range; "
                f"use {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz",
                param="sample_rate",
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UnsupportedAudioError(
                f"channels {self.channels} is out of range; use 1 to {MAX_CHANNELS}",
                param="channels",
            )

    @property
    def frame_bytes(self) -> int | None:
        """Bytes of one sample of every channel; None where it is not constant."""
        size = SAMPLE_BYTES.get(self.encoding)
        return None if size is None else size * self.channels

    @property
    def bytes_per_second(self) -> int | None:
        """Bytes of one second of audio; None where it is not constant."""
        frame = self.frame_bytes
        return None if frame is None else frame * self.rate_hz

    @property
    def output_rate_hz(self) -> int:
        """Rate of the samples that decoding gives."""
        return DECODED_RATE_HZ if self.frame_bytes is None else self.rate_hz
