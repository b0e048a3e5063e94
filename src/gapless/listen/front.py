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
from gapless.listen.vad import Vad


class Front:
    """Resample, denoise if asked to, and detect voice. ``close`` it.

    Args:
        rate_hz: of the stream.
        denoise: amount of noise removed, 0..1.
        vad: detects the voice; None where nobody asks.
    """

    def __init__(self, rate_hz: int, denoise: float, vad: Vad | None) -> None:
        self._cleaning = _cleaning_stages(rate_hz, denoise)
        self._vad = vad

    @property
    def blocks(self) -> bool:
        """Whether ``process`` computes for so long that it has no place on an event loop."""
        return any(not isinstance(stage, Resampler) for stage in self._cleaning)

    @property
    def submitted(self) -> int:
        """Windows whose judgement was asked for, so far."""
        return self._vad.submitted if self._vad is not None else 0

    @property
    def pending(self) -> int:
        """Windows that are not judged yet."""
        return self._vad.pending if self._vad is not None else 0

    def process(self, samples: Samples) -> Samples:
        """The next samples at 16 kHz; their windows are on their way to being judged."""
        for stage in self._cleaning:
            samples = stage.process(samples)
        if self._vad is not None:
            self._vad.submit(samples)
        return samples

    def flush(self, expected: int) -> Samples:
        """What is still inside; afterwards the front is as new.

        Args:
            expected: how many samples are still due, so that no rounding of the rates adds up over many flushes.
        """
        tail: Samples = np.empty(0, np.float32)
        for stage in self._cleaning:
            tail = np.concatenate((stage.process(tail), stage.flush()))
            stage.reset()
        tail = np.pad(tail[: max(expected, 0)], (0, max(expected - len(tail), 0)))
        if self._vad is not None:
            self._vad.submit(tail)
            self._vad.pad()
            self._vad.reset()
        return tail

    @property
    def judged(self) -> int:
        """Windows whose judgement was taken, so far."""
        return self.submitted - self.pending

    def judge(self, most: int) -> npt.NDArray[np.float32]:
        """The probabilities that are there and were not taken yet, ``most`` at most."""
        return self._vad.take(most) if self._vad is not None else np.empty(0, np.float32)

    def close(self) -> None:
        """Give back what the detector holds. Idempotent."""
        if self._vad is not None:
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
