"""Texts and searches as PostgreSQL's full-text search writes them.

In: a text; what is asked for. Out: the literal of a ``tsvector``; the parameters that a statement looks for it with.
Invariants: the literals are made of words from ``store.words`` alone, so that no text is read as query syntax, nothing
depends on a dictionary of the server, and what is found is what SQLite finds; a literal never breaks a limit of a
``tsvector``. Thread: any (pure functions).

The limits: a word of less than 2 KB, 1 MB in all, positions up to 16,383, and 255 of them for a word. Words of over
500 characters are cut, with a mark, so that they are still found by their beginning. A text with more words than there
are positions is kept once more as its words alone; phrases are looked for there. Different words beyond the megabyte,
in one utterance, are not found.
Source: https://www.postgresql.org/docs/current/textsearch-limitations.html and datatype-textsearch.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gapless.store.contract import MAX_SEARCH_CHARS
from gapless.store.words import Phrase, Search, tokens

MAX_WORD_CHARS: Final = MAX_SEARCH_CHARS
"""Four bytes each at most, and nobody can ask for more."""

CUT_MARK: Final = "\x01"
"""Behind a word that was cut: it is another than the whole word that begins like it. No word has this character."""

MAX_POSITION: Final = 16_383
MAX_POSITIONS: Final = 255
MAX_VECTOR_BYTES: Final = 1_000_000


class Indexed(NamedTuple):
    """What a text is found by."""

    vector: str
    """The literal of a ``tsvector``."""
    words: str | None
    """All words between spaces, for a text whose positions do not fit; None for all others."""


def indexed(text: str) -> Indexed:
    """What ``text`` is found by."""
    said = [token.word for token in tokens(text)]
    parts: list[str] = []
    fits = True
    for word, places in _vector(said).items():
        kept = [place for place in places[:MAX_POSITIONS] if place <= MAX_POSITION]
        fits = fits and len(kept) == len(places)
        parts.append(f"'{word}':{','.join(map(str, kept))}" if kept else f"'{word}'")
    return Indexed(" ".join(parts), None if fits else f" {' '.join(said)} ")


def lexemes(text: str) -> set[str]:
    """The words that a ``tsvector`` of ``text`` has."""
    return set(_vector([token.word for token in tokens(text)]))


def search_parameters(search: Search) -> dict[str, Any]:
    """What ``matches`` of the schema looks for: ``query``, and the words in it by themselves.

    ``words`` is None if none of them is whole, ``patterns`` if there are no phrases.
    """
    *head, last = search.beginning
    whole = [word for phrase in search.phrases for word in phrase] + head
    words = " & ".join(f"'{word}'" for word in dict.fromkeys(whole))
    beginning = f"'{last}':*"
    phrases = [_phrase(phrase) for phrase in search.phrases]
    patterns: list[str] | None = None
    if any(len(phrase) > 1 for phrase in (*search.phrases, search.beginning)):
        # Words hold no character that means something to LIKE.
        patterns = [f"% {' '.join(phrase)} %" for phrase in search.phrases]
        patterns.append(f"% {' '.join(search.beginning)}%")
    return {
        "query": " & ".join([*phrases, _phrase(search.beginning, is_beginning=True)]),
        "words": words or None,
        "beginning": beginning,
        "all_words": f"{words} & {beginning}" if words else beginning,
        "patterns": patterns,
    }


def _vector(said: Sequence[str]) -> dict[str, list[int]]:
    """The positions of each word, from 1, for as many words as fit."""
    positions: dict[str, list[int]] = {}
    size_bytes = 0
    for position, word in enumerate(said, start=1):
        cut = word if len(word) <= MAX_WORD_CHARS else word[:MAX_WORD_CHARS] + CUT_MARK
        if cut not in positions:
            # The word, at most one byte to align what follows, and a count.
            size_bytes += len(cut.encode()) + 3
        places = positions.get(cut, [])
        size_bytes += 2 if len(places) < MAX_POSITIONS else 0
        if size_bytes > MAX_VECTOR_BYTES:
            break
        places.append(position)
        positions[cut] = places
    return positions


def _phrase(phrase: Phrase, *, is_beginning: bool = False) -> str:
    words = " <-> ".join(f"'{word}'" for word in phrase)
    return f"({words}:*)" if is_beginning else f"({words})"
