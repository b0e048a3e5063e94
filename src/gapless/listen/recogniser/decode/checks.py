"""What decoders refuse, each in one sentence.

In: what a decoder was given. Out: nothing, or an error. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from gapless.errors import ConfigError
from gapless.listen.recogniser.decode.contract import DecodeState

S = TypeVar("S")


def check_max_symbols(max_symbols: int) -> None:
    """Refuse a bound on tokens per frame under which nothing could be said."""
    if max_symbols < 1:
        raise ConfigError(f"`max_symbols` is {max_symbols}; give 1 or more", param="max_symbols")


def refuse_phrases(phrases: Sequence[tuple[int, ...]]) -> None:
    """Refuse hot words.

    What a greedy search has said it cannot take back, so it would be led astray by every phrase that only begins like
    what is spoken.
    """
    if any(phrases):
        raise ConfigError(
            "greedy search cannot favour hot words; use beam search for this utterance",
            param="hotwords",
        )


def own(state: DecodeState, kind: type[S]) -> S:
    """``state`` as the decoder's own.

    Raises:
        TypeError: another kind of decoder made it.
    """
    if not isinstance(state, kind):
        raise TypeError(f"a {type(state).__name__} belongs to another decoder; step it there")
    return state
