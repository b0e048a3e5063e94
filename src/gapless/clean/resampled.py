"""A denoiser at another rate than its own, such as a 16 kHz one in a 48 kHz stream.

In: frames at the stream's rate. Out: as many samples, later by the denoiser's delay and those of two filters.
Invariants: every frame in gives a whole frame out, from the first on; the declared delay is exact, in samples; what
lies above half the denoiser's rate is gone from the output. Thread: one at a time.

The filters (``audio.resample``) wait for the samples ahead that their sincs reach. At the start of a stream they
therefore give fewer samples than they were fed; zeros in front make up for these once, and from then on everything is
later by their number.
"""

from __future__ import annotations

from typing import final

import numpy as np

from gapless.audio.resample import Resampler
from gapless.audio.types import Samples
from gapless.clean.contract import FrameDenoiser
from gapless.clean.repair import repaired
from gapless.errors import ModelError


@final
class Resampled:
    """A ``FrameDenoiser`` at ``rate_hz`` over one at a lower rate, which it owns.

    Args:
        denoiser: its rate divides ``rate_hz``; at the start of a stream.
        rate_hz: of the stream.

    Raises:
        ModelError: its rate does not divide ``rate_hz``, or it failed.
    """

    _low: Samples
    """Samples at the denoiser's rate that it has not heard."""
    _high: Samples
    """Clean samples that did not go out."""

    def __init__(self, denoiser: FrameDenoiser, rate_hz: int) -> None:
        if rate_hz % denoiser.rate_hz:
            raise ModelError(
                f"{denoiser.name} runs at {denoiser.rate_hz} Hz, which does not divide {rate_hz} Hz; "
                "use a model for a rate that does"
            )
        self._denoiser = denoiser
        self._rate_hz = rate_hz
        self._ratio = rate_hz // denoiser.rate_hz
        self._down = Resampler(rate_hz, denoiser.rate_hz)
        self._up = Resampler(denoiser.rate_hz, rate_hz)
        # An output of the first filter is there once the samples ahead of its instant are: late by whole outputs.
        self._behind_down = -(-self._down.latency_samples // self._ratio)
        self._behind_up = self._up.latency_samples * self._ratio
        self._prime()
        # The filters' code is loaded at its first call, which must not be one of the stream.
        self.process(np.zeros(self.frame_samples, np.float32))
        self.reset()

    @property
    def name(self) -> str:
        """Of the denoiser."""
        return self._denoiser.name

    @property
    def rate_hz(self) -> int:
        """Of the stream."""
        return self._rate_hz

    @property
    def frame_samples(self) -> int:
        """Samples per call, at the stream's rate."""
        return self._denoiser.frame_samples * self._ratio

    @property
    def delay_samples(self) -> int:
        """How much later its output comes than its input, at the stream's rate."""
        inside = self._behind_down + self._denoiser.delay_samples
        return inside * self._ratio + self._behind_up

    @property
    def denoiser(self) -> FrameDenoiser:
        """The one inside."""
        return self._denoiser

    def process(self, frame: Samples) -> Samples:
        """Clean one frame.

        Args:
            frame: float32 [frame_samples]; what is no sound in it is repaired first.

        Returns:
            float32 [frame_samples], the caller's own.

        Raises:
            ModelError: it is closed, the frame has another length, or the model failed.
        """
        if frame.shape != (self.frame_samples,):
            raise ModelError(
                f"{self.name} at {self._rate_hz} Hz takes frames of {self.frame_samples} samples, "
                f"not {frame.shape}; split the audio"
            )
        size = self._denoiser.frame_samples
        self._low = np.concatenate((self._low, self._down.process(repaired(frame))))
        clean = self._denoiser.process(self._low[:size])
        self._low = self._low[size:]
        self._high = np.concatenate((self._high, self._up.process(clean)))
        output = self._high[: self.frame_samples].copy()
        self._high = self._high[self.frame_samples :]
        return output

    def reset(self) -> None:
        """Forget the stream: afterwards this behaves as a new one.

        Raises:
            ModelError: it is closed.
        """
        self._denoiser.reset()
        self._down.reset()
        self._up.reset()
        self._prime()

    def close(self) -> None:
        """Free the denoiser. Idempotent."""
        self._denoiser.close()

    def _prime(self) -> None:
        self._low = np.zeros(self._behind_down, np.float32)
        self._high = np.zeros(self._behind_up, np.float32)
