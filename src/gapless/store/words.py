"""The words of a text as a full-text index sees them: what is a word, when two are the same, where they stand.

In: any text. Out: its words, folded, with their places; what a search asks for; what of a text matches it.
Invariants: places are half-open ranges of characters of the text; a word is a run of letters, digits and characters of
private use, and the accents behind them; case and the accents of Latin letters do not count.
Thread: any (pure functions).

This is how SQLite's FTS5 reads a text (``tokenize = 'unicode61 remove_diacritics 2'``), so that a store in another
database finds and marks the same; the tests hold it to FTS5 itself, for all characters of Unicode 3.2. FTS5 has the
tables of Unicode 6.1; this goes by those of Python.
Source: https://sqlite.org/fts5.html, "Unicode61 Tokenizer", "FTS5 Phrases" and "The highlight() function".
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from gapless.store.text import keepable

ACCENTS: Final = "\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331"
"""Combining characters that belong to the word before them; all others part words."""

PRIVATE: Final = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"

WORD: Final = re.compile(rf"(?:[^\W_]|[{PRIVATE}])(?:[^\W_]|[{PRIVATE}{ACCENTS}])*")


ASCII_WORD: Final = re.compile("[a-z0-9]+")


class Token(NamedTuple):
    """A word of a text."""

    word: str
    """Folded: equal words are equal texts."""
    start: int
    end: int


class _Folding(dict[int, str]):
    """What each character counts as; worked out when it first comes."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


_FOLDING: Final = _Folding()

Phrase: TypeAlias = tuple[str, ...]
"""Words that stand side by side."""


class Search(NamedTuple):
    """What is asked for: all of some phrases, in any order."""

    phrases: tuple[Phrase, ...]
    """The ones that are wanted as they are."""
    beginning: Phrase
    """One more, whose last word may go on; the last that was typed."""


def tokens(text: str) -> Iterator[Token]:
    """The words of a text, in order."""
    if text.isascii():  # the usual case, and an easy one
        for match in ASCII_WORD.finditer(text.lower()):
            yield Token(match[0], match.start(), match.end())
        return
    for match in WORD.finditer(text):
        yield Token(match[0].translate(_FOLDING), match.start(), match.end())


def read_search(text: str) -> Search | None:
    """What is asked for by a text; None if there is no word in it."""
    # Something like "don't" is typed as one and is a phrase of two.
    phrases = [
        phrase
        for part in keepable(text).split()
        if (phrase := tuple(token.word for token in tokens(part)))
    ]
    if not phrases:
        return None
    # In the order they were typed, each once.
    return Search(tuple(dict.fromkeys(phrases[:-1])), phrases[-1])


def highlights(text: str, search: Search) -> tuple[tuple[int, int], ...]:
    """The ranges of characters in ``text`` that are asked for; those that overlap are one."""
    if text.isascii() and all(
        len(phrase) == 1 for phrase in (*search.phrases, search.beginning)
    ):  # nearly all there is; to take a text apart would take ten times as long
        words = {word for (word,) in search.phrases} - set(search.beginning)
        ranges = {*_places(text.lower(), search.beginning[0], is_beginning=True)}
        ranges.update(*(_places(text.lower(), word, is_beginning=False) for word in words))
        return tuple(sorted(ranges))
    said = list(tokens(text))
    runs = sorted(_runs([token.word for token in said], search))
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple((said[first].start, said[last].end) for first, last in merged)


def _places(lower: str, wanted: str, *, is_beginning: bool) -> Iterator[tuple[int, int]]:
    """Where a word stands in a text of lower-case ASCII."""
    start = lower.find(wanted)
    while start >= 0:
        match = ASCII_WORD.match(lower, start)
        end = start + 1 if match is None else match.end()
        if (is_beginning or end - start == len(wanted)) and not (
            start and lower[start - 1].isalnum()
        ):
            yield start, end
        start = lower.find(wanted, end)


def _runs(said: list[str], search: Search) -> Iterator[tuple[int, int]]:
    """The first and last word of each place where a phrase stands."""
    places = defaultdict[str, list[int]](list)
    for place, word in enumerate(said):
        places[word].append(place)
    for phrase in search.phrases:
        yield from _runs_of(said, phrase, places.get(phrase[0], ()), is_beginning=False)
    starts: Iterable[int] = (
        range(len(said)) if len(search.beginning) == 1 else places.get(search.beginning[0], ())
    )
    yield from _runs_of(said, search.beginning, starts, is_beginning=True)


def _runs_of(
    said: list[str], phrase: Phrase, starts: Iterable[int], *, is_beginning: bool
) -> Iterator[tuple[int, int]]:
    *head, tail = phrase
    for start in starts:
        last = start + len(head)
        if last < len(said) and (not head or said[start:last] == head):
            word = said[last]
            if word.startswith(tail) if is_beginning else word == tail:
                yield start, last


def _fold(character: str) -> str:
    """What a character of a word counts as; nothing for an accent."""
    if unicodedata.combining(character) and re.match(f"[{ACCENTS}]", character):
        return ""
    folded = character.casefold()
    parts = unicodedata.normalize("NFD", folded)
    if parts[0].isascii() and all(map(unicodedata.combining, parts[1:])):
        return parts[0]
    if len(folded) == 1:
        return folded
    lower = character.lower()
    return lower if len(lower) == 1 else character
