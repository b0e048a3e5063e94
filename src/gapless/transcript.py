"""What was said: words, utterances and transcripts, and their renderings as text, SRT and WebVTT.

In: recognised words. Out: frozen records, the same ones that the store keeps and the wire carries.
Invariants: times are integer milliseconds of audio time from sample 0; ``end_ms >= start_ms``; utterances are in order.
Thread: any (immutable data).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Word(msgspec.Struct, frozen=True, omit_defaults=False):
    """One recognised word with its place in the audio."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


class Utterance(msgspec.Struct, frozen=True):
    """One stretch of speech between two pauses."""

    utt: str
    """Identifier, unique within its session: ``u1``, ``u2`` ..."""
    text: str
    start_ms: int
    end_ms: int
    language: str | None = None
    confidence: float | None = None
    """Mean posterior probability of the words, 0..1, where the recogniser has one."""
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    tokens: tuple[int, ...] = ()
    temperature: float | None = None


class Transcript(msgspec.Struct, frozen=True):
    """A whole recording's worth of utterances."""

    utterances: tuple[Utterance, ...]
    duration_ms: int
    model: str
    language: str | None = None

    @property
    def text(self) -> str:
        """All utterances as running text."""
        return join_text(self.utterances)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of all utterances, in order."""
        return tuple(word for utterance in self.utterances for word in utterance.words)


def join_text(utterances: Iterable[Utterance]) -> str:
    """Utterances as running text, one space between them."""
    return " ".join(utterance.text for utterance in utterances if utterance.text)


def to_text(utterances: Iterable[Utterance]) -> str:
    """One utterance a line, each line ended."""
    return "".join(f"{utterance.text}\n" for utterance in utterances if utterance.text)


def to_srt(utterances: Iterable[Utterance]) -> str:
    """SubRip subtitles, one cue an utterance."""
    cues = (
        f"{number}\n{clock(u.start_ms, ',')} --> {clock(u.end_ms, ',')}\n{_cue_text(u)}\n"
        for number, u in enumerate((u for u in utterances if u.text), start=1)
    )
    return "\n".join(cues)


def to_vtt(utterances: Iterable[Utterance]) -> str:
    """WebVTT captions, one cue an utterance. Source: W3C WebVTT, section 4."""
    cues = (
        f"{clock(u.start_ms, '.')} --> {clock(u.end_ms, '.')}\n{_vtt_escape(_cue_text(u))}\n"
        for u in utterances
        if u.text
    )
    return "WEBVTT\n\n" + "\n".join(cues)


def clock(ms: int, decimal_mark: str) -> str:
    """A time as ``hh:mm:ss,mmm`` (SRT) or ``hh:mm:ss.mmm`` (WebVTT)."""
    seconds, milliseconds = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"


def _cue_text(utterance: Utterance) -> str:
    # A blank line would end the cue in both formats.
    return " ".join(utterance.text.split())


def _vtt_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
