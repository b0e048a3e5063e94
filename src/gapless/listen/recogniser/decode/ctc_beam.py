"""Prefix beam search over CTC, for many streams.

    prefixes -> each with a blank, its last token again, or a good token -> equal prefixes merged -> the best few

In: log-probabilities (or logits) per stream, in any split. Out: each stream's hypotheses. Invariants: a prefix is
scored by the sum of its alignments, kept apart by whether they end in a blank, so that ``a-a`` and ``aa`` are told from
each other; what all prefixes begin with is settled. Thread: one at a time. Source: A. Hannun et al., "First-Pass Large
Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.listen.recogniser.decode.checks import own
from gapless.listen.recogniser.decode.contract import DecodeState, Emission, Frames, Path
from gapless.listen.recogniser.decode.ctc import prolong
from gapless.listen.recogniser.decode.phrases import START, PhraseGraph, Place
from gapless.listen.recogniser.decode.scores import NEVER, best_columns, log_add, log_softmax
from gapless.listen.recogniser.decode.search import (
    BeamOptions,
    candidates,
    common_length,
    follow,
    keep_best,
    overdue,
    phrase_graph,
    to_paths,
)


class CtcBeamState:
    """One utterance; changed only by its decoder."""

    __slots__ = ("graph", "n_frames", "n_stable", "prefixes", "settled")

    def __init__(self, graph: PhraseGraph | None) -> None:
        self.graph = graph
        self.n_frames = 0
        self.n_stable = 0
        self.settled: list[Emission] = []
        """What all prefixes begin with, except for a last token that may still last."""
        self.prefixes = [_Prefix((), (), 0.0, NEVER, 0.0, START)]
        """Best first."""

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:
        """The best prefixes so far, best first."""
        return to_paths(self.settled, self.prefixes, n_best)


class BeamCtc:
    """Follows the best few prefixes of every stream.

    Args:
        blank: the token that says nothing.
        options: how wide to look.
    """

    def __init__(self, blank: int, options: BeamOptions | None = None) -> None:
        self._blank = blank
        self._options = options or BeamOptions()

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Raises:
            ConfigError: too many or too long phrases.
        """
        return CtcBeamState(phrase_graph(tuple(phrases), self._options.phrase_bonus))

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        given = [(own(state, CtcBeamState), frames) for state, frames in streams if len(frames)]
        if not given:
            return
        logprobs = log_softmax(np.concatenate([frames for _, frames in given]))
        best = best_columns(logprobs, self._options.beam + 1).tolist()
        row = 0
        for state, frames in given:
            for _ in frames:
                self._frame(state, logprobs[row], best[row])
                row += 1

    def finish(self, states: Sequence[DecodeState]) -> None:
        """Take back the bonus of hot words that were not completed."""
        for state in (own(each, CtcBeamState) for each in states):
            if (graph := state.graph) is not None:
                prefixes = [
                    prefix._replace(bonus=graph.settled_bonus(prefix.place))
                    for prefix in state.prefixes
                ]
                state.prefixes = keep_best(prefixes, self._options.beam)

    def _frame(
        self, state: CtcBeamState, logprobs: npt.NDArray[np.float32], best: list[int]
    ) -> None:
        graph = state.graph
        blank = float(logprobs[self._blank])
        loudest = int(logprobs.argmax())
        grown: dict[tuple[int, ...], _Prefix] = {}
        for prefix in state.prefixes:
            _merge(grown, _stay(prefix, logprobs, blank, state.n_frames, loudest))
            tokens = candidates(logprobs, best, graph, prefix.place, self._options.beam)
            for token, logprob in zip(tokens, logprobs[tokens].tolist(), strict=True):
                if token == self._blank:
                    continue
                # The token that it ends in says something new only behind a blank.
                repeats = prefix.tokens[-1:] == (token,)
                before = prefix.blank if repeats else prefix.logprob
                if before == NEVER:
                    continue
                place, bonus = follow(graph, prefix.place, token)
                emission = Emission(token, state.n_frames, state.n_frames + 1, logprob)
                _merge(
                    grown,
                    _Prefix(
                        (*prefix.tokens, token),
                        (*prefix.emissions, emission),
                        NEVER,
                        before + logprob,
                        bonus,
                        place,
                    ),
                )
        best_few = keep_best(grown.values(), self._options.beam)
        old = overdue(best_few[0], state.n_frames - self._options.horizon_frames)
        state.prefixes = [prefix for prefix in best_few if prefix.tokens[: len(old)] == old]
        state.n_frames += 1
        _settle(state)


class _Prefix(NamedTuple):
    tokens: tuple[int, ...]
    """Behind the settled ones. Its last token is always among them."""
    emissions: tuple[Emission, ...]
    blank: float
    """Log-probability of its alignments that end in a blank."""
    spoken: float
    """Of those that end in its last token."""
    bonus: float
    place: Place

    @property
    def logprob(self) -> float:
        return log_add(self.blank, self.spoken)

    @property
    def total(self) -> float:
        return self.logprob + self.bonus


def _stay(
    prefix: _Prefix, logprobs: npt.NDArray[np.float32], blank: float, frame: int, loudest: int
) -> _Prefix:
    """The prefix after a frame that adds nothing to it: a blank, or its last token once more."""
    stayed = prefix._replace(blank=prefix.logprob + blank, spoken=NEVER)
    if not prefix.tokens:
        return stayed
    token = prefix.tokens[-1]
    logprob = float(logprobs[token])
    if token == loudest:
        last = prolong(prefix.emissions[-1], frame, logprob)
        stayed = stayed._replace(emissions=(*prefix.emissions[:-1], last))
    return stayed._replace(spoken=prefix.spoken + logprob)


def _merge(prefixes: dict[tuple[int, ...], _Prefix], prefix: _Prefix) -> None:
    """Add a prefix; the same from two sides becomes one, with the alignment of the likelier."""
    other = prefixes.get(prefix.tokens)
    if other is not None:
        likelier = max(other, prefix, key=lambda each: each.logprob)
        prefix = likelier._replace(
            blank=log_add(other.blank, prefix.blank), spoken=log_add(other.spoken, prefix.spoken)
        )
    prefixes[prefix.tokens] = prefix


def _settle(state: CtcBeamState) -> None:
    common = common_length(state.prefixes)
    state.n_stable = len(state.settled) + common
    shortest = min(len(prefix.tokens) for prefix in state.prefixes)
    count = min(common, shortest - 1)  # a last token may still last, and its repetition be told
    if count > 0:
        state.settled += state.prefixes[0].emissions[:count]
        state.prefixes = [
            prefix._replace(tokens=prefix.tokens[count:], emissions=prefix.emissions[count:])
            for prefix in state.prefixes
        ]
