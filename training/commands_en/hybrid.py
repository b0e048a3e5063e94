"""A stream decoded with both heads, as it ships: the product's own search over the graphs of a folder.

In: samples. Out: words, each with when it was first told. Invariants: ``gapless`` decodes, so that training and product
cannot differ; the graphs are asked here. Thread: one per stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from gapless.listen.recogniser.decode.contract import Emission, Rows
from gapless.listen.recogniser.decode.hybrid_beam import BeamHybrid
from gapless.listen.recogniser.decode.hybrid_prefixes import HybridOptions

from .decode import Model, Stream, Word, empty_states, heard_ms

FloatArray = npt.NDArray[np.float32]

OPTIONS: Final = HybridOptions(transducer_share=0.5, token_bonus=0.5, blank_offset=1.0, margin=4.0)
"""Chosen on the validation sets. The same stand in the recogniser.toml that ships."""


class Heads:
    """The transducer and the CTC head of a model, as the search asks them.

    Rows are what the predictor made of the last token, and its states, [n, towers, units].

    Args:
        model: its graphs.
    """

    blank: Final = 0
    durations: Final = ()

    def __init__(self, model: Model) -> None:
        self._model = model
        states = empty_states(model.predictor, ("ph", "pc"))
        self._start = self._predict(np.zeros((1, 1), np.int64), states["ph"], states["pc"])

    def start(self, n_rows: int) -> Rows:
        """State of rows that have emitted nothing."""
        return tuple(np.repeat(array, n_rows, axis=0) for array in self._start)

    def join(self, frames: FloatArray, rows: Rows) -> tuple[FloatArray, Rows]:
        """Score the next token of each row."""
        (logits,) = self._model.joiner.run(None, {"encoded": frames, "predicted": rows[0]})
        return logits, ()

    def advance(self, rows: Rows, tokens: npt.NDArray[np.int64], joined: Rows) -> Rows:  # noqa: ARG002 - of a fused one
        """States of rows after they emitted tokens."""
        _, ph, pc = rows
        return self._predict(tokens[:, None], ph.swapaxes(0, 1), pc.swapaxes(0, 1))

    def score(self, frames: Sequence[FloatArray]) -> list[FloatArray]:
        """CTC's log-probabilities."""
        return [self._model.ctc.run(None, {"encoded": each[:, None]})[0][:, 0] for each in frames]

    def _predict(self, tokens: npt.NDArray[np.int64], ph: FloatArray, pc: FloatArray) -> Rows:
        predicted, ph, pc = self._model.predictor.run(None, {"token": tokens, "ph": ph, "pc": pc})
        return predicted, ph.swapaxes(0, 1), pc.swapaxes(0, 1)


class HybridStream(Stream):
    """A stream whose last words may change until they are settled.

    Args:
        model: shared by any number of streams.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        heads = Heads(model)
        self._decoder = BeamHybrid(heads, heads, OPTIONS)
        self._state = self._decoder.start()

    @property
    def score(self) -> float:
        """Of what was most probably said."""
        return self._state.paths()[0].score

    def _step(self, encoded: FloatArray) -> None:
        self._decoder.step([(self._state, encoded)])
        said = self._state.paths()[0].emissions
        known = (each for each in said if each.token != self._model.unknown)
        self.words = [self._told(n, emission) for n, emission in enumerate(known)]

    def _told(self, n: int, emission: Emission) -> Word:
        """The n-th word: as before, if it was told before."""
        word = self._model.tokens[emission.token]
        if n < len(self.words) and self.words[n].word == word:
            return self.words[n]
        return Word(word, heard_ms(self._frame), float(np.exp(emission.logprob)))


def recognise_by_both(model: Model, samples: FloatArray) -> list[Word]:
    """The words of a recording."""
    stream = HybridStream(model)
    stream.push(samples)
    return stream.words
