"""Both heads decoded as one: a beam of prefixes, each scored by the CTC head and by the transducer.

In: encoder frames, one at a time. Out: tokens with the frame in which each came up.
Invariants: frame by frame, so that streamed is whole; the beam is bounded. Thread: one per stream.

The heads err in different places, and each sees what the other cannot: CTC sums over all alignments of a
prefix, the transducer knows what was said before. The score of a prefix is the weighted sum of both log-probabilities,
as in hybrid CTC/attention decoding (Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech
Recognition", 2017), and something for each word, since long prefixes are less probable. CTC's part is prefix beam
search (Hannun et al., 2014); the transducer's is its forward variable (Graves, 2012), which moves on with the frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .decode import Model, Stream, Word, empty_states, heard_ms

FloatArray = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

BEAM: Final = 4
# The next three were chosen on the validation sets.
TRANSDUCER_SHARE: Final = 0.5
WORD_BONUS: Final = 0.5
BLANK_GIVEN_BACK: Final = 1.0
"""The joiner's graph lowers the blank by 2, which is right for a greedy search; 1 is for this one."""
WORTH_A_LOOK: Final = -6.0
"""Tokens are tried whose log-probability is above this by the mean of the heads."""
NEVER: Final = -1e30


class Emitted(NamedTuple):
    """A token, and the number of the encoder's frame in which it was first tried."""

    token: int
    frame: int


class _Prefix(NamedTuple):
    """What may have been said so far."""

    emitted: tuple[Emitted, ...]
    blank: float
    """CTC: log of the sum over the alignments that end in a blank."""
    label: float
    """CTC: of those that end in the last token."""
    forward: float
    """Transducer: log of the sum over the ways to have said this and to have heard all frames."""
    predicted: FloatArray
    states: tuple[FloatArray, FloatArray]

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(one.token for one in self.emitted)


class _Candidate:
    """A prefix of the next frame, while its sums are not complete."""

    __slots__ = ("blank", "emitted", "forward", "label", "parent", "same")

    def __init__(self, emitted: tuple[Emitted, ...]) -> None:
        self.emitted = emitted
        self.blank = self.label = self.forward = NEVER
        self.same: int | None = None
        """Its place in the beam, if it is there already."""
        self.parent = 0
        """Otherwise: whom it prolongs."""

    @property
    def score(self) -> float:
        by_ctc = float(np.logaddexp(self.blank, self.label))
        both = TRANSDUCER_SHARE * self.forward + (1 - TRANSDUCER_SHARE) * by_ctc
        return both + WORD_BONUS * len(self.emitted)


class JointSearch:
    """One conversation.

    Args:
        model: its graphs.
        beam: prefixes that are followed.
    """

    def __init__(self, model: Model, beam: int = BEAM) -> None:
        self._model = model
        self._most = beam
        self._frame = 0
        states = empty_states(model.predictor, ("ph", "pc"))
        predicted, ph, pc = model.predictor.run(
            None, {"token": np.zeros((1, 1), np.int64), **states}
        )
        self._beam = [_Prefix((), 0.0, NEVER, 0.0, predicted[0], (ph, pc))]

    @property
    def best(self) -> tuple[Emitted, ...]:
        """What was most probably said."""
        return self._beam[0].emitted

    def step(self, encoded: FloatArray) -> None:
        """Hear a frame: [1, 384]."""
        (given,) = self._model.ctc.run(None, {"encoded": encoded[None]})
        by_ctc = given[0, 0].astype(np.float64)
        by_joiner = self._joined(encoded, np.stack([one.predicted for one in self._beam]))
        found = self._candidates(by_ctc, by_joiner)
        chosen = sorted(found, key=lambda one: -one.score)[: self._most]
        self._beam = self._moved_on(encoded, by_joiner, chosen)
        self._frame += 1

    def _joined(self, encoded: FloatArray, predicted: FloatArray) -> Scores:
        """Log-probabilities [prefixes, tokens] of the transducer."""
        rows = np.repeat(encoded, len(predicted), axis=0)
        (logits,) = self._model.joiner.run(None, {"encoded": rows, "predicted": predicted})
        scores = logits.astype(np.float64)
        scores[:, 0] += BLANK_GIVEN_BACK
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    def _candidates(self, by_ctc: Scores, by_joiner: Scores) -> list[_Candidate]:
        beam = self._beam
        places = {one.tokens: place for place, one in enumerate(beam)}
        said = [one.forward for one in beam]
        # Shorter ones first: a token of this frame may follow another of this frame.
        for place in sorted(range(len(beam)), key=lambda place: len(beam[place].emitted)):
            tokens = beam[place].tokens
            if tokens and (before := places.get(tokens[:-1])) is not None:
                way = said[before] + by_joiner[before, tokens[-1]]
                said[place] = float(np.logaddexp(said[place], way))
        found: dict[tuple[int, ...], _Candidate] = {}
        for place, one in enumerate(beam):
            tokens, total = one.tokens, float(np.logaddexp(one.blank, one.label))
            stays = found.setdefault(tokens, _Candidate(one.emitted))
            stays.same, stays.forward = place, said[place]
            stays.emitted = one.emitted
            stays.blank = float(np.logaddexp(stays.blank, total + by_ctc[0]))
            if tokens:
                stays.label = float(np.logaddexp(stays.label, one.label + by_ctc[tokens[-1]]))
            mean = TRANSDUCER_SHARE * by_joiner[place] + (1 - TRANSDUCER_SHARE) * by_ctc
            for token in np.flatnonzero(mean[1:] > WORTH_A_LOOK) + 1:
                again = bool(tokens) and tokens[-1] == token
                longer = (*tokens, int(token))
                grows = found.setdefault(
                    longer, _Candidate((*one.emitted, Emitted(int(token), self._frame)))
                )
                # The same token again needs a blank between, for CTC.
                way = (one.blank if again else total) + by_ctc[token]
                grows.label = float(np.logaddexp(grows.label, way))
                if longer not in places:
                    grows.forward = said[place] + by_joiner[place, token]
                    grows.parent = place
        return list(found.values())

    def _moved_on(
        self, encoded: FloatArray, by_joiner: Scores, chosen: list[_Candidate]
    ) -> list[_Prefix]:
        """The beam behind this frame: all have heard it, which the transducer calls a blank."""
        begun = self._begun(encoded, [one for one in chosen if one.same is None])
        beam = []
        for one in chosen:
            if one.same is None:
                predicted, states, blank = next(begun)
            else:
                old = self._beam[one.same]
                predicted, states, blank = old.predicted, old.states, by_joiner[one.same, 0]
            beam.append(
                _Prefix(one.emitted, one.blank, one.label, one.forward + blank, predicted, states)
            )
        return beam

    def _begun(
        self, encoded: FloatArray, fresh: list[_Candidate]
    ) -> Iterator[tuple[FloatArray, tuple[FloatArray, FloatArray], float]]:
        """What the predictor makes of prefixes that are new, its states, and their blank in this frame."""
        if not fresh:
            return
        before = [self._beam[one.parent].states for one in fresh]
        predicted, ph, pc = self._model.predictor.run(
            None,
            {
                "token": np.array([[one.emitted[-1].token] for one in fresh], np.int64),
                "ph": np.concatenate([h for h, _ in before], axis=1),
                "pc": np.concatenate([c for _, c in before], axis=1),
            },
        )
        blanks = self._joined(encoded, predicted)[:, 0]
        for n in range(len(fresh)):
            yield predicted[n], (ph[:, n : n + 1], pc[:, n : n + 1]), float(blanks[n])


class JointStream(Stream):
    """A stream whose words are those of both heads; they may change until it ends.

    Args:
        model: shared by any number of streams.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._search = JointSearch(model)

    def push(self, samples: FloatArray) -> None:
        """Hear more."""
        super().push(samples)
        self.words = [
            Word(self._model.tokens[token], heard_ms(frame), float("nan"))
            for token, frame in self._search.best
            if token != self._model.unknown
        ]

    def _step(self, encoded: FloatArray) -> None:
        self._search.step(encoded)


def recognise_jointly(model: Model, samples: FloatArray) -> list[Word]:
    """The words of a recording; their probabilities are not known."""
    stream = JointStream(model)
    stream.push(samples)
    return stream.words
