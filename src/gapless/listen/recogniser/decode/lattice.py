"""The lattice of one stream in a transducer's beam search: hypotheses by the frame that they have reached.

    column t -> best few -> blank, or one of the best tokens, each with each duration -> columns t, t + 1 ...

In: what the networks answered about the hypotheses of a column. Out: later columns. Invariants: hypotheses of a column
with the same tokens are one, their probabilities added; the beam is that of a column, so that a TDT path that pays for
one long step and one that pays for many short ones are set against each other where they meet; what all begin with is
settled and not carried any further. Thread: its decoder's.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.listen.recogniser.decode.contract import Emission, Frames, Joint, Path, Rows
from gapless.listen.recogniser.decode.phrases import START, PhraseGraph, Place
from gapless.listen.recogniser.decode.scores import (
    NEVER,
    best_columns,
    copy_row,
    log_add,
    log_softmax,
)
from gapless.listen.recogniser.decode.search import (
    BeamOptions,
    candidates,
    common_length,
    follow,
    keep_best,
    overdue,
    to_paths,
)


class Prediction:
    """State of the prediction network after some tokens; the last of them may still have to be fed to it."""

    __slots__ = ("joined", "rows", "token")

    def __init__(self, rows: Rows, token: int | None = None, joined: Rows = ()) -> None:
        self.rows = rows
        self.token = token
        """Emitted after ``rows``; None: ``rows`` are up to date."""
        self.joined = joined

    def arrive(self, rows: Rows) -> None:
        """The last token was fed to the network: these are the rows behind it."""
        self.rows, self.token, self.joined = rows, None, ()


class Hypothesis(NamedTuple):
    """A path through the lattice, or several that say the same."""

    tokens: tuple[int, ...]
    """Behind the settled ones."""
    emissions: tuple[Emission, ...]
    logprob: float
    bonus: float
    place: Place
    prediction: Prediction

    @property
    def total(self) -> float:
        """What it is ranked by."""
        return self.logprob + self.bonus


Column: TypeAlias = dict[tuple[int, ...], Hypothesis]
Columns: TypeAlias = dict[int, Column]
"""Hypotheses by the frame that they wait for."""


class BeamState:
    """One utterance; changed only by its decoder."""

    __slots__ = ("columns", "graph", "n_frames", "settled")

    def __init__(self, rows: Rows, graph: PhraseGraph | None) -> None:
        self.settled: list[Emission] = []
        self.n_frames = 0
        self.graph = graph
        empty = Hypothesis((), (), 0.0, 0.0, START, Prediction(rows))
        self.columns: Columns = {0: {(): empty}}

    @property
    def n_stable(self) -> int:
        """What all hypotheses begin with."""
        return len(self.settled)

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:
        """The best hypotheses so far, best first; those that say the same are one."""
        merged: dict[tuple[int, ...], Hypothesis] = {}
        for column in self.columns.values():
            for hypothesis in column.values():
                _merge(merged, hypothesis)
        return to_paths(self.settled, merged.values(), n_best)


class Answers:
    """What the networks said of all hypotheses that were asked about, one row each."""

    def __init__(
        self, joint: Joint, logits: npt.NDArray[np.float32], joined: Rows, beam: int
    ) -> None:
        self.joined = joined
        self.blank = joint.blank
        if joint.durations:
            split = logits.shape[1] - len(joint.durations)
            self.logprobs = log_softmax(logits[:, :split])
            self.moves = joint.durations
            self.move_logprobs: list[list[float]] = log_softmax(logits[:, split:]).tolist()
        else:
            self.logprobs = log_softmax(logits)
            self.moves = (0,)
            self.move_logprobs = [[0.0]] * len(logits)
        self.timed = bool(joint.durations)
        self.best: list[list[int]] = best_columns(self.logprobs, beam + 1).tolist()


class Run:
    """A stream during a step: a working copy, so that a step that fails leaves the stream as it was."""

    def __init__(self, state: BeamState, frames: Frames, options: BeamOptions) -> None:
        self.frames = frames
        self.asking: list[Hypothesis] = []
        """To be expanded at the current frame."""
        self._state = state
        self._options = options
        self._settled: list[Emission] = []
        self._columns = {at: dict(column) for at, column in state.columns.items()}
        self._at = 0

    @property
    def frame(self) -> Frames:
        """The current frame, float32 [1, width]."""
        index = self._at - self._state.n_frames
        return self.frames[index : index + 1]

    def begin_frame(self, index: int) -> None:
        """Go on to a frame of this step, and find who is to be asked about there."""
        self._at = self._state.n_frames + index
        waiting = self._columns.pop(self._at, {})
        self.asking = self._worth_asking(keep_best(waiting.values(), self._options.beam))

    def expand(self, answers: Answers, row: int, *, last: bool) -> None:
        """Follow all that were asked about by a blank and by their best tokens."""
        choices: list[Choice] = []
        for offset, hypothesis in enumerate(self.asking):
            self._follow_blank(hypothesis, answers, row + offset)
            choices += self._choices(hypothesis, answers, row + offset)
        again: Column = {}
        for which, move in enumerate(answers.moves):
            for choice in heapq.nlargest(
                self._options.beam,
                choices,
                key=lambda c: c.total + answers.move_logprobs[c.row][which],
            ):
                hypothesis = self._emit(choice, answers, which)
                if move:
                    _merge(self._columns.setdefault(self._at + move, {}), hypothesis)
                elif last:
                    _merge(self._columns.setdefault(self._at + 1, {}), hypothesis)
                else:
                    _merge(again, hypothesis)
        self.asking = self._worth_asking(keep_best(again.values(), self._options.beam))

    def end_frame(self) -> None:
        """Drop what fell out of the beam or is overdue, and settle what all that is left agrees on."""
        best = max(self._waiting(), key=lambda hypothesis: hypothesis.total)
        old = overdue(best, self._at - self._options.horizon_frames)
        for at, column in self._columns.items():
            agreeing = (each for each in column.values() if each.tokens[: len(old)] == old)
            best_few = keep_best(agreeing, self._options.beam)
            self._columns[at] = {hypothesis.tokens: hypothesis for hypothesis in best_few}
        if count := common_length(self._waiting()):
            self._settled += best.emissions[:count]
            self._columns = {
                at: {
                    tokens[count:]: hypothesis._replace(
                        tokens=tokens[count:], emissions=hypothesis.emissions[count:]
                    )
                    for tokens, hypothesis in column.items()
                }
                for at, column in self._columns.items()
            }

    def give_back(self) -> None:
        """The step is done: the stream's state becomes that of the copy."""
        self._state.settled += self._settled
        self._state.columns = self._columns
        self._state.n_frames += len(self.frames)

    def _worth_asking(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """Those that could still be among the best; a path only becomes less likely, and its bonus hardly grows."""
        beam = self._options.beam
        ahead = sorted((each.total for each in self._waiting()), reverse=True)
        floor = ahead[beam - 1] if len(ahead) >= beam else NEVER
        return [hypothesis for hypothesis in hypotheses if hypothesis.total > floor]

    def _waiting(self) -> list[Hypothesis]:
        return [hypothesis for column in self._columns.values() for hypothesis in column.values()]

    def _follow_blank(self, hypothesis: Hypothesis, answers: Answers, row: int) -> None:
        blank = hypothesis.logprob + float(answers.logprobs[row, answers.blank])
        for move, logprob in zip(answers.moves, answers.move_logprobs[row], strict=True):
            _merge(
                self._columns.setdefault(self._at + max(move, 1), {}),
                hypothesis._replace(logprob=blank + logprob),
            )

    def _choices(self, hypothesis: Hypothesis, answers: Answers, row: int) -> list[Choice]:
        graph = self._state.graph
        logprobs = answers.logprobs[row]
        tokens = candidates(
            logprobs, answers.best[row], graph, hypothesis.place, self._options.beam
        )
        choices = []
        for token, logprob in zip(tokens, logprobs[tokens].tolist(), strict=True):
            if token == answers.blank:
                continue
            place, bonus = follow(graph, hypothesis.place, token)
            total = hypothesis.logprob + logprob + bonus
            prediction = Prediction(hypothesis.prediction.rows, token)
            choices.append(Choice(total, row, token, logprob, bonus, place, hypothesis, prediction))
        return choices

    def _emit(self, choice: Choice, answers: Answers, which: int) -> Hypothesis:
        before = choice.hypothesis
        if not choice.prediction.joined:
            choice.prediction.joined = copy_row(answers.joined, choice.row)
        end = self._at + (answers.moves[which] if answers.timed else 1)
        return Hypothesis(
            (*before.tokens, choice.token),
            (*before.emissions, Emission(choice.token, self._at, end, choice.logprob)),
            before.logprob + choice.logprob + answers.move_logprobs[choice.row][which],
            choice.bonus,
            choice.place,
            choice.prediction,
        )


class Choice(NamedTuple):
    """A hypothesis and a token that may follow it."""

    total: float
    row: int
    token: int
    logprob: float
    bonus: float
    place: Place
    hypothesis: Hypothesis
    prediction: Prediction
    """Shared by all durations of the token."""


def _merge(column: Column, hypothesis: Hypothesis) -> None:
    """Add a hypothesis; two with the same tokens become one, with the alignment of the likelier."""
    other = column.get(hypothesis.tokens)
    if other is not None:
        likelier = max(other, hypothesis, key=lambda each: each.logprob)
        hypothesis = likelier._replace(logprob=log_add(other.logprob, hypothesis.logprob))
    column[hypothesis.tokens] = hypothesis
