"""What a decoder is given and what it gives: frames of an encoder in, hypotheses out, for many streams in one call.

    encoder frames of many streams -> Decoder.step -> each stream's DecodeState has moved on -> hypotheses, best first

In: encoder output frames, one array per stream that has some. Out: each stream's state. Invariants: what a stream
decodes does not depend on which others are in the call, nor on how its frames are split over calls; nothing is lost at
a split; no cap on the length of the text. Cores: no I/O, no threads. The network is asked through ``Joint``, which a
shell implements over the inference engine. Thread: one at a time; ``start`` may be called from any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Frames: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_frames, width]: encoder output, or for CTC log-probabilities (logits will do)."""

Rows: TypeAlias = tuple[npt.NDArray[Any], ...]
"""State of a prediction network, each array with one row per stream (or hypothesis) along axis 0."""


class Emission(msgspec.Struct, frozen=True):
    """One token that was decoded."""

    token: int
    frame: int
    """Encoder frame, counted from the utterance's first, at which it was emitted."""
    end_frame: int
    """Frame behind the last one that belongs to it: for TDT the frame plus its duration."""
    logprob: float
    """Log-probability of the token among all tokens at that frame, without any bias."""


class Path(msgspec.Struct, frozen=True):
    """One hypothesis of an utterance."""

    emissions: tuple[Emission, ...]
    score: float
    """Log-probability of the whole path, bias included; the higher the better."""


class Joint(Protocol):
    """The prediction and joint networks of a transducer, batched over rows."""

    @property
    def blank(self) -> int:
        """Token that means: go on to the next frame."""
        ...

    @property
    def durations(self) -> tuple[int, ...]:
        """What the last logits stand for in a TDT model (frames to advance); empty for RNN-T."""
        ...

    def start(self, n_rows: int) -> Rows:
        """State of rows that have emitted nothing."""
        ...

    def join(
        self, frames: npt.NDArray[np.float32], rows: Rows
    ) -> tuple[npt.NDArray[np.float32], Rows]:
        """Score the next token of each row.

        Args:
            frames: float32 [n_rows, width], one encoder frame for each row.
            rows: the rows' states; unchanged.

        Returns:
            Logits, float32 [n_rows, n_tokens + n_durations], and what ``advance`` will want of this call.
        """
        ...

    def advance(self, rows: Rows, tokens: npt.NDArray[np.int64], joined: Rows) -> Rows:
        """States of rows after they emitted ``tokens`` (never blank).

        Args:
            rows: states before.
            tokens: int64 [n_rows].
            joined: the rows of what ``join`` returned that belong to them.
        """
        ...


class DecodeState(Protocol):
    """One utterance being decoded; made by ``Decoder.start``, moved on only by ``Decoder.step``."""

    @property
    def n_frames(self) -> int:
        """Frames consumed."""
        ...

    @property
    def n_stable(self) -> int:
        """How many tokens at the beginning of the best path every later best path will also begin with.

        They are settled; but a last one's frame, end and log-probability may still change while it lasts (CTC).
        """
        ...

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:
        """The best hypotheses so far, best first; at least one."""
        ...


class Decoder(Protocol):
    """Decodes many streams at a time."""

    def start(self, phrases: Sequence[tuple[int, ...]] = ()) -> DecodeState:
        """A new utterance.

        Args:
            phrases: hot words as token sequences, whose paths are favoured.
        """
        ...

    def step(self, streams: Sequence[tuple[DecodeState, Frames]]) -> None:
        """Move streams on by their frames, all together; a stream occurs once."""
        ...

    def finish(self, states: Sequence[DecodeState]) -> None:
        """No more frames come: settle what was still open (partial hot words lose their bonus)."""
        ...
