"""What the model is taught: the vocabulary, its sentences, and words that it must not know.

In: a random generator. Out: lists of words to be spoken. Invariants: no reject word sounds like a
vocabulary word (``speech.Synthesiser.phonemes`` is asked by ``generate``); the reject words of the
test are never among those of training. Thread: any.
"""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path
from typing import Final

import pocketsphinx

LISTS: Final = Path(__file__).parent / "lists"


def listed(name: str) -> list[str]:
    """The words of a file in ``lists``."""
    return (LISTS / f"{name}.txt").read_text(encoding="utf-8").split()


DIGITS: Final = listed("digits")

COMMANDS: Final = listed("commands")

VOCABULARY: Final = [*DIGITS, *COMMANDS]
BLANK: Final = "<blk>"
UNKNOWN: Final = "<unk>"
TOKENS: Final = [BLANK, *VOCABULARY, UNKNOWN]
UNKNOWN_ID: Final = len(TOKENS) - 1

# "to" sounds like "two" unless a sentence weakens it, so it is only learned within sentences.
ALONE: Final = [word for word in VOCABULARY if word != "to"]

SLOTS: Final = {
    "digit": DIGITS,
    "place": ["kitchen", "bedroom", "garage"],
    "device": ["lights", "light", "fan", "heat", "radio", "television", "camera", "music"],
    "way": ["on", "off"],
    "side": ["up", "down", "left", "right"],
    "colour": ["red", "green", "blue"],
    "leaf": ["window", "door"],
    "thing": ["message", "song", "timer", "alarm", "camera", "music", "radio", "television"],
    "act": listed("actions"),
    "more": ["louder", "quieter", "faster", "slower"],
}

SENTENCES: Final = (LISTS / "sentences.txt").read_text(encoding="utf-8").splitlines()

REJECT: Final = listed("reject")
REJECT_OF_TEST: Final = listed("reject-of-test")

# Spellings of which words are invented; a syllable may lack the first and the last.
ONSETS: Final = [*listed("onsets"), ""]
NUCLEI: Final = listed("nuclei")
CODAS: Final = [*listed("codas"), *[""] * 8]


_IDS: Final = {token: index for index, token in enumerate(TOKENS)}


def label_of(word: str) -> int:
    """The id of a word's token."""
    return _IDS.get(word, UNKNOWN_ID)


def vocabulary_sequence(rng: random.Random) -> list[str]:
    """Between one and six words of the vocabulary, in no order."""
    return [rng.choice(ALONE) for _ in range(rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6]))]


def sentence(rng: random.Random) -> list[str]:
    """A command as people say it, at times with "please" at one end."""
    text = rng.choice(SENTENCES)
    words = [rng.choice(SLOTS[word[1:-1]]) if word[0] == "{" else word for word in text.split()]
    polite = rng.random()
    if polite < 0.06:
        return ["please", *words]
    return [*words, "please"] if polite < 0.12 else words


def invented_word(rng: random.Random) -> str:
    """A word that no dictionary has: one to three syllables by the rules of English spelling."""
    syllables = rng.choice([1, 1, 1, 2, 2, 3])
    return "".join(
        rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(syllables)
    )


@functools.cache
def dictionary() -> list[str]:
    """The words of CMU's pronouncing dictionary, as PocketSphinx carries it, that may be rejected.

    Left out are the words of the test and what looks like one of their forms.
    """
    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    lines = path.read_text(encoding="utf-8").splitlines()
    found = {line.split()[0] for line in lines}
    kept = {*VOCABULARY, *REJECT_OF_TEST}
    return sorted(
        word
        for word in found
        if re.fullmatch("[a-z]{2,12}", word)
        and not any(word[: len(word) - cut] in kept for cut in range(4))
    )


def reject_word(rng: random.Random) -> str:
    """A word to be rejected in training: common, any English word or name, or an invented one."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(REJECT)
    return rng.choice(dictionary()) if kind < 0.7 else invented_word(rng)


def mixed_sequence(rng: random.Random) -> list[str]:
    """Between two and six words, of which about half belong to the vocabulary."""
    return [
        rng.choice(ALONE) if rng.random() < 0.5 else reject_word(rng)
        for _ in range(rng.randint(2, 6))
    ]


def reject_sequence(rng: random.Random) -> list[str]:
    """Between one and six words to be rejected."""
    return [reject_word(rng) for _ in range(rng.choice([1, 1, 2, 3, 4, 6]))]


def training_words(rng: random.Random) -> list[str]:
    """What a training utterance says."""
    kind = rng.random()
    if kind < 0.42:
        return vocabulary_sequence(rng)
    if kind < 0.64:
        return sentence(rng)
    return mixed_sequence(rng) if kind < 0.86 else reject_sequence(rng)


def test_words(rng: random.Random) -> list[str]:
    """What a test utterance says: vocabulary only, half of it sentences."""
    return vocabulary_sequence(rng) if rng.random() < 0.5 else sentence(rng)


def test_reject_words(rng: random.Random) -> list[str]:
    """Between one and six words that training never saw."""
    return [rng.choice(REJECT_OF_TEST) for _ in range(rng.randint(1, 6))]
