"""Greedy decoding with a transducer (RNN-T or TDT), for many streams in lockstep.

    join all rows at their frames -> best token of each -> blank: next frame; token: advance its prediction network

In: encoder frames per stream. Out: each stream's emissions. Invariants: streams at different frames share one ``join``,
so a step costs as many calls as the stream that needs most, not as their sum; the prediction network sees non-blank
tokens only, and its state is adopted only then; if the network raises, all streams are as they were before the step.
Thread: one at a time. Sources: A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012; H. Xu et al.,
"Efficient Sequence Transduction by Jointly Predicting Tokens and Durations", 2023 (TDT).

Between steps each stream owns its rows; a step lays them together once, works on whole arrays, and gives back only the
rows that changed. On most frames most streams say nothing, so little is given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.listen.recogniser.decode.checks import check_max_symbols, own, refuse_phrases
from gapless.listen.recogniser.decode.contract import (
    DecodeState,
    Emission,
    Frames,
    Joint,
    Path,
    Rows,
)
from gapless.listen.recogniser.decode.scores import best_of_rows, join_rows, take_rows

MAX_SYMBOLS: Final = 10
"""Tokens at one frame, at most: a network that repeats itself moves on."""


class GreedyState:
    """One utterance; changed only by its decoder."""

    __slots__ = ("emissions", "n_frames", "rows", "score", "skip")

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        """State of the prediction network after the last token."""
        self.emissions: list[Emission] = []
        self.n_frames = 0
        self.skip = 0
        """Frames to come that the last duration reaches over (TDT)."""
        self.score = 0.0

    @property
    def n_stable(self) -> int:
        """All: what was emitted is never taken back."""
        return len(self.emissions)

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:  # noqa: ARG002  there is only one
        """The one path that is followed."""
        return (Path(tuple(self.emissions), self.score),)


class GreedyTransducer:
    """Takes the best token of every frame.

    Args:
        joint: the networks.
        max_symbols: tokens at one frame, at most; behind the last of them the stream moves on.
    """

    def __init__(self, joint: Joint, *, max_symbols: int = MAX_SYMBOLS) -> None:
        check_max_symbols(max_symbols)
        self._joint = joint
        self._max_symbols = max_symbols
        self._durations = np.array(joint.durations, np.int64)

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Raises:
            ConfigError: hot words were asked for; they need a beam search.
        """
        refuse_phrases(phrases)
        return GreedyState(self._joint.start(1))

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        given = [(state, frames) for state, frames in streams if len(frames)]
        if given:
            self._step(_Lanes(given))

    def finish(self, states: Sequence[DecodeState]) -> None:
        """Nothing is open in a greedy search."""

    def _step(self, lanes: _Lanes) -> None:
        joint = self._joint
        while len(live := np.flatnonzero(lanes.at < lanes.end)):
            everyone = len(live) == len(lanes.at)
            at = lanes.at[live]
            rows = lanes.rows if everyone else take_rows(lanes.rows, live)
            logits, joined = joint.join(lanes.frames[at], rows)
            best = self._choose(logits)
            lanes.score[live] += best.scores
            move = best.moves
            spoken = np.flatnonzero(best.tokens != joint.blank)
            if len(spoken):
                who, tokens = live[spoken], best.tokens[spoken]
                lanes.emit(who, at[spoken], tokens, best.durations[spoken], best.logprobs[spoken])
                before = rows if len(spoken) == len(live) else take_rows(rows, spoken)
                lanes.put(who, joint.advance(before, tokens, take_rows(joined, spoken)))
                symbols = np.where(move, 0, lanes.symbols[live] + 1)
                move[symbols >= self._max_symbols] = 1
                lanes.symbols[live] = np.where(move, 0, symbols)
            else:
                lanes.symbols[live] = 0
            lanes.at[live] = at + move
        lanes.give_back()

    def _choose(self, logits: npt.NDArray[np.float32]) -> _Best:
        n_durations = len(self._durations)
        if not n_durations:
            tokens, logprobs = best_of_rows(logits)
            moves = (tokens == self._joint.blank).astype(np.int64)
            return _Best(tokens, np.ones_like(moves), moves, logprobs, logprobs)
        tokens, logprobs = best_of_rows(logits[:, :-n_durations])
        which, duration_logprobs = best_of_rows(logits[:, -n_durations:])
        durations = self._durations[which]
        moves = np.where(tokens == self._joint.blank, np.maximum(durations, 1), durations)
        return _Best(tokens, durations, moves, logprobs, logprobs + duration_logprobs)


class _Best(NamedTuple):
    """The best answer of each row, [n_rows] each."""

    tokens: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]
    """Frames that the token belongs to: 1 where the model does not say."""
    moves: npt.NDArray[np.int64]
    """Frames to go on by."""
    logprobs: npt.NDArray[np.float32]
    """Of the token among all tokens."""
    scores: npt.NDArray[np.float32]
    """Of the whole answer."""


class _Lanes:
    """The streams of one step, as whole arrays: one row, or one run of frames, for each."""

    def __init__(self, given: list[tuple[DecodeState, Frames]]) -> None:
        self.states = [own(state, GreedyState) for state, _ in given]
        self.frames = np.concatenate([frames for _, frames in given])
        lengths = np.fromiter((len(frames) for _, frames in given), np.int64, len(given))
        self.end = np.cumsum(lengths)
        """Behind the last frame of each stream in ``frames``."""
        self.at = self.end - lengths
        """Where each stream is in ``frames``."""
        before = np.fromiter((state.n_frames for state in self.states), np.int64, len(given))
        self.offset = before - self.at
        """Difference between a frame's number in its utterance and its place in ``frames``."""
        self.at += np.fromiter((state.skip for state in self.states), np.int64, len(given))
        self.rows = join_rows([state.rows for state in self.states])
        self.changed = np.zeros(len(given), np.bool_)
        self.symbols = np.zeros(len(given), np.int64)
        """Tokens emitted at the current frame. A step ends between frames, so it begins at 0."""
        self.score = np.zeros(len(given), np.float64)
        self._found: list[tuple[int, Emission]] = []

    def emit(
        self,
        who: npt.NDArray[np.intp],
        at: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        durations: npt.NDArray[np.int64],
        logprobs: npt.NDArray[np.float32],
    ) -> None:
        """Note what some streams emitted at their frames."""
        first = at + self.offset[who]
        self._found += [
            (index, Emission(token, frame, end_frame, logprob))
            for index, token, frame, end_frame, logprob in zip(
                who.tolist(),
                tokens.tolist(),
                first.tolist(),
                (first + durations).tolist(),
                logprobs.tolist(),
                strict=True,
            )
        ]

    def put(self, who: npt.NDArray[np.intp], rows: Rows) -> None:
        """Adopt new states for some streams."""
        for array, new in zip(self.rows, rows, strict=True):
            array[who] = new
        self.changed[who] = True

    def give_back(self) -> None:
        """Tell each stream what became of it."""
        for index in np.flatnonzero(self.changed).tolist():
            # A copy: a view would keep the rows of all the others alive.
            self.states[index].rows = tuple(row[index : index + 1].copy() for row in self.rows)
        for index, emission in self._found:
            self.states[index].emissions.append(emission)
        for state, n_frames, skip, score in zip(
            self.states,
            (self.end + self.offset).tolist(),
            (self.at - self.end).tolist(),
            self.score.tolist(),
            strict=True,
        ):
            state.n_frames = n_frames
            state.skip = skip
            state.score += score
