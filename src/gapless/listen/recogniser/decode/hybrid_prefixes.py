"""What one stream may have said, in the search over both heads of an encoder.

    prefixes -> each stays, or grows by a token worth trying -> the best few -> those that are new hear the frame, too

In: what both heads say of a frame, for each prefix. Out: the prefixes behind it. Invariants: a prefix is scored by the
sum of its alignments by either head, as far as they lead through the beam; what all prefixes begin with is settled and
not carried any further; a token has the frame in which it was likeliest. Thread: its decoder's.

The score is the weighted sum of both log-probabilities, as in S. Watanabe et al., "Hybrid CTC/Attention Architecture
for End-to-End Speech Recognition", 2017, and something for each token, for longer texts are less probable. CTC's part
is that of ``ctc_beam.py``. The transducer's is the forward variable of A. Graves, "Sequence Transduction with Recurrent
Neural Networks", 2012: the prefix was said, and the frame was left by a blank. A token comes no earlier than CTC can
say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.errors import ConfigError
from gapless.listen.recogniser.decode.contract import Emission, Frames, Path, Rows
from gapless.listen.recogniser.decode.phrases import START, PhraseGraph, Place
from gapless.listen.recogniser.decode.scores import NEVER, log_add
from gapless.listen.recogniser.decode.search import (
    BeamOptions,
    common_length,
    follow,
    keep_best,
    overdue,
    to_paths,
)

Scores: TypeAlias = npt.NDArray[np.float32]


class HybridOptions(msgspec.Struct, frozen=True):
    """How wide to look, and what each head counts.

    Raises:
        ConfigError: out of range.
    """

    search: BeamOptions = BeamOptions()
    transducer_share: float = 0.5
    """Of the transducer's log-probability in the score, 0..1; the rest is CTC's."""
    token_bonus: float = 0.0
    """Added to the score for each token."""
    blank_offset: float = 0.0
    """Added to the transducer's logit of the blank, for a network that was exported for another search."""
    least_logprob: float = -4.0
    """Tokens are tried whose log-probability in a frame is above this, by the weighted mean of both heads."""
    margin: float = 10.0
    """Prefixes whose score is this far behind the best one's are dropped: few alternatives are worth their time, and
    text is settled sooner without them."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.transducer_share <= 1.0:
            raise ConfigError(
                f"`transducer_share` is {self.transducer_share}; give 0 to 1",
                param="transducer_share",
            )


class HeadScores(NamedTuple):
    """What both heads say of one frame, float32; a row for each prefix of a stream."""

    ctc: Scores
    """Log-probabilities of all tokens, [n_tokens]."""
    transducer: Scores
    """Likewise behind each prefix, [n_prefixes, n_tokens]."""
    mean: Scores
    """Of both, weighted, [n_prefixes, n_tokens]."""
    tokens: list[list[int]]
    """Which are worth trying behind each prefix; never the blank."""


class Prefix(NamedTuple):
    """A text that may have been said, and how probable that is."""

    tokens: tuple[int, ...]
    """Behind the settled ones. Its last token is always among them."""
    emissions: tuple[Emission, ...]
    blank: float
    """CTC: log-probability of its alignments that end in a blank."""
    spoken: float
    """CTC: of those that end in its last token."""
    forward: float
    """Transducer: of its alignments with all frames so far."""
    reward: float
    """For its tokens."""
    bonus: float
    """For hot words."""
    place: Place
    rows: Rows
    """State of the prediction network."""
    total: float
    """What it is ranked by."""


class HybridState:
    """One utterance; changed only by its decoder."""

    __slots__ = ("graph", "n_frames", "n_stable", "prefixes", "settled")

    def __init__(self, rows: Rows, graph: PhraseGraph | None) -> None:
        self.graph = graph
        self.n_frames = 0
        self.n_stable = 0
        self.settled: list[Emission] = []
        """What all prefixes begin with, except for a last token that may still be found a better frame."""
        self.prefixes = [Prefix((), (), 0.0, NEVER, 0.0, 0.0, 0.0, START, rows, 0.0)]
        """Best first."""

    def paths(self, n_best: int = 1) -> tuple[Path, ...]:
        """The best prefixes so far, best first."""
        return to_paths(self.settled, self.prefixes, n_best)

    def finish(self) -> None:
        """Take back the bonus of hot words that were not completed."""
        if (graph := self.graph) is not None:
            left = ((prefix, graph.settled_bonus(prefix.place)) for prefix in self.prefixes)
            prefixes = [
                prefix._replace(bonus=bonus, total=prefix.total - prefix.bonus + bonus)
                for prefix, bonus in left
            ]
            self.prefixes = keep_best(prefixes, len(prefixes))


class _Grown(NamedTuple):
    """A prefix of the next frame, which has still to hear this one by the transducer."""

    prefix: Prefix
    row: int
    """Its own in the beam, or that of the one that it prolongs."""
    is_new: bool


class HybridRun:
    """A stream during a step: a working copy, so that a step that fails leaves the stream as it was.

    Args:
        state: of the stream.
        frames: encoder frames, float32 [n_frames, width].
        ctc: the CTC head's log-probabilities of them, float32 [n_frames, n_tokens].
        blank: the token that says nothing.
        options: of the search.
    """

    def __init__(
        self, state: HybridState, frames: Frames, ctc: Scores, blank: int, options: HybridOptions
    ) -> None:
        self.frames = frames
        self.ctc = ctc
        self.prefixes = state.prefixes
        """Best first."""
        self._state = state
        self._blank = blank
        self._options = options
        self._frame = state.n_frames
        self._settled: list[Emission] = []
        self._n_stable = state.n_stable
        self._chosen: list[tuple[float, _Grown]] = []
        self._blanks: list[float] = []

    def grow(self, scores: HeadScores) -> list[tuple[int, int]]:
        """Let each prefix stay and grow, and choose the best.

        Returns:
            Of each chosen one that is new: the row of the prefix before, and the token.
        """
        rows = {prefix.tokens: row for row, prefix in enumerate(self.prefixes)}
        forward = self._forward(scores, rows)
        grown = {
            prefix.tokens: _Grown(self._stay(prefix, forward[row], scores, rows), row, is_new=False)
            for row, prefix in enumerate(self.prefixes)
        }
        for row, prefix in enumerate(self.prefixes):
            for token in self._tries(prefix, row, scores):
                # The token that it ends in says something new only behind a blank.
                repeats = prefix.tokens[-1:] == (token,)
                before = prefix.blank if repeats else log_add(prefix.blank, prefix.spoken)
                if before == NEVER:
                    continue
                spoken = before + scores.ctc.item(token)
                longer = (*prefix.tokens, token)
                if longer in rows:
                    there = grown[longer]
                    spoken = log_add(there.prefix.spoken, spoken)
                    grown[longer] = there._replace(prefix=there.prefix._replace(spoken=spoken))
                else:
                    said = forward[row] + scores.transducer.item(row, token)
                    new = self._begin(prefix, token, spoken, said, scores.mean.item(row, token))
                    grown[longer] = _Grown(new, row, is_new=True)
        self._chosen = self._choose(grown.values())
        self._blanks = scores.transducer[:, self._blank].tolist()
        return [(each.row, each.prefix.tokens[-1]) for _, each in self._chosen if each.is_new]

    def move_on(self, begun: Iterator[tuple[Rows, float]]) -> None:
        """Let the chosen ones hear the frame, which the transducer calls a blank; then settle what they agree on.

        Args:
            begun: of those that are new: the state of the prediction network, and the blank's log-probability.
        """
        prefixes = []
        for score, (prefix, row, is_new) in self._chosen:
            rows, blank = next(begun) if is_new else (prefix.rows, self._blanks[row])
            prefixes.append(
                prefix._replace(
                    rows=rows,
                    forward=prefix.forward + blank,
                    total=score + self._options.transducer_share * blank,
                )
            )
        prefixes = keep_best(prefixes, len(prefixes))
        old = overdue(prefixes[0], self._frame - self._options.search.horizon_frames)
        self.prefixes = [prefix for prefix in prefixes if prefix.tokens[: len(old)] == old]
        self._frame += 1
        self._settle()

    def give_back(self) -> None:
        """The step is done: the stream's state becomes that of the copy."""
        self._state.n_frames = self._frame
        self._state.settled += self._settled
        self._state.n_stable = self._n_stable
        self._state.prefixes = self.prefixes

    def _forward(self, scores: HeadScores, rows: dict[tuple[int, ...], int]) -> list[float]:
        """Of each prefix, for the transducer, before it leaves the frame; its last token may have come in it."""
        forward = [prefix.forward for prefix in self.prefixes]
        # Shorter ones first: a token of this frame may follow another of this frame.
        for row in sorted(range(len(forward)), key=lambda row: len(self.prefixes[row].tokens)):
            tokens = self.prefixes[row].tokens
            if tokens and (before := rows.get(tokens[:-1])) is not None:
                way = forward[before] + scores.transducer.item(before, tokens[-1])
                forward[row] = log_add(forward[row], way)
        return forward

    def _stay(
        self,
        prefix: Prefix,
        forward: float,
        scores: HeadScores,
        rows: dict[tuple[int, ...], int],
    ) -> Prefix:
        """The prefix behind a frame that adds nothing to it: a blank, or its last token once more."""
        blank = log_add(prefix.blank, prefix.spoken) + scores.ctc.item(self._blank)
        if not prefix.tokens:
            return prefix._replace(blank=blank, forward=forward)
        token = prefix.tokens[-1]
        emissions = prefix.emissions
        if (before := rows.get(prefix.tokens[:-1])) is not None:
            logprob = scores.mean.item(before, token)
            if logprob > emissions[-1].logprob:
                emissions = (*emissions[:-1], self._emission(token, logprob))
        spoken = prefix.spoken + scores.ctc.item(token)
        return prefix._replace(blank=blank, spoken=spoken, forward=forward, emissions=emissions)

    def _tries(self, prefix: Prefix, row: int, scores: HeadScores) -> list[int]:
        """Tokens that may follow a prefix."""
        if (graph := self._state.graph) is None:
            return scores.tokens[row]
        favoured = graph.favoured(prefix.place)
        worth = scores.mean[row, favoured.tokens] + favoured.gains > self._options.least_logprob
        return list(dict.fromkeys([*scores.tokens[row], *favoured.tokens[worth].tolist()]))

    def _begin(
        self, prefix: Prefix, token: int, spoken: float, forward: float, logprob: float
    ) -> Prefix:
        """The prefix and a token more, whose state of the prediction network is still the prefix's."""
        place, bonus = follow(self._state.graph, prefix.place, token)
        return Prefix(
            (*prefix.tokens, token),
            (*prefix.emissions, self._emission(token, logprob)),
            NEVER,
            spoken,
            forward,
            prefix.reward + self._options.token_bonus,
            bonus,
            place,
            prefix.rows,
            NEVER,
        )

    def _emission(self, token: int, logprob: float) -> Emission:
        return Emission(token, self._frame, self._frame + 1, logprob)

    def _choose(self, grown: Iterable[_Grown]) -> list[tuple[float, _Grown]]:
        """The best that are not far behind, with their scores before they hear the frame by the transducer."""
        ranked = sorted(
            ((self._score(each.prefix), each) for each in grown), key=itemgetter(0), reverse=True
        )
        floor = ranked[0][0] - self._options.margin
        return [one for one in ranked[: self._options.search.beam] if one[0] >= floor]

    def _score(self, prefix: Prefix) -> float:
        share = self._options.transducer_share
        ctc = log_add(prefix.blank, prefix.spoken)
        return share * prefix.forward + (1 - share) * ctc + prefix.reward + prefix.bonus

    def _settle(self) -> None:
        common = common_length(self.prefixes)
        self._n_stable = len(self._state.settled) + len(self._settled) + common
        shortest = min(len(prefix.tokens) for prefix in self.prefixes)
        count = min(common, shortest - 1)  # a last token may still be found a better frame
        if count > 0:
            self._settled += self.prefixes[0].emissions[:count]
            self.prefixes = [
                prefix._replace(tokens=prefix.tokens[count:], emissions=prefix.emissions[count:])
                for prefix in self.prefixes
            ]
