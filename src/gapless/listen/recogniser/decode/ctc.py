"""Greedy decoding of CTC: the best token of every frame, repeats and blanks left out.

In: log-probabilities (or logits) per stream, in any split. Out: each stream's emissions. Invariants: a repeat across a
split is one token; what was emitted stays, but its end and its log-probability follow the token while it lasts. Thread:
one at a time. Source: A. Graves et al., "Connectionist Temporal Classification", 2006, best path decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from gapless.listen.recogniser.decode.checks import own, refuse_phrases
from gapless.listen.recogniser.decode.contract import DecodeState, Emission, Frames, Path
from gapless.listen.recogniser.decode.scores import best_of_rows


class CtcState:
    """One utterance; changed only by its decoder."""

    __slots__ = ("emissions", "last", "n_frames", "score")

    def __init__(self, blank: int) -> None:
        self.emissions: list[Emission] = []
        self.n_frames = 0
        self.last = blank
        """Best token of the last frame."""
        self.score = 0.0

    @property
    def n_stable(self) -> int:
        """All: no token is ever taken back."""
        return len(self.emissions)

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:  # noqa: ARG002  there is only one
        """The one path that is followed."""
        return (Path(tuple(self.emissions), self.score),)


class GreedyCtc:
    """Takes the best token of every frame.

    Args:
        blank: the token that says nothing.
    """

    def __init__(self, blank: int) -> None:
        self._blank = blank

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Raises:
            ConfigError: hot words were asked for; they need a beam search.
        """
        refuse_phrases(phrases)
        return CtcState(self._blank)

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        given = [(own(state, CtcState), frames) for state, frames in streams if len(frames)]
        if not given:
            return
        best, logprobs = best_of_rows(np.concatenate([frames for _, frames in given]))
        begin = 0
        for state, its_frames in given:
            end = begin + len(its_frames)
            self._follow(state, best[begin:end].tolist(), logprobs[begin:end].tolist())
            begin = end

    def finish(self, states: Sequence[DecodeState]) -> None:
        """Nothing is open in a greedy search."""

    def _follow(self, state: CtcState, best: list[int], logprobs: list[float]) -> None:
        for frame, (token, logprob) in enumerate(
            zip(best, logprobs, strict=True), start=state.n_frames
        ):
            state.score += logprob
            if token != self._blank:
                if token == state.last:
                    state.emissions[-1] = prolong(state.emissions[-1], frame, logprob)
                else:
                    state.emissions.append(Emission(token, frame, frame + 1, logprob))
            state.last = token
        state.n_frames += len(best)


def prolong(emission: Emission, frame: int, logprob: float) -> Emission:
    """The same token, which has lasted for one frame more: it is as sure as it was at its best."""
    return msgspec.structs.replace(
        emission, end_frame=frame + 1, logprob=max(emission.logprob, logprob)
    )
