"""Beam search over both heads of an encoder, CTC and a transducer (RNN-T), for many streams in one call.

    each frame: prefixes of all streams -> one call of the joint network -> each stream's prefixes stay and grow
                -> those that are new -> one call of the prediction network, one of the joint network

In: encoder frames per stream. Out: each stream's hypotheses. Invariants: those of ``hybrid_prefixes``; a frame takes no
more than these three calls, however many streams there are, and a step one of the CTC head; if a network raises, all
streams are as they were before the step. Thread: one at a time.

The heads err in different places: CTC takes each frame by itself and sums over alignments, the transducer knows what
was said before. ``hybrid_prefixes`` names the sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from gapless.errors import ConfigError
from gapless.listen.recogniser.decode.checks import own
from gapless.listen.recogniser.decode.contract import DecodeState, Frames, Joint, Rows
from gapless.listen.recogniser.decode.hybrid_prefixes import (
    HeadScores,
    HybridOptions,
    HybridRun,
    HybridState,
    Scores,
)
from gapless.listen.recogniser.decode.scores import (
    NEVER,
    copy_row,
    join_rows,
    log_softmax,
    take_rows,
)
from gapless.listen.recogniser.decode.search import phrase_graph


class CtcScores(Protocol):
    """The CTC head."""

    def score(self, frames: Sequence[Frames]) -> list[Scores]:
        """Log-probabilities, float32 [n_frames, n_tokens], of each stream's encoder frames."""
        ...


class BeamHybrid:
    """Follows the best few prefixes of every stream.

    Args:
        joint: the transducer's networks; their blank is CTC's too.
        ctc: the CTC head on the same encoder.
        options: of the search.

    Raises:
        ConfigError: the transducer has durations (TDT): what it skips, CTC wants to hear.
    """

    def __init__(self, joint: Joint, ctc: CtcScores, options: HybridOptions | None = None) -> None:
        if joint.durations:
            raise ConfigError(
                "a hybrid search takes a transducer without durations; use greedy or beam",
                param="search",
            )
        self._joint = joint
        self._ctc = ctc
        self._options = options or HybridOptions()

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Raises:
            ConfigError: too many or too long phrases.
        """
        graph = phrase_graph(tuple(phrases), self._options.search.phrase_bonus)
        return HybridState(self._joint.start(1), graph)

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        given = [(own(state, HybridState), frames) for state, frames in streams if len(frames)]
        if not given:
            return
        ctc = self._ctc.score([frames for _, frames in given])
        runs = [
            HybridRun(state, frames, scores, self._joint.blank, self._options)
            for (state, frames), scores in zip(given, ctc, strict=True)
        ]
        for index in range(max(len(run.frames) for run in runs)):
            self._frame([run for run in runs if index < len(run.frames)], index)
        for run in runs:
            run.give_back()

    def finish(self, states: Sequence[DecodeState]) -> None:
        """Take back the bonus of hot words that were not completed."""
        for state in states:
            own(state, HybridState).finish()

    def _frame(self, runs: list[HybridRun], index: int) -> None:
        counts = [len(run.prefixes) for run in runs]
        frames = np.repeat(np.stack([run.frames[index] for run in runs]), counts, axis=0)
        rows = join_rows([prefix.rows for run in runs for prefix in run.prefixes])
        transducer, joined = self._join(frames, rows)
        ctc = np.stack([run.ctc[index] for run in runs])
        share = self._options.transducer_share
        both = share * transducer + (1 - share) * np.repeat(ctc, counts, axis=0)
        mean = both.astype(np.float32, copy=False)
        mean[:, self._joint.blank] = NEVER
        tokens = _above(mean, self._options.least_logprob)
        parents: list[int] = []
        said: list[int] = []
        begin = 0
        for which, (run, count) in enumerate(zip(runs, counts, strict=True)):
            own_rows = slice(begin, begin + count)
            scores = HeadScores(ctc[which], transducer[own_rows], mean[own_rows], tokens[own_rows])
            for row, token in run.grow(scores):
                parents.append(begin + row)
                said.append(token)
            begin += count
        before, joined = take_rows(rows, parents), take_rows(joined, parents)
        begun = self._begin(frames[parents], before, said, joined)
        for run in runs:
            run.move_on(begun)

    def _join(self, frames: Frames, rows: Rows) -> tuple[Scores, Rows]:
        """The transducer's log-probabilities, one row for each prefix."""
        logits, joined = self._joint.join(frames, rows)
        if self._options.blank_offset:
            logits = logits.copy()
            logits[:, self._joint.blank] += self._options.blank_offset
        return log_softmax(logits), joined

    def _begin(
        self, frames: Frames, before: Rows, tokens: list[int], joined: Rows
    ) -> Iterator[tuple[Rows, float]]:
        """Of prefixes that are new: the state of the prediction network, and the blank in the frame they began in."""
        if not tokens:
            return iter(())
        rows = self._joint.advance(before, np.array(tokens, np.int64), joined)
        transducer, _ = self._join(frames, rows)
        blanks: list[float] = transducer[:, self._joint.blank].tolist()
        return ((copy_row(rows, index), blank) for index, blank in enumerate(blanks))


def _above(scores: Scores, least: float) -> list[list[int]]:
    """The columns of each row that are above a threshold."""
    found: list[list[int]] = [[] for _ in scores]
    for row, column in np.argwhere(scores > least).tolist():
        found[row].append(column)
    return found
