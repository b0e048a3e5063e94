"""How likely each 32 ms of sound is speech: the Silero network, streamed.

In: 16 kHz samples, finite, in any split. Out: one probability per window of 512 samples. Invariants: the same samples
give the same probabilities, whatever the split; whoever else uses the engine changes at most their last bits, because
windows of all streams that wait at one moment are judged together. Thread: one at a time; answers come from any.

Source: Silero VAD 6 (MIT), github.com/snakers4/silero-vad; its network for many streams is
``infer/builtin/silero_vad``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.errors import OverloadError
from gapless.infer.inference import Inference, Outcome, Request, Result, Sequence
from gapless.infer.spans import step_span
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.observe.traces import Record

VAD_MODEL: Final = "silero_vad"

CONTEXT_SAMPLES: Final = 64
"""Samples of the window before that the network sees again, as in its training. Without them it is wrong, silently."""

UNDER_WAY: Final = 8
"""Windows of one stream that the engine has at a time, a quarter of a second: more come where audio is not paced."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_windows], 0..1."""


@final
class Vad:
    """Voice activity of one stream. From its first whole window on it has a place in the engine: ``close`` it.

    Windows are submitted, and their probabilities taken when they are there; without ``wake`` that is at once, for
    ``submit`` blocks.

    Args:
        inference: what runs the network.
        wake: called from any thread when there is something to take.
        bulk: whether the windows of live streams go first.
        alone: whether each window has a call of its own.
        record: takes how long each window took, for a trace.
    """

    def __init__(
        self,
        inference: Inference,
        wake: Callable[[], None] | None = None,
        *,
        bulk: bool = False,
        alone: bool = False,
        record: Record | None = None,
    ) -> None:
        self._inference = inference
        self._bulk = bulk
        self._alone = alone
        self._record = record
        self._wake = wake
        self._sequence: Sequence | None = None
        self._window = np.zeros((1, CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        """Context, then the window being filled."""
        self._filled = 0
        self._waiting: deque[npt.NDArray[np.float32] | None] = deque()
        """Windows that the engine does not have yet; None: a reset in its place among them."""
        self._submitted = 0
        """Windows so far."""
        self._asked = 0
        """Of them, those that the engine was given."""
        self._taken = 0
        self._answers: dict[int, Outcome] = {}
        """By number of the window: executors may tell them in another order."""

    @property
    def latency_samples(self) -> int:
        """A window is judged with its last sample."""
        return WINDOW_SAMPLES - 1

    @property
    def submitted(self) -> int:
        """Windows submitted so far."""
        return self._submitted

    @property
    def pending(self) -> int:
        """Windows that were submitted and not taken."""
        return self._submitted - self._taken

    def submit(self, block: Samples) -> None:
        """Hear the next samples.

        Raises:
            OverloadError: the engine has no place for another stream, or too much to do.
            ModelError: the network cannot be loaded.
        """
        while len(block) >= WINDOW_SAMPLES - self._filled:
            taken = WINDOW_SAMPLES - self._filled
            self._fill(block[:taken])
            self._judge()
            block = block[taken:]
        self._fill(block)

    def take(self, most: int | None = None) -> Probabilities:
        """The probabilities that are there, in order.

        Args:
            most: windows to take at most.

        Raises:
            GaplessError: a window could not be judged.
        """
        probabilities: list[float] = []
        while (most is None or len(probabilities) < most) and self._taken in self._answers:
            self._ask()
            outcome = self._answers.pop(self._taken)
            self._taken += 1
            if not isinstance(outcome, Result):
                raise outcome
            probabilities.append(float(outcome.outputs["speech_probs"][0]))
        self._ask()
        return np.array(probabilities, np.float32)

    def pad(self) -> None:
        """Submit what is left, with silence behind it."""
        if self._filled:
            self.submit(np.zeros(WINDOW_SAMPLES - self._filled, np.float32))

    def process(self, block: Samples) -> Probabilities:
        """Take the next samples, return the probabilities of the windows that are complete; without ``wake`` only."""
        self.submit(block)
        return self.take()

    def flush(self) -> Probabilities:
        """Judge what is left, with silence behind it; without ``wake`` only."""
        self.pad()
        return self.take()

    def reset(self) -> None:
        """Forget everything; takes effect behind what was submitted."""
        self._filled = 0
        self._window = np.zeros_like(self._window)
        self._waiting.append(None)

    def close(self) -> None:
        """Give the place in the engine back. Idempotent."""
        self._waiting.clear()
        if self._sequence is not None:
            self._sequence.close()

    def _fill(self, samples: Samples) -> None:
        start = CONTEXT_SAMPLES + self._filled
        self._window[0, start : start + len(samples)] = samples
        self._filled += len(samples)

    def _judge(self) -> None:
        # The engine has the window until it is answered: the next one is filled elsewhere.
        window, self._window = self._window, np.empty_like(self._window)
        self._window[0, :CONTEXT_SAMPLES] = window[0, -CONTEXT_SAMPLES:]
        self._filled = 0
        self._waiting.append(window)
        self._submitted += 1
        self._ask()

    def _ask(self) -> None:
        """Give the engine windows, as many as it may have of one stream."""
        while self._waiting and self._asked - self._taken < UNDER_WAY:
            window = self._waiting[0]
            if window is not None:
                try:
                    self._ask_for(window)
                except OverloadError:
                    if self._asked == self._taken:
                        raise
                    return  # an answer is due, and then there will be room
                self._asked += 1
            elif self._sequence is not None:
                self._sequence.reset()
            self._waiting.popleft()

    def _ask_for(self, window: npt.NDArray[np.float32]) -> None:
        if self._sequence is None:
            self._sequence = self._inference.open_sequence(VAD_MODEL)
        request = Request(
            model=VAD_MODEL,
            inputs={"input": window},
            sequence=self._sequence,
            live=not self._bulk,
            alone=self._alone,
        )
        if self._wake is None:
            self._answers[self._asked] = self._inference.infer(request)
        else:
            self._inference.submit(request, partial(self._tell, self._wake, self._asked))

    def _tell(self, wake: Callable[[], None], number: int, outcome: Outcome) -> None:
        self._answers[number] = outcome
        if self._record is not None and isinstance(outcome, Result):
            self._record(step_span("vad", outcome))
        wake()
