"""The network in PyTorch: two towers, each a streaming encoder, a CTC head, and an RNN-T's predictor and joiner.

In: features float32 [N, T, 80], T a multiple of 4. Out: encodings, logits.
Invariants: no look-ahead; whole and in pieces give the same, for all state is passed in and out.
Thread: the caller's.

The towers differ in what they hear: the logarithms of the energies, or the energies divided by their own
recent means. They are trained apart, and what ships is the mean of their log-probabilities.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor, nn

from .features import MELS, STACK
from .words import TOKENS

HIDDEN = 192
LAYERS = 2
EMBEDDING = 64
PREDICTOR = 64
JOINT = 128
VOCABULARY = len(TOKENS)

Front = Literal["log", "normalised"]
COLUMNS: Final[dict[Front, slice]] = {
    "log": slice(MELS),
    "normalised": slice(MELS, 2 * MELS),
}
"""Where in the features is what a tower hears."""


class State(NamedTuple):
    """Of an LSTM: ``h`` and ``c``, each [layers, N, units]."""

    h: Tensor
    c: Tensor


def zero_state(layers: int, rows: int, units: int) -> State:
    """Where a stream begins."""
    return State(torch.zeros(layers, rows, units), torch.zeros(layers, rows, units))


class Encoder(nn.Module):
    """Four frames of 10 ms stacked, a linear layer, two LSTM layers; 40 ms per output."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Linear(MELS * STACK, HIDDEN)
        self.lstm = nn.LSTM(HIDDEN, HIDDEN, LAYERS, batch_first=True)

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """[N, T, 40] to [N, T / 4, 192], and the state after it."""
        rows, frames, _ = features.shape
        stacked = features.reshape(rows, frames // STACK, MELS * STACK)
        encoded, after = self.lstm(torch.relu(self.entry(stacked)), tuple(state))
        return encoded, State(*after)


class Predictor(nn.Module):
    """An LSTM over the tokens that were emitted. Its start is the blank at a zero state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, PREDICTOR, batch_first=True)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """int64 [N, U] to [N, U, 64], and the state after it."""
        predicted, after = self.lstm(self.embedding(tokens), tuple(state))
        return predicted, State(*after)


class Joiner(nn.Module):
    """Adds what was heard and what was said in a space of 128, and scores every token."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = nn.Linear(HIDDEN, JOINT)
        self.said = nn.Linear(PREDICTOR, JOINT, bias=False)
        self.score = nn.Linear(JOINT, VOCABULARY)

    def forward(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """[..., 192] and [..., 64] to logits [..., V]."""
        return self.score(torch.tanh(self.heard(encoded) + self.said(predicted)))


class Tower(nn.Module):
    """All parts, and a frame-wise word classifier that helps training along and is not shipped.

    Args:
        front: what it hears.
    """

    def __init__(self, front: Front) -> None:
        super().__init__()
        self.columns = COLUMNS[front]
        self.encoder = Encoder()
        self.predictor = Predictor()
        self.joiner = Joiner()
        self.ctc = nn.Linear(HIDDEN, VOCABULARY)
        self.framewise = nn.Linear(HIDDEN, VOCABULARY)

    def encode(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """[N, T, 80] to [N, T / 4, 192], and the state after it."""
        return self.encoder(features[..., self.columns], state)
