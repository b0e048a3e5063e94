"""One face for recognisers that stream and recognisers that want the whole utterance.

In: 16 kHz mono float32 samples of one utterance, in any split. Out: hypotheses on the way, one result at the end.
Invariants: the result does not depend on the split, nor on what the recogniser heard before; ``Hypothesis.text
[:stable_chars]`` is a prefix of every later text of the same utterance; silence gives an empty text.
A recognition is asked for news with ``poll``: some recognisers compute while they are told (``RecogniserInfo.blocks``),
others elsewhere, for many utterances at a time, and call ``wake`` when there is something to poll.
Thread: a ``Recogniser`` may be used from any thread, a ``Recognition`` from one at a time; ``wake`` is called from any.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal, Protocol, TypeAlias

import msgspec

from gapless.audio.types import Samples
from gapless.errors import ProtocolError
from gapless.observe.traces import Record
from gapless.transcript import Word

Wake: TypeAlias = Callable[[], None]
"""Told, from any thread, that there is something to poll. Must be quick and must not raise."""


class RecogniserInfo(msgspec.Struct, frozen=True):
    """What a recogniser is and can do."""

    name: str
    kind: Literal["streaming", "whole"]
    """``streaming`` gives partial results while speech goes on; ``whole`` answers when the utterance is over."""
    languages: tuple[str, ...]
    """ISO 639-1 codes; empty means that the model decides."""
    word_times: bool
    owner: str
    licence: str
    description: str
    blocks: bool = True
    """Whether ``accept`` and ``finish`` compute in the calling thread: then they have no place on an event loop."""
    translates: bool = False
    """Whether it can put speech of other languages into English."""

    def require_language(self, language: str | None) -> None:
        """Refuse a language that the recogniser does not know, rather than hear one for another.

        Args:
            language: ISO 639-1, also with a region (``en-US``); None leaves it to the recogniser.

        Raises:
            ProtocolError: it does not know it.
        """
        if language is None or not self.languages:
            return
        if language.lower().partition("-")[0] not in self.languages:
            raise ProtocolError(
                f"{self.name} does not know the language {language!r}, only "
                f"{', '.join(self.languages)}; choose another model, or leave the language out",
                param="language",
            )


class RecogniseOptions(msgspec.Struct, frozen=True):
    """How one utterance is to be recognised. A recogniser ignores what it cannot use and says so in its docstring."""

    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    hotwords: tuple[str, ...] = ()
    words: bool = True
    partials: bool = True
    task: Literal["transcribe", "translate"] = "transcribe"
    bulk: bool = False
    """Whether live utterances go first."""
    alone: bool = False
    """Whether models are asked for one row at a time, and never in one call with those of others."""
    record: Record | None = None
    """Takes what was measured, for a trace; None: nobody wants to know."""
    n_best: int = 1
    """Ways to understand the utterance that are asked for; there may be fewer."""


class Hypothesis(msgspec.Struct, frozen=True):
    """What has been understood of an utterance so far; ``text[:stable_chars]`` is settled."""

    text: str
    stable_chars: int = 0
    silent_ms: int = 0
    """How long nothing new was heard, up to the last sample that is behind this hypothesis; 0 where it is not known."""


class Alternative(msgspec.Struct, frozen=True):
    """Another way to understand an utterance."""

    text: str
    confidence: float | None


class Result(msgspec.Struct, frozen=True):
    """What was understood of a whole utterance. Word times are in ms from the utterance's first sample."""

    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    confidence: float | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    tokens: tuple[int, ...] = ()
    temperature: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    """Those beside ``text``, the likeliest first."""


class Recognition(Protocol):
    """One utterance being recognised; holds a place in its recogniser until its result was polled, or ``cancel``."""

    @property
    def pending_samples(self) -> int:
        """Samples whose recognition is under way elsewhere; 0: nothing will be new before more is accepted."""
        ...

    def accept(self, samples: Samples, /) -> None:
        """Take the next samples."""
        ...

    def finish(self) -> None:
        """The utterance is over: its result will be polled."""
        ...

    def poll(self) -> Hypothesis | Result | None:
        """What is new: the latest hypothesis if it changed since the last call, or, once, the result.

        Raises:
            GaplessError: the utterance is lost; its place has been given back.
        """
        ...

    def cancel(self) -> None:
        """Forget the utterance and give the place back. Harmless when it is over."""
        ...


class Recogniser(Protocol):
    """A loaded model with a bounded number of places for utterances."""

    @property
    def info(self) -> RecogniserInfo:
        """What it is and can do."""
        ...

    def open(self, options: RecogniseOptions, wake: Wake, /) -> Future[Recognition]:
        """Ask for a place: the future is done at once if one is free, or else first come, first served.

        Args:
            options: how the utterance is to be recognised.
            wake: called when the recognition has something to poll that it had not when its last method returned.

        Cancel the future to leave the queue. Never blocks for a place; may take the time to load a decoder.

        Raises:
            OverloadError: the queue for places is full.
            ConfigError: an option that the model cannot follow, such as a language it does not know.
        """
        ...

    def close(self) -> None:
        """Free the model. Open recognitions end first or are lost; waiting futures are cancelled."""
        ...
