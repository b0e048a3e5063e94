"""Speech that nobody spoke, as much of it as a store may come to hold.

In: how many utterances. Out: whole transcripts, oldest first, and the words that they are made of.
Invariants: the same number gives the same transcripts on every machine; nothing of it was ever said by anybody.
Thread: any; a generator belongs to one thread.

Word frequencies follow Zipf's law as Mandelbrot corrected it, p(rank) ~ 1 / (rank + OFFSET) (B. Mandelbrot, "An
informational theory of the statistical structure of language", 1953), so that the commonest word is one in twenty, as
"the" is in English; frequent words are short (G. K. Zipf, "The Psycho-Biology of Language", 1935). A part of the words
of a session belongs to its subject, so that rarer words come in bursts, as they do in talk. Lengths of sessions are
log-normal.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from random import Random
from typing import Final

import numpy as np

from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.transcript import Utterance, Word

SEED: Final = 7

VOCABULARY: Final = 50_000
"""Different words, about as many as a large corpus of conversation has."""

OFFSET: Final = 1.0
"""Mandelbrot's correction: without it the first word would be twice as frequent as the second."""

SYLLABLE_RANKS: Final = (0, 60, 2_000, 15_000)
"""From these ranks on a word has one syllable more."""

ONSETS: Final = (
    *("b", "br", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n"),
    *("p", "pl", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z"),
)
NUCLEI: Final = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou")
CODAS: Final = ("", "", "", "l", "m", "n", "r", "s", "t", "nd", "st")

SUBJECTS: Final = 400
SUBJECT_WORDS: Final = 200
SUBJECT_SHARE: Final = 0.15
"""Words of a session that belong to its subject."""

MEAN_WORDS: Final = 12
MOST_WORDS: Final = 60
"""Of an utterance."""

MEDIAN_UTTERANCES: Final = 24
SIGMA_UTTERANCES: Final = 1.0
"""Of the logarithm: a session in forty has seven times the median, a mean of 40."""
MOST_UTTERANCES: Final = 2_000

FIRST_MS: Final = 1_700_000_000_000
"""When the first session began, in Unix milliseconds."""

MEAN_PAUSE_MS: Final = 20 * 60 * 1000
"""From the beginning of a session to that of the next."""

WORD_MS: Final = 350
BETWEEN_MS: Final = 600
"""The silence between two utterances."""


@cache
def vocabulary() -> tuple[str, ...]:
    """All words, the most frequent first."""
    random = Random(SEED)
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        syllables = sum(len(words) >= rank for rank in SYLLABLE_RANKS)
        word = "".join(
            random.choice(ONSETS) + random.choice(NUCLEI) + random.choice(CODAS)
            for _ in range(syllables)
        )
        words.setdefault(word)
    return tuple(words)


def session_id(number: int) -> str:
    """The id of a session, from 0."""
    return f"s{number:08d}"


def transcripts(utterances: int) -> Iterator[StoredTranscript]:
    """Whole transcripts with so many utterances in all, in the order in which they began."""
    draw = np.random.default_rng(SEED)
    words = np.array(vocabulary(), object)
    frequencies = np.cumsum(1 / (np.arange(VOCABULARY) + 1 + OFFSET))
    started_at_ms, left, number = FIRST_MS, utterances, 0
    while left:
        length = min(
            left,
            MOST_UTTERANCES,
            1 + int(draw.lognormal(np.log(MEDIAN_UTTERANCES), SIGMA_UTTERANCES)),
        )
        counts = np.clip(draw.poisson(draw.gamma(2.0, MEAN_WORDS / 2, length)), 1, MOST_WORDS)
        total = int(counts.sum())
        ranks = np.searchsorted(frequencies, draw.random(total) * frequencies[-1])
        of_subject = draw.random(total) < SUBJECT_SHARE
        # A subject's words lie anywhere but among the most frequent ones.
        first = 500 + SUBJECT_WORDS // 4 * int(draw.integers(SUBJECTS))
        ranks[of_subject] = first + draw.integers(SUBJECT_WORDS, size=int(of_subject.sum()))
        spoken = iter(words[ranks].tolist())
        sure = iter(np.round(draw.beta(12, 2, total), 3).tolist())
        said = _utterances(
            [list(islice(spoken, count)) for count in counts.tolist()],
            [list(islice(sure, count)) for count in counts.tolist()],
        )
        audio_ms = said[-1].end_ms + BETWEEN_MS
        session = SessionRecord(
            session_id(number),
            "stream",
            "bench",
            started_at_ms,
            language="en",
            ended_at_ms=started_at_ms + audio_ms,
            audio_ms=audio_ms,
        )
        yield StoredTranscript(session, said)
        started_at_ms += 1 + int(draw.exponential(MEAN_PAUSE_MS))
        left -= length
        number += 1


def _utterances(spoken: list[list[str]], sure: list[list[float]]) -> tuple[Utterance, ...]:
    said: list[Utterance] = []
    now_ms = 0
    for number, (texts, confidences) in enumerate(zip(spoken, sure, strict=True), start=1):
        words = tuple(
            Word(text, start_ms, start_ms + WORD_MS - 30, confidence)
            for text, confidence, start_ms in zip(
                texts,
                confidences,
                range(now_ms, now_ms + WORD_MS * len(texts), WORD_MS),
                strict=True,
            )
        )
        end_ms = words[-1].end_ms
        mean = round(sum(confidences) / len(confidences), 4)
        said.append(Utterance(f"u{number}", " ".join(texts), now_ms, end_ms, "en", mean, words))
        now_ms = end_ms + BETWEEN_MS
    return tuple(said)
