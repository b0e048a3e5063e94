"""The front of the listening chain: samples at any rate in, 16 kHz samples and speech probabilities out.

Invariants: the samples are aligned with the input (no stage shifts them), so positions are audio time.
Thread: its listener's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.audio.resample import Resampler
from gapless.audio.stage import Stage
from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ, Samples
from gapless.infer.inference import Inference
from gapless.listen.vad import Vad


class Front:
    """Resample, denoise if asked to, and detect voice. ``close`` it."""

    def __init__(self, rate_hz: int, denoise: float, inference: Inference) -> None:
        self._cleaning = _cleaning_stages(rate_hz, denoise)
        self._vad = Vad(inference)

    def process(self, samples: Samples) -> tuple[Samples, npt.NDArray[np.float32]]:
        """The next samples at 16 kHz, and the probabilities of the windows that became complete."""
        for stage in self._cleaning:
            samples = stage.process(samples)
        return samples, self._vad.process(samples)

    def flush(self, expected: int) -> tuple[Samples, npt.NDArray[np.float32]]:
        """What is still inside; afterwards the front is as new.

        Args:
            expected: how many samples are still due, so that no rounding of the rates adds up over many flushes.
        """
        tail: Samples = np.empty(0, np.float32)
        for stage in self._cleaning:
            tail = np.concatenate((stage.process(tail), stage.flush()))
            stage.reset()
        tail = np.pad(tail[: max(expected, 0)], (0, max(expected - len(tail), 0)))
        probabilities = np.concatenate((self._vad.process(tail), self._vad.flush()))
        self._vad.reset()
        return tail, probabilities

    def close(self) -> None:
        """Give back what the detector holds. Idempotent."""
        self._vad.close()


def _cleaning_stages(rate_hz: int, denoise: float) -> list[Stage[Samples, Samples]]:
    if denoise == 0:
        return _resampling(rate_hz, LISTEN_RATE_HZ)
    from gapless.clean.denoise import Denoiser

    return [
        *_resampling(rate_hz, DENOISE_RATE_HZ),
        Denoiser(denoise),
        *_resampling(DENOISE_RATE_HZ, LISTEN_RATE_HZ),
    ]


def _resampling(in_hz: int, out_hz: int) -> list[Stage[Samples, Samples]]:
    return [] if in_hz == out_hz else [Resampler(in_hz, out_hz)]
