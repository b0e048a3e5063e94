"""Hot words: which tokens continue a phrase, and what a hypothesis earns by following one.

In: phrases as token sequences, and the tokens of a hypothesis one by one. Out: its bonus so far. Invariants: the bonus
depends on the tokens only: ``per_token`` for each token that lies inside a complete phrase, once however many phrases
it lies in, and for each token of the longest partial phrase at the end. So a match that breaks gives back what it had
earned in advance, and a complete one keeps it. Thread: any, once it is built.

A trie with failure arcs: A. Aho and M. Corasick, "Efficient string matching", 1975.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.errors import ConfigError

MAX_PHRASES: Final = 1000
MAX_PHRASE_TOKENS: Final = 100
_MAX_REMEMBERED: Final = 1024
"""Places whose favoured tokens are kept; what is forgotten is found again."""


class Favoured(NamedTuple):
    """Tokens that continue or begin a phrase, and what each would add to the bonus."""

    tokens: npt.NDArray[np.int64]
    gains: npt.NDArray[np.float32]


class Place(NamedTuple):
    """Where a hypothesis stands among the phrases."""

    node: int
    """Longest suffix of the tokens that begins a phrase."""
    unpaid: int
    """Bit ``k`` is set: the token ``k`` from the end belongs to that suffix and to no complete phrase yet."""
    paid: int
    """Tokens inside complete phrases."""


START: Final = Place(0, 0, 0)


class PhraseGraph:
    """The phrases of one utterance.

    Args:
        phrases: token sequences; empty ones and repetitions are ignored.
        per_token: bonus in natural-log units for each token.

    Raises:
        ConfigError: too many phrases, or one that is too long.
    """

    def __init__(self, phrases: Sequence[tuple[int, ...]], per_token: float) -> None:
        _check_bounds(phrases)
        self._per_token = per_token
        # Per node; node 0 is the root.
        self._arcs: list[dict[int, int]] = [{}]
        self._depth = [0]
        self._fail = [0]
        self._longest = [0]
        """Length of the longest phrase that ends here."""
        self._remembered: dict[tuple[int, int], Favoured] = {}
        for phrase in phrases:
            self._insert(phrase)
        self._link()

    def move(self, place: Place, token: int) -> Place:
        """Where one more token leads."""
        node = self._next(place.node, token)
        depth = self._depth[node]
        unpaid = (place.unpaid << 1 | 1) & ((1 << depth) - 1)
        complete = (1 << self._longest[node]) - 1
        return Place(node, unpaid & ~complete, place.paid + (unpaid & complete).bit_count())

    def bonus(self, place: Place) -> float:
        """What a hypothesis here has earned, in part in advance."""
        return self._per_token * (place.paid + place.unpaid.bit_count())

    def settled_bonus(self, place: Place) -> float:
        """What it has earned for complete phrases only."""
        return self._per_token * place.paid

    def favoured(self, place: Place) -> Favoured:
        """The tokens that lead further into a phrase than the root; all others only lose what was unpaid."""
        key = (place.node, place.unpaid)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._find_favoured(place)
        return found

    def _find_favoured(self, place: Place) -> Favoured:
        here = self.bonus(place)
        tokens = sorted(
            {token for node in self._fallbacks(place.node) for token in self._arcs[node]}
        )
        gains = [self.bonus(self.move(place, token)) - here for token in tokens]
        return Favoured(np.array(tokens, np.int64), np.array(gains, np.float32))

    def _insert(self, phrase: tuple[int, ...]) -> None:
        node = 0
        for token in phrase:
            child = self._arcs[node].get(token)
            if child is None:
                child = self._arcs[node][token] = len(self._arcs)
                self._arcs.append({})
                self._depth.append(self._depth[node] + 1)
                self._fail.append(0)
                self._longest.append(0)
            node = child
        self._longest[node] = len(phrase)

    def _link(self) -> None:
        """Failure arcs: from each node to that of its longest proper suffix. Breadth first: suffixes come before."""
        waiting = deque(self._arcs[0].values())
        while waiting:
            node = waiting.popleft()
            for token, child in self._arcs[node].items():
                self._fail[child] = self._next(self._fail[node], token)
                waiting.append(child)
            self._longest[node] = self._longest[node] or self._longest[self._fail[node]]

    def _next(self, node: int, token: int) -> int:
        return next(
            (
                self._arcs[suffix][token]
                for suffix in self._fallbacks(node)
                if token in self._arcs[suffix]
            ),
            0,
        )

    def _fallbacks(self, node: int) -> Iterator[int]:
        """The node, and those of ever shorter suffixes down to the root."""
        while node:
            yield node
            node = self._fail[node]
        yield 0


def _check_bounds(phrases: Sequence[tuple[int, ...]]) -> None:
    if len(phrases) > MAX_PHRASES:
        raise ConfigError(
            f"{len(phrases)} hot words are too many; give at most {MAX_PHRASES}", param="hotwords"
        )
    longest = max(map(len, phrases), default=0)
    if longest > MAX_PHRASE_TOKENS:
        raise ConfigError(
            f"a hot word of {longest} tokens is too long; give phrases of at most "
            f"{MAX_PHRASE_TOKENS} tokens",
            param="hotwords",
        )
