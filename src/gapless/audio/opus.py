"""Raw Opus packets, one a block, as WebRTC and RTP carry them.

In: packets. Out: mono float32 samples at 48 kHz. Invariants: each packet answers at once with all
its samples. The packets do not say how much of the beginning is the encoder's delay (6.5 ms for
libopus), so it is kept. Thread: one at a time. Source: RFC 6716; libopus through FFmpeg.
"""

from __future__ import annotations

import av
import numpy as np

from gapless.audio.demux import mono
from gapless.audio.format import DECODED_RATE_HZ
from gapless.audio.types import Samples
from gapless.errors import InvalidAudioError


class OpusDecoder:
    """Decodes one stream of Opus packets."""

    def __init__(self) -> None:
        self._codec = new_codec()

    @property
    def latency_samples(self) -> int:
        """Whole samples are never held back."""
        return 0

    def process(self, block: bytes) -> Samples:
        """Decode one packet; an empty block is no packet.

        Raises:
            InvalidAudioError: the block is not an Opus packet. The next one may be.
        """
        if not block:
            return np.empty(0, np.float32)
        try:
            frames = self._codec.decode(av.Packet(block))
        except av.FFmpegError as error:
            raise InvalidAudioError(
                f"a block of {len(block)} bytes is not an Opus packet; send one raw packet in each "
                "frame, or use encoding=auto for Ogg or WebM",
                param="encoding",
            ) from error
        return np.concatenate([np.empty(0, np.float32), *map(mono, frames)])

    def flush(self) -> Samples:
        """End the stream: nothing is held back."""
        return np.empty(0, np.float32)

    def reset(self) -> None:
        """Begin a new stream."""
        self._codec = new_codec()

    def close(self) -> None:
        """Nothing is held."""


def new_codec() -> av.AudioCodecContext:
    """A libopus decoder; asked for two channels it spreads mono packets over both."""
    codec = av.AudioCodecContext.create("libopus", "r")
    codec.sample_rate = DECODED_RATE_HZ
    codec.layout = "stereo"
    return codec
