"""How likely each 32 ms of sound is speech: the Silero network, streamed.

In: 16 kHz samples, finite, in any split. Out: one probability per window of 512 samples. Invariants: the same samples
give the same probabilities, whatever the split; whoever else uses the engine changes at most their last bits, because
windows of all streams that wait at one moment are judged together. Thread: one at a time.

Source: Silero VAD 6 (MIT), github.com/snakers4/silero-vad; its network for many streams is
``infer/builtin/silero_vad``.
"""

from __future__ import annotations

from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.infer.inference import Inference, Request, Sequence
from gapless.listen.segment import WINDOW_SAMPLES

VAD_MODEL: Final = "silero_vad"

CONTEXT_SAMPLES: Final = 64
"""Samples of the window before that the network sees again, as in its training. Without them it is wrong, silently."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_windows], 0..1."""


@final
class Vad:
    """Voice activity of one stream. From its first whole window on it has a place in the engine: ``close`` it.

    Args:
        inference: what runs the network.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._sequence: Sequence | None = None
        self._window = np.zeros((1, CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        """Context, then the window being filled."""
        self._filled = 0

    @property
    def latency_samples(self) -> int:
        """A window is judged with its last sample."""
        return WINDOW_SAMPLES - 1

    def process(self, block: Samples) -> Probabilities:
        """Take the next samples, return the probabilities of the windows that are complete; blocks meanwhile.

        Raises:
            OverloadError: the engine has no place for another stream, or too much to do.
            ModelError: the network cannot be loaded.
        """
        probabilities = []
        while len(block) >= WINDOW_SAMPLES - self._filled:
            taken = WINDOW_SAMPLES - self._filled
            self._fill(block[:taken])
            probabilities.append(self._judge())
            block = block[taken:]
        self._fill(block)
        return np.array(probabilities, np.float32)

    def flush(self) -> Probabilities:
        """Judge what is left, with silence behind it."""
        if self._filled == 0:
            return np.empty(0, np.float32)
        return self.process(np.zeros(WINDOW_SAMPLES - self._filled, np.float32))

    def reset(self) -> None:
        """Forget everything."""
        self._filled = 0
        self._window.fill(0)
        if self._sequence is not None:
            self._sequence.reset()

    def close(self) -> None:
        """Give the place in the engine back. Idempotent."""
        if self._sequence is not None:
            self._sequence.close()

    def _fill(self, samples: Samples) -> None:
        start = CONTEXT_SAMPLES + self._filled
        self._window[0, start : start + len(samples)] = samples
        self._filled += len(samples)

    def _judge(self) -> float:
        if self._sequence is None:
            self._sequence = self._inference.open_sequence(VAD_MODEL)
        request = Request(model=VAD_MODEL, inputs={"input": self._window}, sequence=self._sequence)
        (probability,) = self._inference.infer(request).outputs["speech_probs"]
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._filled = 0
        return float(probability)
