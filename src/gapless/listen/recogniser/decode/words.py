"""Emissions to text, and words with times and confidences.

In: the emissions of a path. Out: ``Spoken``. Invariants: text only grows at its end when emissions are appended (a
character whose bytes are not all there waits for them); words are in order, do not overlap, and lie inside the
utterance. Thread: any (pure functions).
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence

import msgspec

from gapless.listen.recogniser.decode.contract import Emission
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.transcript import Word


class WordOptions(msgspec.Struct, frozen=True):
    """How frames become milliseconds, and which words are kept."""

    frame_ms: float
    """Length of an encoder frame."""
    offset_ms: float = 0.0
    """Added to all times: negative for a model that speaks up only after it has heard most of a word."""
    tail_ms: float = 0.0
    """How long the sound of a word's last token lasts at least. For models that do not say (all but TDT); the beginning
    of the next word cuts it."""
    min_confidence: float = 0.0
    """Words below it are dropped."""


class Spoken(msgspec.Struct, frozen=True):
    """What a path says."""

    text: str
    words: tuple[Word, ...]
    """Times are in ms from the utterance's first sample. A word is as sure as its least sure token."""
    confidence: float | None
    """Mean of the words' confidences; None without words."""
    avg_logprob: float | None
    """Mean log-probability of all tokens, also of those that give no text; None without tokens."""
    doubtful: int = 0
    """Words that were dropped."""


def compose(
    emissions: Sequence[Emission],
    vocabulary: Vocabulary,
    options: WordOptions,
    duration_ms: float | None = None,
) -> Spoken:
    """Text and words of a path.

    Args:
        emissions: the path's.
        vocabulary: of the model that emitted them.
        options: how frames become times.
        duration_ms: length of the utterance, where it is known; no time is beyond it.
    """
    drafts = [draft for draft in _drafts(emissions, vocabulary) if draft.text]
    kept = [draft for draft in drafts if draft.confidence >= options.min_confidence]
    words = _with_times(kept, options, math.inf if duration_ms is None else duration_ms)
    count = len(words)
    return Spoken(
        text=_join(kept),
        words=words,
        confidence=sum(draft.confidence for draft in kept) / count if count else None,
        avg_logprob=(
            sum(emission.logprob for emission in emissions) / len(emissions) if emissions else None
        ),
        doubtful=len(drafts) - count,
    )


def stable_chars(
    emissions: Sequence[Emission], n_stable: int, vocabulary: Vocabulary, options: WordOptions
) -> int:
    """How many characters of a path's text no later text will change.

    Args:
        emissions: the best path's.
        n_stable: how many of them are settled.
        vocabulary: of the model that emitted them.
        options: those of ``compose``.
    """
    drafts = list(_drafts(emissions[:n_stable], vocabulary))
    if options.min_confidence > 0 and vocabulary.kind != "words":
        # A doubtful token to come could still drop the whole word that it belongs to.
        drafts = drafts[:-1]
    kept = [draft for draft in drafts if draft.text and draft.confidence >= options.min_confidence]
    return len(_join(kept))


class _Draft:
    """A word in the making."""

    def __init__(self, *, spaced: bool) -> None:
        self.spaced = spaced
        self.text = ""
        self.start_frame = -1
        self.last_frame = 0
        self.end_frame = 0
        self.confidence = 1.0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, text: bytes, emission: Emission) -> None:
        if self.start_frame < 0:
            self.start_frame = emission.frame
        self.text += self._decoder.decode(text)
        self.last_frame = emission.frame
        self.end_frame = emission.end_frame
        self.confidence = min(self.confidence, math.exp(emission.logprob))

    def close(self) -> None:
        """Nothing more will be added: bytes that never became a character are shown as U+FFFD."""
        self.text += self._decoder.decode(b"", final=True)


def _drafts(emissions: Sequence[Emission], vocabulary: Vocabulary) -> Iterator[_Draft]:
    """The words of a path, of which the last may still grow."""
    draft = _Draft(spaced=True)
    for emission in emissions:
        piece = vocabulary.pieces[emission.token]
        if piece is None:
            continue
        if piece.begins_word:
            draft.close()
            yield draft
            draft = _Draft(spaced=piece.spaced or (draft.spaced and not draft.text))
        if piece.text:
            draft.add(piece.text, emission)
    yield draft


def _join(drafts: Sequence[_Draft]) -> str:
    return "".join(" " + draft.text if draft.spaced else draft.text for draft in drafts).strip()


def _with_times(
    drafts: Sequence[_Draft], options: WordOptions, duration_ms: float
) -> tuple[Word, ...]:
    words: list[Word] = []
    limit = duration_ms
    # From the last to the first: the beginning of each bounds the end of the one before.
    for draft in reversed(drafts):
        start_ms = draft.start_frame * options.frame_ms
        # A TDT token may have duration 0; no word does.
        end_ms = max(
            max(draft.end_frame, draft.last_frame + 1) * options.frame_ms,
            draft.last_frame * options.frame_ms + options.tail_ms,
        )
        start = _clip(start_ms + options.offset_ms, limit)
        end = max(start, _clip(end_ms + options.offset_ms, limit))
        words.append(Word(draft.text, int(start), int(end), draft.confidence))
        limit = start
    return tuple(reversed(words))


def _clip(time_ms: float, limit_ms: float) -> float:
    return min(max(time_ms, 0.0), limit_ms)
