"""How likely each 32 ms of sound is speech: the Silero network, streamed.

In: 16 kHz samples, finite, in any split. Out: one probability per window of 512 samples. Invariants: the same samples
give the same bits, whatever the split and whoever else uses the model. Thread: ``VadModel`` any, ``Vad`` one at a time.

Source: Silero VAD 6 (MIT), github.com/snakers4/silero-vad; the ONNX file is the one that faster-whisper carries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.infer.carried import find_carried
from gapless.infer.onnx import Tensor, open_model
from gapless.listen.segment import WINDOW_SAMPLES

CONTEXT_SAMPLES: Final = 64
"""Samples of the window before that the network sees again, as in its training. Without them it is wrong, silently."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_windows], 0..1."""


@final
class VadModel:
    """The loaded network; one is enough for all streams."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the network.

        Args:
            path: the ONNX file; None takes the one that faster-whisper carries.

        Raises:
            MissingDependencyError: ONNX Runtime or the file is missing.
            ModelError: the file is damaged.
        """
        if path is None:
            path = find_carried(
                "faster_whisper", "assets/silero_vad_v6.onnx", install="faster-whisper"
            )
        self._model = open_model(path)

    def judge(
        self, window: Tensor, memory: tuple[Tensor, Tensor]
    ) -> tuple[float, tuple[Tensor, Tensor]]:
        """Judge one window.

        Args:
            window: float32 [1, 576]: the last 64 samples of the window before, then 512 new ones.
            memory: the network's state after the window before.

        Returns:
            The probability of speech, and the state after this window.
        """
        probability, hidden, cell = self._model.run(
            ("speech_probs", "hn", "cn"), {"input": window, "h": memory[0], "c": memory[1]}
        )
        return float(probability[0]), (hidden, cell)


@final
class Vad:
    """Voice activity of one stream."""

    def __init__(self, model: VadModel) -> None:
        self._model = model
        self._window = np.zeros((1, CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        """Context, then the window being filled."""
        self.reset()

    @property
    def latency_samples(self) -> int:
        """A window is judged with its last sample."""
        return WINDOW_SAMPLES - 1

    def process(self, block: Samples) -> Probabilities:
        """Take the next samples, return the probabilities of the windows that are complete.

        Windows are judged one by one, so that the split of the stream cannot show in the bits: nothing promises that
        sums are formed in the same order for any number of windows. Measured, it costs 20 us in 32 ms.
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
        self._memory = _blank_memory()

    def _fill(self, samples: Samples) -> None:
        start = CONTEXT_SAMPLES + self._filled
        self._window[0, start : start + len(samples)] = samples
        self._filled += len(samples)

    def _judge(self) -> float:
        probability, self._memory = self._model.judge(self._window, self._memory)
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._filled = 0
        return probability


def _blank_memory() -> tuple[Tensor, Tensor]:
    return np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
