"""What the beam searches have in common: options, hot words, what is settled, and the ranking.

In: hypotheses of one stream. Out: the same, moved on. Invariants: those of the searches. Thread: their decoder's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.errors import ConfigError
from gapless.listen.recogniser.decode.contract import Emission, Path
from gapless.listen.recogniser.decode.phrases import PhraseGraph, Place

MAX_BEAM: Final = 64


class BeamOptions(msgspec.Struct, frozen=True):
    """How wide a beam search looks, and how much hot words weigh.

    Raises:
        ConfigError: out of range.
    """

    beam: int = 4
    """Hypotheses that are followed at a time, 1..64."""
    phrase_bonus: float = 1.0
    """Added to the log-probability of a path for each token of a hot word, 0..20."""
    horizon_frames: int = 50
    """How long a difference between hypotheses is kept open, 1 or more. What the best one emitted longer ago is
    settled: whoever has something else in its place is dropped. Without this, one doubtful word would keep all that
    follows it open to the end of the utterance."""

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= MAX_BEAM:
            raise ConfigError(f"`beam` is {self.beam}; give 1 to {MAX_BEAM}", param="beam")
        if not 0.0 <= self.phrase_bonus <= 20.0:
            raise ConfigError(
                f"`phrase_bonus` is {self.phrase_bonus}; give 0 to 20", param="phrase_bonus"
            )
        if self.horizon_frames < 1:
            raise ConfigError(
                f"`horizon_frames` is {self.horizon_frames}; give 1 or more", param="horizon_frames"
            )


class Ranked(Protocol):
    """A hypothesis as far as these functions look at it."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """Tokens behind the settled ones."""
        ...

    @property
    def emissions(self) -> tuple[Emission, ...]:
        """One for each of them."""
        ...

    @property
    def total(self) -> float:
        """Log-probability and bonus."""
        ...


H = TypeVar("H", bound=Ranked)


@lru_cache(maxsize=64)
def phrase_graph(phrases: tuple[tuple[int, ...], ...], per_token: float) -> PhraseGraph | None:
    """The graph of some phrases, None without any. The utterances of a stream share theirs."""
    return PhraseGraph(phrases, per_token) if any(phrases) else None


def candidates(
    logprobs: npt.NDArray[np.float32],
    best: Iterable[int],
    graph: PhraseGraph | None,
    place: Place,
    beam: int,
) -> list[int]:
    """Tokens that may be among the ``beam`` best of a hypothesis once the bonus is added.

    Args:
        logprobs: float32 [n_tokens], of all tokens.
        best: the likeliest of them.
        graph: hot words.
        place: where the hypothesis stands among them.
        beam: how many favoured tokens to add.
    """
    if graph is None:
        return list(best)
    favoured = graph.favoured(place)
    scores = logprobs[favoured.tokens] + favoured.gains
    # Only favoured tokens can overtake the likeliest: all others lose the same or nothing.
    chosen = favoured.tokens[np.argsort(-scores, kind="stable")[:beam]]
    return list(dict.fromkeys([*best, *chosen.tolist()]))


def follow(graph: PhraseGraph | None, place: Place, token: int) -> tuple[Place, float]:
    """Where a token leads among the hot words, and the bonus there."""
    if graph is None:
        return place, 0.0
    place = graph.move(place, token)
    return place, graph.bonus(place)


def keep_best(hypotheses: Iterable[H], beam: int) -> list[H]:
    """The best, best first."""
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.total)[:beam]


def common_length(hypotheses: Sequence[Ranked]) -> int:
    """Number of tokens with which all of them begin."""
    # What the first and the last in the order of the dictionary share, all between share too.
    first = min(hypothesis.tokens for hypothesis in hypotheses)
    last = max(hypothesis.tokens for hypothesis in hypotheses)
    length = 0
    for a, b in zip(first, last, strict=False):
        if a != b:
            break
        length += 1
    return length


def overdue(best: Ranked, before_frame: int) -> tuple[int, ...]:
    """The tokens of the best hypothesis that were emitted before a frame: nobody may differ in them any more."""
    count = 0
    for emission in best.emissions:
        if emission.frame >= before_frame:
            break
        count += 1
    return best.tokens[:count]


def to_paths(
    settled: Sequence[Emission], hypotheses: Iterable[Ranked], n_best: int
) -> tuple[Path, ...]:
    """Hypotheses with what all of them begin with, best first."""
    return tuple(
        Path((*settled, *hypothesis.emissions), hypothesis.total)
        for hypothesis in keep_best(hypotheses, n_best)
    )
