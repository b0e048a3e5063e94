"""How much of a stretch of sound is speech, for the guards: the voice detector, over a whole utterance at once.

In: 16 kHz samples. Out: milliseconds of speech in a stretch of them. Invariants: nothing is computed before somebody
asks; a detector that cannot be had (too much to do) is "not known", and no error. Thread: one at a time; blocks.
"""

from __future__ import annotations

from typing import Final, final

import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import GaplessError
from gapless.infer.inference import Inference
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.listen.vad import Probabilities, Vad

SPEECH: Final = 0.5
"""Probability from which on a window counts as speech."""


@final
class SpeechOf:
    """Speech in one utterance.

    Args:
        samples: the utterance.
        inference: what runs the voice detector; None: nothing is known.
    """

    def __init__(self, samples: Samples, inference: Inference | None) -> None:
        self._samples = samples
        self._inference = inference
        self._probabilities: Probabilities | None = None

    def speech_ms(self, start_ms: int, end_ms: int) -> int | None:
        """Speech between two moments; None: not known."""
        if self._probabilities is None:
            self._probabilities = self._detect()
        if self._probabilities is None:
            return None
        window_ms = WINDOW_SAMPLES * 1000 / LISTEN_RATE_HZ
        window = self._probabilities[int(start_ms / window_ms) : int(np.ceil(end_ms / window_ms))]
        return min(round(int(np.count_nonzero(window >= SPEECH)) * window_ms), end_ms - start_ms)

    def _detect(self) -> Probabilities | None:
        if self._inference is None:
            return None
        vad = Vad(self._inference)
        try:
            return np.concatenate([vad.process(self._samples), vad.flush()])
        except GaplessError:
            return None
        finally:
            vad.close()
