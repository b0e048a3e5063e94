"""What is read aloud: numbers in any language, invented words where the letters are Latin, English besides.

In: a random generator and a language of espeak-ng. Out: a text of one to four sentences. Invariants: the same generator
gives the same text. Thread: any.

A number is read in the words of the language, so each is heard with its own sounds although no text of it is kept here.
"""

from __future__ import annotations

import random
from typing import Final

from commands_en import words

from .splits import listed

NOT_LATIN: Final = frozenset(listed("not-latin"))
"""Languages in which espeak-ng spells Latin words out, or says them in English."""

VOWELS: Final = listed("vowels")
CONSONANTS: Final = listed("consonants")
CODAS: Final = ["", "", "", "n", "r", "s", "l", "t", "m"]


def text(rng: random.Random, language: str) -> str:
    """Sentences of 2 to 9 words, with a comma after one word in eight."""
    return " ".join(_sentence(rng, language) for _ in range(rng.randint(1, 4)))


def _sentence(rng: random.Random, language: str) -> str:
    said = [_word(rng, language) for _ in range(rng.randint(2, 9))]
    return " ".join(word + ("," if rng.random() < 0.125 else "") for word in said) + rng.choice(
        [".", ".", "?", "!"]
    )


def _word(rng: random.Random, language: str) -> str:
    if language in NOT_LATIN or rng.random() < 0.2:
        return str(rng.randint(0, 10 ** rng.randint(1, 6)))
    if language.startswith("gmw/en"):
        return rng.choice(rng.choice([words.REJECT, words.VOCABULARY, words.dictionary()]))
    syllables = rng.choice([1, 2, 2, 3, 3, 4])
    return "".join(
        rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables)
    ) + rng.choice(CODAS)
