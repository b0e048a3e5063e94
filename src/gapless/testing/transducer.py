"""Transducers small enough to be worked out by hand: their logits are looked up in tables.

In: frames whose first number says which row of a table they are. Out: logits. Invariants: those of
``listen.recogniser.decode.contract.Joint``; a row's bits do not depend on the other rows. Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.errors import ModelError
from gapless.listen.recogniser.decode.contract import Frames, Rows
from gapless.listen.recogniser.decode.scores import log_softmax

N_STATES: Final = 97
"""States of the prediction network: a prime, so that different token sequences rarely share one."""


class TableJoint:
    """Networks whose state is a hash of the tokens so far.

    Args:
        n_tokens: with the blank.
        blank: the token that says nothing.
        durations: of a TDT model; empty for RNN-T.
        fused: compute the new state in ``join``, as models do whose two networks are one file.
        n_kinds: rows of the table of frames.
        seed: of the tables.
        spread: standard deviation of the logits: the larger, the surer.
    """

    def __init__(
        self,
        n_tokens: int,
        *,
        blank: int = 0,
        durations: tuple[int, ...] = (),
        fused: bool = False,
        n_kinds: int = 16,
        seed: int = 0,
        spread: float = 1.0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.blank = blank
        self.durations = durations
        self.n_tokens = n_tokens
        self.n_kinds = n_kinds
        self.join_rows: list[int] = []
        """Rows of each call of ``join``."""
        self.advance_rows: list[int] = []
        self.fail_at: int | None = None
        """The call of ``join`` that raises, counted from 0."""
        self._fused = fused
        size = (n_kinds, N_STATES, n_tokens + len(durations))
        self._table = (rng.standard_normal(size) * spread).astype(np.float32)

    def start(self, n_rows: int) -> Rows:
        """Rows that hold the last token and the state; fused ones have not fed that token yet."""
        return (np.full((n_rows, 1), self.blank), np.zeros((n_rows, 2), np.int64))

    def join(self, frames: npt.NDArray[np.float32], rows: Rows) -> tuple[Frames, Rows]:
        """Look the logits up."""
        if len(self.join_rows) == self.fail_at:
            raise ModelError("the table is lost; look for it")
        self.join_rows.append(len(frames))
        tokens, states = rows[0][:, 0], rows[1][:, 0]
        if self._fused:
            states = self._after(tokens, states)
        logits = self._table[frames[:, 0].astype(np.int64), states]
        return logits, ((np.stack([states, states], axis=1),) if self._fused else ())

    def advance(self, rows: Rows, tokens: npt.NDArray[np.int64], joined: Rows) -> Rows:
        """The states after ``tokens``."""
        if self.blank in tokens:
            raise AssertionError("the prediction network sees no blanks")
        self.advance_rows.append(len(tokens))
        if self._fused:
            return (tokens[:, None].copy(), joined[0].copy())
        states = self._after(tokens, rows[1][:, 0])
        return (tokens[:, None].copy(), np.stack([states, states], axis=1))

    def frames(self, kinds: list[int]) -> Frames:
        """Frames of these kinds, float32 [n, 2]."""
        return np.array([[kind % self.n_kinds, 0] for kind in kinds], np.float32).reshape(-1, 2)

    def logits_are(self, logits: npt.NDArray[np.float32]) -> None:
        """Give these logits for frames of kind 0, 1 ..., whatever was said before."""
        self._table[: len(logits)] = logits[:, None]

    def state_after(self, tokens: list[int]) -> int:
        """The state that ``tokens`` lead to."""
        state = np.zeros(1, np.int64)
        for token in tokens:
            state = self._after(np.array([token]), state)
        return int(state[0])

    def logits(self, kind: int, tokens: list[int]) -> npt.NDArray[np.float32]:
        """The logits at a frame after ``tokens``, float32 [n_tokens + n_durations]."""
        logits: npt.NDArray[np.float32] = self._table[kind % self.n_kinds, self.state_after(tokens)]
        return logits

    def _after(
        self, tokens: npt.NDArray[np.int64], states: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        # The blank stands for the beginning: it leaves the state as it is.
        return np.where(tokens == self.blank, states, (states * 31 + tokens * 7 + 1) % N_STATES)


class TableHead:
    """A CTC head over the same frames.

    Args:
        n_tokens: with the blank, which is 0.
        n_kinds: rows of the table of frames.
        seed: of the table.
        spread: standard deviation of the logits: the larger, the surer.
    """

    def __init__(
        self, n_tokens: int, *, n_kinds: int = 16, seed: int = 0, spread: float = 1.5
    ) -> None:
        logits = np.random.default_rng([seed, 1]).standard_normal((n_kinds, n_tokens)) * spread
        self.calls = 0
        self._table = log_softmax(logits.astype(np.float32))

    def score(self, frames: Sequence[Frames]) -> list[Frames]:
        """Look the log-probabilities up."""
        self.calls += 1
        return [self._table[each[:, 0].astype(np.int64)] for each in frames]

    def scores_are(self, logprobs: npt.NDArray[np.float32]) -> None:
        """Give these log-probabilities for frames of kind 0, 1 ..."""
        self._table[: len(logprobs)] = logprobs
