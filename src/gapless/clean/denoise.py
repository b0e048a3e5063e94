"""The denoising stage: as much of a denoiser as is asked for, mixed with the original in step.

In: samples at the denoiser's rate, in any split. Out: as many samples, where they were. Invariants: the original is
delayed as the denoiser delays, so a mix never combs; changes of ``amount`` fade over a frame (10 ms for RNNoise);
whatever comes in, what goes out is finite. Thread: one at a time; ``amount`` may be set from any.
"""

from __future__ import annotations

from typing import final

import numpy as np

from gapless.audio.finite import PEAK
from gapless.audio.types import Samples
from gapless.clean.contract import FrameDenoiser
from gapless.clean.rnnoise import Rnnoise
from gapless.errors import ConfigError


@final
class Denoiser:
    """Removes noise from one stream."""

    _waiting: Samples
    """Less than a frame."""
    _original: Samples
    """What is inside the model, as it came."""
    _early: int
    """Samples that the model will give before it answers the first one."""
    _mixed: float
    """The amount at the end of what went out."""

    def __init__(self, amount: float = 1.0, model: FrameDenoiser | None = None) -> None:
        """Begin a stream.

        Args:
            amount: 0 leaves the audio as it is, 1 is all that the model does.
            model: at the start of a stream; closed with this. None: RNNoise, for 48 kHz.

        Raises:
            ConfigError: ``amount`` is out of its range.
            MissingDependencyError: RNNoise is not installed.
        """
        self.amount = amount
        self._model = Rnnoise() if model is None else model
        frame = self._model.frame_samples
        self._fade = np.arange(1, frame + 1, dtype=np.float32) / np.float32(frame)
        """The part of a change of ``amount`` that has been made, over a frame."""
        self._begin()

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
        """The model's delay, and a frame that lacks its last sample."""
        return self._model.delay_samples + self._model.frame_samples - 1

    def process(self, block: Samples) -> Samples:
        """Take the next samples, return those that are clean by now.

        Raises:
            ModelError: it is closed, or the model failed.
        """
        size = self._model.frame_samples
        samples = np.concatenate((self._waiting, _tamed(block)))
        whole = len(samples) - len(samples) % size
        self._waiting = samples[whole:].copy()
        outputs = [np.empty(0, np.float32)]
        for frame in samples[:whole].reshape(-1, size):
            # The model hears everything at any amount: it knows the noise when the amount is raised.
            wet = self._model.process(frame)
            early = min(self._early, size)
            self._early -= early
            self._original = np.concatenate((self._original, frame))
            dry, self._original = np.split(self._original, [size - early])
            outputs.append(self._mix(dry, wet[early:]))
        return np.concatenate(outputs)

    def flush(self) -> Samples:
        """What is still inside, with silence behind it."""
        due = len(self._waiting) + len(self._original)
        size = self._model.frame_samples
        padding = -len(self._waiting) % size + -(-self._model.delay_samples // size) * size
        return self.process(np.zeros(padding, np.float32))[:due]

    def reset(self) -> None:
        """Forget the stream; ``amount`` stays."""
        self._model.reset()
        self._begin()

    def close(self) -> None:
        """Free the model now rather than when collected. Idempotent."""
        self._model.close()

    def _begin(self) -> None:
        self._waiting = np.empty(0, np.float32)
        self._original = np.empty(0, np.float32)
        self._early = self._model.delay_samples
        self._mixed = self._amount

    def _mix(self, dry: Samples, wet: Samples) -> Samples:
        if len(dry) == 0:
            return dry
        start, self._mixed = self._mixed, self._amount
        if start == self._mixed == 0:
            return dry  # as it came, even the sign of a zero
        amount = start + (self._mixed - start) * self._fade[-len(dry) :]
        return dry + amount * (wet - dry)


def _tamed(block: Samples) -> Samples:
    # Also for the original, which goes out where the amount is less than 1.
    return np.clip(np.nan_to_num(block, nan=0.0), -PEAK, PEAK)
