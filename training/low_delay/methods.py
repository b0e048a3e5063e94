"""What is compared: nothing, RNNoise as it is and with a floor, and the 4 ms that ship.

In: noisy samples at 48 kHz. Out: denoised samples, and how late they are. Invariants: all but ``unprocessed`` and
``native`` let 5 % (-26 dB) of what they take away through, so pauses are compared fairly. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from gapless.clean.low_delay.offline import NEVER, speculative_gains, suppress_with
from gapless.clean.low_delay.weights import load_weights
from gapless.clean.rnnoise import DELAY_SAMPLES, FRAME_SAMPLES, Rnnoise

FloatArray = npt.NDArray[np.float32]

FLOOR: Final = np.float32(0.05)
"""Amplitude, -26 dB."""

REFERENCE: Final = "native + 5 % dry"


class Denoised(NamedTuple):
    """What a method gave."""

    samples: FloatArray
    delay_samples: int


class Heard:
    """One noisy recording, and what several methods need of it, computed once.

    Args:
        noisy: float32 at 48 kHz, whole frames of 10 ms.
    """

    def __init__(self, noisy: FloatArray) -> None:
        self.noisy: Final = noisy

    @cached_property
    def native(self) -> FloatArray:
        """RNNoise's output, 20 ms late."""
        state = Rnnoise()
        frames = [state.process(frame) for frame in self.noisy.reshape(-1, FRAME_SAMPLES)]
        state.close()
        return np.concatenate(frames)

    @cached_property
    def gains(self) -> tuple[FloatArray, FloatArray]:
        """RNNoise's gains by speculation, and its probabilities of speech."""
        return speculative_gains(self.noisy)


def unprocessed(heard: Heard) -> Denoised:
    """The microphone itself."""
    return Denoised(heard.noisy, 0)


def native(heard: Heard) -> Denoised:
    """RNNoise as it is."""
    return Denoised(heard.native, DELAY_SAMPLES)


def native_with_floor(heard: Heard) -> Denoised:
    """RNNoise with 5 % of the microphone, delayed alike."""
    dry = np.concatenate([np.zeros(DELAY_SAMPLES, np.float32), heard.noisy])[: heard.noisy.size]
    return Denoised((1 - FLOOR) * heard.native + FLOOR * dry, DELAY_SAMPLES)


def low_delay(late_hops: int, heard: Heard) -> Denoised:
    """What ships, with gains that come so many hops of 2 ms late, or ``NEVER``; its own 4 ms are taken out already."""
    gains, vad = heard.gains
    late = np.full(len(gains), late_hops)
    return Denoised(suppress_with(heard.noisy, gains, vad, late, load_weights()), 0)


METHODS: Final[dict[str, Callable[[Heard], Denoised]]] = {
    "unprocessed": unprocessed,
    "native": native,
    REFERENCE: native_with_floor,
    "low delay": partial(low_delay, 0),
    "low delay, 2 ms late": partial(low_delay, 1),
    "low delay, 10 ms late": partial(low_delay, 5),
    "low delay, no RNNoise": partial(low_delay, NEVER),
}
