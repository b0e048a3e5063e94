"""Guards against invented text: what a model wrote and nobody said.

    evidence of one stretch of text -> confident? -> keep
                                    -> a guard that is switched on and fires -> drop, and count under the guard's name

In: ``Evidence``. Out: the name of the guard that fires, or None. Invariants: text that is ``is_confident`` is never
touched; without a voice detector only ``no_speech`` and ``repetition`` fire. Core: no I/O; ``Guards`` counts and may be
used from any thread.

Whisper was trained on subtitles, and writes some where there is no speech. What is known of it:
- its authors take a segment for silence if P(no speech) > 0.6 and the mean log-probability < -1, and one with a gzip
  compression ratio > 2.4 for a loop (Radford et al. 2022, arXiv 2212.04356, 4.5);
- about 1 % of utterances had invented phrases, more the longer the pauses (Koenecke et al. 2024, "Careless Whisper",
  arXiv 2402.08021);
- on sounds that are no speech a few dozen phrases make up most of what is invented, and loops of them most of the rest
  (Baranski et al. 2025, arXiv 2501.11378); its log-probability alone does not tell them from speech.
So a stock phrase is dropped only where the model was unsure and a voice detector heard hardly anybody: people do say
"thank you". Transducers and CTC are silent on noise by construction (the blank), and what they have shown is settled:
they have a threshold on each word rather than guards on the whole, ``decode.min_confidence`` of ``recogniser.toml``,
whose guard is ``low_confidence``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from threading import Lock
from typing import Final, final

import msgspec

from gapless.settings import GUARDS, GuardName

OF_WHOLE_TEXTS: Final[tuple[GuardName, ...]] = tuple(
    name for name in GUARDS if name != "low_confidence"
)
"""What Whisper-like models have."""

OF_WORDS: Final[tuple[GuardName, ...]] = ("low_confidence",)
"""What streaming models have."""

CONFIDENT_LOGPROB: Final = -0.5
"""Mean log-probability of tokens from which on a Whisper is sure: a probability of 0.6 each."""

NO_SPEECH: Final = 0.6
UNLIKELY_LOGPROB: Final = -1.0
LOOP_COMPRESSION: Final = 2.4
"""Whisper's own thresholds, see above."""

LOOP_TIMES: Final = 4
"""The same words so often in a row are a loop; "no, no, no" is none."""

LEAST_LOOP_WORDS: Final = 8
LONGEST_LOOP_WORDS: Final = 12

MOST_CHARS_PER_S: Final = 40
"""Nobody says more: fast English is 25."""

FEW_MS: Final = 100
FEW_SHARE: Final = 0.1
"""Less voice than both of these is none."""

LITTLE_SHARE: Final = 0.3
HALF: Final = 0.5

STOCK_PHRASES: Final = frozenset(
    {
        "you",
        "bye",
        "so",
        "the end",
        "thank you",
        "thank you very much",
        "thank you so much",
        "thanks for watching",
        "thanks for listening",
        "thank you for watching",
        "thank you for listening",
        "thank you so much for watching",
        "please subscribe",
        "please subscribe to my channel",
        "like and subscribe",
        "see you next time",
        "see you in the next video",
        "i ll see you next time",
        "subtitles by the amara org community",
        "transcription by castingwords",
        "copyright wdr",
        "untertitel der amara org community",
        "untertitel im auftrag des zdf fur funk 2017",
        "untertitelung des zdf 2020",
        "vielen dank",
        "vielen dank furs zuschauen",
        "bis zum nachsten mal",
        "sous titres realises para la communaute d amara org",
        "sous titrage st 501",
        "merci d avoir regarde cette video",
        "subtitulos realizados por la comunidad de amara org",
        "gracias por ver el video",
        "sottotitoli creati dalla comunita amara org",
        "ondertitels ingediend door de amara org gemeenschap",
        "legendas pela comunidade amara org",
        "obrigado por assistir",
        "terima kasih telah menonton",
        "ご視聴ありがとうございました",
        "おやすみなさい",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "시청해주셔서 감사합니다",
        "продолжение следует",
        "спасибо за просмотр",
    }
)
"""What Whisper says of silence, folded as ``fold`` does; from the paper above and from reports of its users."""


def _unknown(_start_ms: int, _end_ms: int) -> int | None:
    return None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for and against one stretch of text."""

    text: str
    start_ms: int
    end_ms: int
    """Of the audio that it stands for."""
    avg_logprob: float
    """Mean of its tokens."""
    no_speech_prob: float
    compression_ratio: float
    """Bytes of the text by bytes after compression."""

    @property
    def duration_ms(self) -> int:
        """Of the audio that it stands for."""
        return self.end_ms - self.start_ms


def is_confident(evidence: Evidence) -> bool:
    """Whether nothing about the text is suspect: no guard touches it."""
    if len(evidence.text) > MOST_CHARS_PER_S * max(evidence.duration_ms, 500) / 1000:
        return False
    if evidence.avg_logprob < CONFIDENT_LOGPROB or evidence.no_speech_prob > NO_SPEECH:
        return False
    # A model that is caught in a loop is sure of it, so the figures alone do not vouch for one.
    return not is_loop(evidence)


def judge(
    evidence: Evidence,
    speech_ms: Callable[[int, int], int | None] = _unknown,
    guards: Collection[GuardName] = GUARDS,
) -> GuardName | None:
    """The first of ``guards`` that holds the text for invented; None: keep it.

    Args:
        evidence: what speaks for and against the text.
        speech_ms: how much a voice detector takes for speech between two moments (None: not known); asked only about
            text that is not confident.
        guards: those that are on.
    """
    if not evidence.text or is_confident(evidence):
        return None
    heard_ms = speech_ms(evidence.start_ms, evidence.end_ms)
    return next(
        (name for name in GUARDS if name in guards and _fires(name, evidence, heard_ms)), None
    )


def is_loop(evidence: Evidence) -> bool:
    """Whether the text is mostly the same words again and again."""
    if evidence.compression_ratio > LOOP_COMPRESSION:
        return True
    words = fold(evidence.text).split()
    return len(words) >= LEAST_LOOP_WORDS and any(
        _longest_run(words, length) * 2 >= len(words)
        for length in range(1, min(LONGEST_LOOP_WORDS, len(words) // LOOP_TIMES) + 1)
    )


def fold(text: str) -> str:
    """Lower case without accents and punctuation, words one space apart."""
    plain = "".join(
        char
        for char in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(char) or "\u3040" <= char <= "\u30ff"
    )
    return " ".join(re.sub(r"[^\w]+", " ", unicodedata.normalize("NFC", plain)).split())


@final
class Guards:
    """The guards that are switched on for one recogniser, and how often each has fired.

    Args:
        names: those that are on.
        concerned: those that the recogniser has at all.
    """

    def __init__(
        self,
        names: Collection[GuardName] = GUARDS,
        concerned: Collection[GuardName] = OF_WHOLE_TEXTS,
    ) -> None:
        self._names = frozenset(names).intersection(concerned)
        self._lock = Lock()
        self._counts: Counter[GuardName] = Counter()

    def drops(
        self, evidence: Evidence, speech_ms: Callable[[int, int], int | None] = _unknown
    ) -> bool:
        """Whether a guard holds the text for invented; it is counted if so. See ``judge``."""
        name = judge(evidence, speech_ms, self._names)
        if name is None:
            return False
        self.count(name, 1)
        return True

    def on(self, name: GuardName) -> bool:
        """Whether a guard is switched on."""
        return name in self._names

    def count(self, name: GuardName, times: int) -> None:
        """A guard has fired."""
        with self._lock:
            self._counts[name] += times

    def counts(self) -> dict[GuardName, int]:
        """Stretches of text that were dropped, by guard; every guard that is on is there."""
        with self._lock:
            return {name: self._counts[name] for name in GUARDS if name in self._names}


def _fires(name: GuardName, evidence: Evidence, speech_ms: int | None) -> bool:
    share = None if speech_ms is None else speech_ms / max(evidence.duration_ms, 1)
    unlikely = evidence.avg_logprob < UNLIKELY_LOGPROB
    match name:
        case "no_speech":
            return unlikely and evidence.no_speech_prob > NO_SPEECH
        case "no_voice":
            return share is not None and share < FEW_SHARE and (speech_ms or 0) < FEW_MS
        case "repetition":
            # Only a voice can vouch for a loop: people do chant.
            return is_loop(evidence) and (share is None or share < HALF)
        case "stock_phrase":
            return (
                share is not None and share < LITTLE_SHARE and fold(evidence.text) in STOCK_PHRASES
            )
        case "unlikely":
            return unlikely and share is not None and share < HALF
        case "low_confidence":
            return False  # it judges words, not whole texts


def _longest_run(words: list[str], length: int) -> int:
    """Words in the longest stretch in which ``length`` words come ``LOOP_TIMES`` times or more; 0: there is none."""
    longest = run = length
    for at in range(length, len(words)):
        run = run + 1 if words[at] == words[at - length] else length
        longest = max(longest, run)
    return longest if longest >= LOOP_TIMES * length else 0
