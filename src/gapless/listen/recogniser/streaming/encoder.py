"""Samples of one utterance to frames of the encoder's output, through the slots of the inference engine.

    samples -> features -> windows -> one step of the engine for each, together with those of other utterances -> frames

In: samples, in any split, and their end. Out: frames, in order. Invariants: a bounded number of windows is under way
for each utterance, the rest waits as samples; a step that fails loses its utterance only. Thread: ``answer`` is called
by the engine, from any thread; everything else by one at a time, and nothing blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import OverloadError
from gapless.infer.contract import DYNAMIC
from gapless.infer.inference import Inference, Outcome, Request, Result, Sequence
from gapless.infer.spans import step_span
from gapless.infer.wire.tensors import dtype_of
from gapless.listen.recogniser.decode.contract import Frames
from gapless.listen.recogniser.streaming.manifest import EncoderSpec
from gapless.listen.recogniser.streaming.parts import Part
from gapless.listen.recogniser.streaming.preprocessed import Stage, WindowFeatures
from gapless.listen.recogniser.streaming.windows import Window, Windows
from gapless.observe.traces import Record

UNDER_WAY: Final = 8
"""Windows of one utterance that the engine has at a time: enough to keep it at work while answers are fetched."""


@final
class Encoder:
    """The encoder of a recogniser; gives each utterance a feed.

    Args:
        inference: runs it.
        part: the network.
        spec: how it is fed.
        features: what it is given for a window.

    Raises:
        ModelError: it has not the tensors that ``spec`` names.
    """

    def __init__(
        self, inference: Inference, part: Part, spec: EncoderSpec, features: WindowFeatures
    ) -> None:
        self._inference = inference
        self._name = part.info.name
        self._stateful = part.info.sequences != "none"
        has_any_length = DYNAMIC in part.input(spec.input).shape
        self._shortens = has_any_length and not spec.fill_front
        """Whether the filling behind an utterance is cut off by whole chunks: short utterances cost that much less."""
        part.output(spec.output)
        length = None if spec.length_input is None else part.input(spec.length_input)
        self._length_shape = () if length is None else length.shape
        self._length_dtype = np.int64 if length is None else dtype_of(length.datatype)
        self.spec = spec
        self.features = features
        # Kernels are compiled, or read from their cache, now: the first utterance should not wait for that.
        features.stage().process(np.zeros(LISTEN_RATE_HZ // 10, np.float32))

    def open(
        self,
        ring: Callable[[], None],
        *,
        bulk: bool = False,
        alone: bool = False,
        record: Record | None = None,
    ) -> Feed:
        """The feed of one utterance.

        Args:
            ring: called from any thread when an answer came.
            bulk: whether the windows of live utterances go first.
            alone: whether each window has a call of its own.
            record: takes how long each window took, for a trace.
        """
        return Feed(self, ring, bulk=bulk, alone=alone, record=record)

    def open_sequence(self) -> Sequence | None:
        """A stream through the encoder; None where it keeps no state.

        Raises:
            OverloadError: all slots are taken.
        """
        return self._inference.open_sequence(self._name) if self._stateful else None

    def submit(
        self,
        window: Window,
        sequence: Sequence | None,
        done: Callable[[Outcome], None],
        *,
        bulk: bool = False,
        alone: bool = False,
    ) -> None:
        """Ask for one window.

        Raises:
            GaplessError: as ``Inference.submit``.
        """
        frames = self.features.prepare(window.frames, window.n_frames)[None]
        if self._shortens:
            chunk = self.spec.chunk_frames
            frames = frames[:, : -(-window.n_frames // chunk) * chunk]
        if self.spec.layout == "feature_major":
            frames = frames.transpose(0, 2, 1)
        inputs: dict[str, npt.NDArray[Any]] = {self.spec.input: frames}
        if self.spec.length_input is not None:
            inputs[self.spec.length_input] = np.full(
                (1, *self._length_shape), window.n_frames, self._length_dtype
            )
        request = Request(
            model=self._name,
            inputs=inputs,
            outputs=(self.spec.output,),
            sequence=sequence,
            live=not bulk,
            alone=alone,
        )
        self._inference.submit(request, done)

    def new_frames(self, result: Result, window: Window) -> Frames:
        """What is new in the answer to a window."""
        given = result.outputs[self.spec.output][0]
        if self.spec.output_layout == "feature_major":
            given = given.T
        frames: Frames = given[window.skip : window.skip + window.keep]
        return frames


@final
class Feed:
    """One utterance on its way through the encoder."""

    def __init__(
        self,
        encoder: Encoder,
        ring: Callable[[], None],
        *,
        bulk: bool = False,
        alone: bool = False,
        record: Record | None = None,
    ) -> None:
        self._encoder = encoder
        self._record = record
        self._bulk = bulk
        self._alone = alone
        self._features: Stage = encoder.features.stage()
        self._ring = ring
        self._hop_samples = encoder.features.hop_samples
        self._windows = Windows(encoder.spec, encoder.features.width)
        self._sequence: Sequence | None = None
        self._opened = False
        self._samples: deque[Samples] = deque()
        """Not turned into features yet."""
        self._ending = False
        """No more samples come."""
        self._ended = False
        """The last windows were made."""
        self._ready: deque[Window] = deque()
        """Windows that the engine does not have yet."""
        self._asked: dict[int, Window] = {}
        """Windows that the engine has, by number."""
        self._n_asked = 0
        self._answers: dict[int, Outcome] = {}
        """By number, for executors may tell them in another order. Written from any thread."""
        self._n_taken = 0
        self._fed = 0
        """Samples that were turned into features."""
        self._heard = 0
        """Samples that the frames that were taken are made of."""

    @property
    def idle(self) -> bool:
        """Whether nothing will come before more samples do."""
        return not (self._samples or self._ready or self._asked)

    @property
    def over(self) -> bool:
        """Whether all frames of the whole utterance were taken."""
        return self._ended and self.idle

    @property
    def heard(self) -> int:
        """Samples behind all that was taken; all that was fed, where nothing is under way."""
        return self._fed if self.idle else self._heard

    def accept(self, samples: Samples) -> None:
        """The next samples, which are the feed's own from now on."""
        if not np.isfinite(samples.sum()):
            np.nan_to_num(samples, copy=False)
        self._samples.append(samples)

    def finish(self) -> None:
        """No more samples come."""
        self._ending = True

    def prepare(self) -> None:
        """Make windows of what waits, as many as may be under way."""
        while len(self._ready) + len(self._asked) < UNDER_WAY and self._take_in():
            pass

    def submit(self) -> bool:
        """Bring them on their way; False if the engine has no room, so that it must be tried again.

        Raises:
            GaplessError: the utterance is lost.
        """
        try:
            while self._ready and len(self._asked) < UNDER_WAY:
                self._submit()
        except OverloadError:
            return False
        return True

    def answer(self, number: int, outcome: Outcome) -> None:
        """A window's answer came; called by the engine."""
        self._answers[number] = outcome
        if self._record is not None and isinstance(outcome, Result):
            self._record(step_span("step", outcome))
        self._ring()

    def take(self) -> list[Frames]:
        """The frames that are there, in order.

        Raises:
            GaplessError: a window failed: the utterance is lost.
        """
        taken: list[Frames] = []
        while (outcome := self._answers.pop(self._n_taken, None)) is not None:
            window = self._asked.pop(self._n_taken)
            self._n_taken += 1
            if not isinstance(outcome, Result):
                raise outcome
            self._heard = min(self._encoder.features.samples_of(window.end), self._fed)
            taken.append(self._encoder.new_frames(outcome, window))
        return taken

    def close(self) -> None:
        """Give back what the utterance holds. Idempotent."""
        self._samples.clear()
        self._ready.clear()
        sequence, self._sequence = self._sequence, None
        if sequence is not None:
            sequence.close()

    def _take_in(self) -> bool:
        """Turn the samples that wait first into windows; False if there is nothing to turn into any."""
        if self._samples:
            samples = self._samples.popleft()
            # A long piece is taken in parts, so that its features do not wait where its samples could.
            most = UNDER_WAY * self._encoder.spec.chunk_frames * self._hop_samples
            if len(samples) > most:
                self._samples.appendleft(samples[most:])
                samples = samples[:most]
            self._fed += len(samples)
            self._ready += self._windows.accept(self._features.process(samples))
        elif self._ending and not self._ended:
            self._ended = True
            self._ready += self._windows.accept(self._features.flush())
            self._ready += self._windows.finish()
        else:
            return False
        return True

    def _submit(self) -> None:
        if not self._opened:
            self._sequence = self._encoder.open_sequence()
            self._opened = True
        number = self._n_asked
        window = self._ready[0]
        self._asked[number] = window
        try:
            self._encoder.submit(
                window,
                self._sequence,
                partial(self.answer, number),
                bulk=self._bulk,
                alone=self._alone,
            )
        except OverloadError:
            del self._asked[number]
            raise
        self._n_asked += 1
        self._ready.popleft()
