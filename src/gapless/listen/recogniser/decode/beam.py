"""Beam search with a transducer (RNN-T or TDT), for many streams and hypotheses in one call.

    each frame: hypotheses of all streams -> one call of the networks -> each stream expands its own
                      ^---- those that emitted and stay at the frame, at most max_symbols times ----'

In: encoder frames per stream. Out: each stream's hypotheses. Invariants: those of ``lattice``; a frame takes at most
``max_symbols`` calls, however many streams there are; the state of the prediction network is computed only for
hypotheses that are asked about; if the network raises, all streams are as they were before the step.
Thread: one at a time.

Sources: A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012; the fixed beam and the bound on tokens
per frame are those of "modified beam search" (k2-fsa, icefall); H. Xu et al., "Efficient Sequence Transduction by
Jointly Predicting Tokens and Durations", 2023 (TDT). Scores are not divided by length: a transducer's probabilities are
those of whole transcripts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gapless.listen.recogniser.decode.checks import check_max_symbols, own
from gapless.listen.recogniser.decode.contract import DecodeState, Frames, Joint
from gapless.listen.recogniser.decode.greedy import MAX_SYMBOLS
from gapless.listen.recogniser.decode.lattice import (
    Answers,
    BeamState,
    Prediction,
    Run,
)
from gapless.listen.recogniser.decode.scores import copy_row, join_rows
from gapless.listen.recogniser.decode.search import BeamOptions, phrase_graph


class BeamTransducer:
    """Follows the best few hypotheses of every stream.

    Args:
        joint: the networks.
        options: how wide to look.
        max_symbols: tokens at one frame, at most; behind the last of them a hypothesis moves on.
    """

    def __init__(
        self, joint: Joint, options: BeamOptions | None = None, *, max_symbols: int = MAX_SYMBOLS
    ) -> None:
        check_max_symbols(max_symbols)
        self._joint = joint
        self._options = options or BeamOptions()
        self._max_symbols = max_symbols

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Raises:
            ConfigError: too many or too long phrases.
        """
        graph = phrase_graph(tuple(phrases), self._options.phrase_bonus)
        return BeamState(self._joint.start(1), graph)

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        runs = [Run(own(state, BeamState), frames, self._options) for state, frames in streams]
        for index in range(max((len(run.frames) for run in runs), default=0)):
            moving = [run for run in runs if index < len(run.frames)]
            for run in moving:
                run.begin_frame(index)
            self._frame(moving)
            for run in moving:
                run.end_frame()
        for run in runs:
            run.give_back()

    def finish(self, states: Sequence[DecodeState]) -> None:
        """Take back the bonus of hot words that were not completed."""
        for state in (own(each, BeamState) for each in states):
            if (graph := state.graph) is not None:
                state.columns = {
                    at: {
                        tokens: hypothesis._replace(bonus=graph.settled_bonus(hypothesis.place))
                        for tokens, hypothesis in column.items()
                    }
                    for at, column in state.columns.items()
                }

    def _frame(self, runs: list[Run]) -> None:
        """Ask for all hypotheses at this frame, then for those that emitted there, and so on."""
        for symbol in range(1, self._max_symbols + 1):
            asking = [run for run in runs if run.asking]
            if not asking:
                return
            answers = self._ask(asking)
            row = 0
            for run in asking:
                count = len(run.asking)
                run.expand(answers, row, last=symbol == self._max_symbols)
                row += count

    def _ask(self, runs: list[Run]) -> Answers:
        hypotheses = [hypothesis for run in runs for hypothesis in run.asking]
        self._advance([hypothesis.prediction for hypothesis in hypotheses])
        counts = [len(run.asking) for run in runs]
        frames = np.repeat(np.concatenate([run.frame for run in runs]), counts, axis=0)
        rows = join_rows([hypothesis.prediction.rows for hypothesis in hypotheses])
        logits, joined = self._joint.join(frames, rows)
        return Answers(self._joint, logits, joined, self._options.beam)

    def _advance(self, predictions: list[Prediction]) -> None:
        """Compute the states that are needed now; one that was pruned before never is."""
        late = list({id(each): each for each in predictions if each.token is not None}.values())
        if not late:
            return
        tokens = np.array([prediction.token for prediction in late], np.int64)
        rows = self._joint.advance(
            join_rows([prediction.rows for prediction in late]),
            tokens,
            join_rows([prediction.joined for prediction in late]),
        )
        for index, prediction in enumerate(late):
            prediction.arrive(copy_row(rows, index))
