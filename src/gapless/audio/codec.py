"""From the bytes of a stream to samples, block by block.

In: bytes in the declared format, in any split (``opus``: one packet a block). Out: mono float32
samples at ``AudioFormat.output_rate_hz``. Invariants: the laws of ``audio.stage``; all that could
be decoded is returned before an error is raised. Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from gapless.audio.finite import finite
from gapless.audio.format import AudioFormat
from gapless.audio.stage import Stage
from gapless.audio.types import Samples
from gapless.dsp import pcm
from gapless.errors import InvalidAudioError, UnsupportedAudioError


class Decoder(Stage[bytes, Samples], Protocol):
    """A stage from bytes to samples that may hold a thread or a codec.

    ``flush`` raises ``InvalidAudioError`` if the stream ended in the middle of a sample; everything
    before has been returned by then. ``latency_samples`` counts whole decoded samples; what a
    compressed stream holds in bytes is up to whoever wrote it.
    """

    def close(self) -> None:
        """Give back what is held. Idempotent; nothing may follow."""
        ...


def open_decoder(audio: AudioFormat) -> Decoder:
    """A decoder for a stream of this format."""
    if audio.encoding == "auto":
        from gapless.audio.container import ContainerDecoder

        return ContainerDecoder()
    if audio.encoding == "opus":
        from gapless.audio.opus import OpusDecoder

        return OpusDecoder()
    return PcmDecoder(audio)


class PcmDecoder:
    """Decodes samples of constant size: PCM and G.711.

    Args:
        audio: the format; its frames may be cut anywhere by the blocks.

    Raises:
        UnsupportedAudioError: the encoding's samples have no constant size.
    """

    def __init__(self, audio: AudioFormat) -> None:
        if audio.frame_bytes is None:
            raise UnsupportedAudioError(
                f"{audio.encoding} is not PCM; use open_decoder", param="encoding"
            )
        self._convert = CONVERTERS[audio.encoding]
        self._checked = audio.encoding == "pcm_f32le"
        self._channels = audio.channels
        self._frame_bytes = audio.frame_bytes
        self._partial = b""
        """The beginning of a frame whose end has not come yet."""

    @property
    def latency_samples(self) -> int:
        """Whole samples are never held back."""
        return 0

    def process(self, block: bytes) -> Samples:
        """Decode all whole frames.

        Raises:
            InvalidAudioError: a sample is not a finite number.
        """
        data = self._partial + block
        whole = len(data) - len(data) % self._frame_bytes
        self._partial = data[whole:]
        samples = self._convert(data[:whole])
        if self._checked:
            samples = finite(samples)
        return pcm.mix_down(samples.reshape(-1, self._channels).T)

    def flush(self) -> Samples:
        """End the stream.

        Raises:
            InvalidAudioError: it ended in the middle of a frame.
        """
        if self._partial:
            raise InvalidAudioError(
                f"the audio ended in the middle of a sample: {len(self._partial)} of "
                f"{self._frame_bytes} bytes came; check encoding and channels, and send whole "
                "samples",
                param="encoding",
            )
        return np.empty(0, np.float32)

    def reset(self) -> None:
        """Forget a partial frame."""
        self._partial = b""

    def close(self) -> None:
        """Nothing is held."""


CONVERTERS: Final[dict[str, Callable[[bytes], Samples]]] = {
    "pcm_s16le": pcm.from_s16le,
    "pcm_s32le": pcm.from_s32le,
    "pcm_f32le": pcm.from_f32le,
    "mulaw": pcm.from_mulaw,
    "alaw": pcm.from_alaw,
}
