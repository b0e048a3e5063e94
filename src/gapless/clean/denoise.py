"""The denoising stage: as much of RNNoise as is asked for, mixed with the original in step.

In: 48 kHz samples, in any split. Out: as many samples, where they were. Invariants: the original is delayed as RNNoise
delays, so a mix never combs; changes of ``amount`` fade over 10 ms; whatever comes in, what goes out is finite.
Thread: one at a time; ``amount`` may be set from any.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

import numpy as np

from gapless.audio.finite import PEAK
from gapless.audio.types import Samples
from gapless.clean.rnnoise import DELAY_SAMPLES, FRAME_SAMPLES, Rnnoise
from gapless.errors import ConfigError

DELAY_FRAMES: Final = DELAY_SAMPLES // FRAME_SAMPLES

FADE: Final = np.arange(1, FRAME_SAMPLES + 1, dtype=np.float32) / FRAME_SAMPLES
"""The part of a change of ``amount`` that has been made, over the 10 ms of a frame."""


@final
class Denoiser:
    """Removes noise from one stream at 48 kHz."""

    def __init__(self, amount: float = 1.0) -> None:
        """Open an RNNoise state.

        Args:
            amount: 0 leaves the audio as it is, 1 is all that RNNoise does.

        Raises:
            ConfigError: ``amount`` is out of its range.
            MissingDependencyError: RNNoise is not installed.
        """
        self.amount = amount
        self._rnnoise = Rnnoise()
        self._waiting: Samples = np.empty(0, np.float32)
        """Less than a frame."""
        self._original: deque[Samples] = deque()
        """The frames that are inside RNNoise, as they came."""
        self._mixed = self._amount
        """The amount at the end of the last frame that went out."""

    @property
    def amount(self) -> float:
        """How much of the noise is removed, 0..1."""
        return self._amount

    @amount.setter
    def amount(self, amount: float) -> None:
        if not 0 <= amount <= 1:
            raise ConfigError(
                f"denoise = {amount} is not usable: it must be a number from 0 to 1",
                param="denoise",
            )
        self._amount = float(amount)

    @property
    def latency_samples(self) -> int:
        """RNNoise's delay, and a frame that lacks its last sample."""
        return DELAY_SAMPLES + FRAME_SAMPLES - 1

    def process(self, block: Samples) -> Samples:
        """Take the next samples, return those that are clean by now."""
        samples = np.concatenate((self._waiting, _tamed(block)))
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        self._waiting = samples[whole:].copy()
        outputs = [np.empty(0, np.float32)]
        for frame in samples[:whole].reshape(-1, FRAME_SAMPLES):
            # RNNoise hears everything at any amount: it knows the noise when the amount is raised.
            wet = self._rnnoise.process(frame)
            self._original.append(frame.copy())
            if len(self._original) > DELAY_FRAMES:
                outputs.append(self._mix(self._original.popleft(), wet))
        return np.concatenate(outputs)

    def flush(self) -> Samples:
        """What is still inside, with silence behind it."""
        due = len(self._waiting) + len(self._original) * FRAME_SAMPLES
        padding = -len(self._waiting) % FRAME_SAMPLES + DELAY_SAMPLES
        return self.process(np.zeros(padding, np.float32))[:due]

    def reset(self) -> None:
        """Forget the stream; ``amount`` stays."""
        self._rnnoise.reset()
        self._waiting = np.empty(0, np.float32)
        self._original.clear()
        self._mixed = self._amount

    def close(self) -> None:
        """Free the RNNoise state now rather than when collected. Idempotent."""
        self._rnnoise.close()

    def _mix(self, dry: Samples, wet: Samples) -> Samples:
        start, self._mixed = self._mixed, self._amount
        if start == self._mixed == 0:
            return dry  # as it came, even the sign of a zero
        amount = start + (self._mixed - start) * FADE
        return dry + amount * (wet - dry)


def _tamed(block: Samples) -> Samples:
    # One NaN, or a number near the largest floats, would stay in RNNoise's recurrent state to the end of the stream.
    return np.clip(np.nan_to_num(block, nan=0.0), -PEAK, PEAK)
