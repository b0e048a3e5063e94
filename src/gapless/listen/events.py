"""What a listener reports, in the order it happens.

Invariants: every utterance is announced by ``SpeechStart``, then any number of ``Partial`` and ``Spoken``,
``SpeechEnd`` once, and exactly one of ``Final``, ``Empty`` and ``Failed``. Times are integer milliseconds of audio time
from sample 0; a partial's ``text`` replaces the one before it, and ``text[:stable_chars]`` never changes again, not
even in the final.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from gapless.errors import GaplessError
from gapless.listen.recogniser.contract import Alternative
from gapless.listen.voice import Voice
from gapless.transcript import Utterance


class SpeechStart(msgspec.Struct, frozen=True):
    """Somebody began to speak (padding before the first sound included)."""

    utt: str
    at_ms: int


class SpeechEnd(msgspec.Struct, frozen=True):
    """The utterance is over (padding after the last sound included)."""

    utt: str
    at_ms: int


class Partial(msgspec.Struct, frozen=True):
    """What has been understood so far."""

    utt: str
    text: str
    stable_chars: int
    start_ms: int
    end_ms: int


class Spoken(msgspec.Struct, frozen=True):
    """How the voice of the utterance sounds, for the next 100 ms of it."""

    utt: str
    voice: Voice


class Final(msgspec.Struct, frozen=True):
    """What was said; never revised."""

    utterance: Utterance
    alternatives: tuple[Alternative, ...] = ()
    """What else it may have been, where that was asked for; the likeliest first."""


class Empty(msgspec.Struct, frozen=True):
    """The utterance held no words."""

    utt: str


class Failed(msgspec.Struct, frozen=True):
    """The utterance could not be recognised; the stream goes on."""

    utt: str
    error: GaplessError


class Flushed(msgspec.Struct, frozen=True):
    """All audio that came before the flush of this id has been answered."""

    id: str


ListenEvent: TypeAlias = (
    SpeechStart | SpeechEnd | Partial | Spoken | Final | Empty | Failed | Flushed
)
