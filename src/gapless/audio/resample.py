"""Change the rate of a live signal with a small constant delay.

In: float32 samples at ``in_hz``. Out: float32 samples at ``out_hz``. Invariants: the laws of
``audio.stage``; linear phase; n samples in give ceil(n * out / in) samples out in all; what lies
above half the lower rate comes out at least 80 dB weaker, what lies below 0.86 of it within
0.1 dB. Thread: one at a time.

A block waits for the 32 zero crossings of the filter's sinc that lie in its future: 2 ms from 48 to
16 kHz. For files, where delay is no matter, ``audio.files`` uses soxr.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.dsp.fir import design_taps, polyphase, taps_per_phase
from gapless.errors import UnsupportedAudioError

ZERO_CROSSINGS: Final = 32
CUTOFF: Final = 0.92
BETA: Final = 8.0
"""With these three the transition band ends where aliasing would begin, 80 dB down."""

MAX_TAPS: Final = 2**22
"""Bound of a filter's table: 16 MiB, enough for any two rates up to 48 kHz."""


class Resampler:
    """Changes the rate of one stream.

    Args:
        in_hz: rate of the samples that come in.
        out_hz: rate of the samples that go out. With equal rates samples pass as they are.

    Raises:
        UnsupportedAudioError: a rate is not positive, or their ratio is too far from simple.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        if in_hz < 1 or out_hz < 1:
            raise UnsupportedAudioError(
                f"cannot resample from {in_hz} to {out_hz} Hz; rates must be positive",
                param="rate_hz",
            )
        common = math.gcd(in_hz, out_hz)
        self._up, self._down = out_hz // common, in_hz // common
        self._taps = None if in_hz == out_hz else taps_for(self._up, self._down)
        self._half = 0 if self._taps is None else self._taps.shape[1] // 2
        self.reset()

    @property
    def latency_samples(self) -> int:
        """Input samples that lie in the future of an output."""
        return self._half

    def process(self, block: Samples) -> Samples:
        """Take samples at ``in_hz``, return those that are ready at ``out_hz``."""
        self._fed += len(block)
        return self._answer(block, self._fed - self._half)

    def flush(self) -> Samples:
        """Return the last samples; behind the end there is silence."""
        return self._answer(np.zeros(self._half, np.float32), self._fed)

    def reset(self) -> None:
        """Forget everything."""
        self._fed = 0
        """Input samples taken so far."""
        self._answered = 0
        """Output samples returned so far."""
        self._start = 1 - self._half
        """Position of the first kept sample; before position 0 there is silence."""
        self._kept: Samples = np.zeros(max(self._half - 1, 0), np.float32)

    def _answer(self, block: Samples, ready: int) -> Samples:
        """Every output whose instant lies before input position ``ready``."""
        if self._taps is None:
            return block.copy()
        signal = np.concatenate((self._kept, block))
        total = max(-(-ready * self._up // self._down), self._answered)
        out = np.empty(total - self._answered, np.float32)
        position, phase = divmod(self._answered * self._down, self._up)
        first = position - self._half + 1
        polyphase(signal, self._taps, first - self._start, phase, self._down, out)
        self._answered = total
        position = total * self._down // self._up
        keep_from = min(position - self._half + 1 - self._start, len(signal))
        self._kept = signal[keep_from:].copy()
        self._start += keep_from
        return out


@lru_cache(maxsize=16)
def taps_for(up: int, down: int) -> npt.NDArray[np.float32]:
    """The filter for a ratio in lowest terms, shared by all streams that need it.

    Raises:
        UnsupportedAudioError: the table would be larger than ``MAX_TAPS``.
    """
    if up * taps_per_phase(up, down, zero_crossings=ZERO_CROSSINGS) > MAX_TAPS:
        raise UnsupportedAudioError(
            f"cannot resample by {up}/{down}; convert the audio to a usual rate such as 16000 or "
            "48000 Hz first",
            param="rate_hz",
        )
    taps = design_taps(up, down, zero_crossings=ZERO_CROSSINGS, cutoff=CUTOFF, beta=BETA)
    taps.flags.writeable = False
    return taps
