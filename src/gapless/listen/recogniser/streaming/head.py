"""The encoder's output as log-probabilities for CTC, through a head where there is one: all utterances in one call.

    encoder frames -> CtcHead -> log-probabilities -> a decoder of CTC

In: encoder frames of many utterances. Out: log-probabilities, frame by frame. Invariants: a frame's answer does not
depend on its neighbours: the head sees each frame as a row of its own; logits are taken as well, for what are
log-probabilities already are not changed by being normalised again. Thread: any; a call waits for the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from gapless.listen.recogniser.decode.contract import Decoder, DecodeState, Frames
from gapless.listen.recogniser.decode.scores import log_softmax
from gapless.listen.recogniser.streaming.manifest import CtcSpec
from gapless.listen.recogniser.streaming.parts import Part


@final
class CtcHead:
    """See the module's head.

    Args:
        spec: how it is asked.
        part: the network; None: the encoder gives the scores itself.

    Raises:
        ModelError: it has not the tensors that ``spec`` names.
    """

    def __init__(self, spec: CtcSpec, part: Part | None) -> None:
        self._spec = spec
        self._part = part
        if part is not None:
            self._has_time = len(part.input(spec.input).shape) > 1
            part.output(spec.output)

    def score(self, frames: Sequence[Frames]) -> list[Frames]:
        """Log-probabilities, [n_frames, n_tokens] for each of the utterances' frames, [n_frames, width].

        Raises:
            GaplessError: as ``Inference.infer``.
        """
        rows = np.concatenate(frames)
        if self._part is not None:
            asked = rows[:, None] if self._has_time else rows
            given = self._part.ask({self._spec.input: asked}, (self._spec.output,))
            rows = given[self._spec.output].reshape(len(rows), -1)
        ends = np.cumsum([len(one) for one in frames])
        return np.split(log_softmax(rows), ends[:-1])


@final
class HeadedDecoder:
    """A decoder of log-probabilities as one of encoder frames.

    Args:
        head: scores the frames.
        decoder: takes the scores.
    """

    def __init__(self, head: CtcHead, decoder: Decoder) -> None:
        self._head = head
        self._decoder = decoder

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance."""
        return self._decoder.start(phrases)

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        scores = self._head.score([frames for _, frames in streams])
        self._decoder.step([(state, own) for (state, _), own in zip(streams, scores, strict=True)])

    def finish(self, states: Sequence[DecodeState]) -> None:
        """No more frames come."""
        self._decoder.finish(states)
