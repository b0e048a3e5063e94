"""A recogniser that says what it was told to say: as punctual as a real one, and free of models.

In: 16 kHz samples. Out: for each 250 ms of sound the next word of a script, from its beginning in
every utterance and over again when it is used up. Invariants: those of
``listen.recogniser.contract``. Thread: any.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Final, Literal, final

import msgspec
import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import GaplessError, ModelError
from gapless.listen.recogniser.contract import (
    Hypothesis,
    RecogniseOptions,
    Recogniser,
    RecogniserInfo,
    Recognition,
    Result,
    Wake,
)
from gapless.listen.recogniser.places import Places, PlacesStats
from gapless.transcript import Word

WORD_MS: Final = 250
"""Sound behind each word."""

LOUD: Final = 0.003
"""Windows whose peak is below this (-50 dBFS) are silence."""

WINDOW_SAMPLES: Final = LISTEN_RATE_HZ // 100
WINDOWS_PER_WORD: Final = WORD_MS // 10


class Failure(msgspec.Struct, frozen=True):
    """What goes wrong, and when."""

    at: Literal["open", "accept", "finish"]
    error: GaplessError


@final
class ScriptedRecogniser:
    """Says the words of ``text``.

    A word appears, unsettled, after each 250 ms of sound, and is settled when the next appears.

    Args:
        text: the words to say.
        kind: ``streaming`` or ``whole``; the latter has no partial results.
        places: utterances at a time.
        max_waiting: utterances that may wait for a place.
        translates: whether it says that it could put them into English.
    """

    def __init__(
        self,
        text: str = "one two three four five",
        *,
        kind: Literal["streaming", "whole"] = "streaming",
        places: int = 4,
        max_waiting: int = 64,
        translates: bool = False,
    ) -> None:
        self.failure: Failure | None = None
        """Set it, and recognitions that are opened from then on fail in that way."""
        self.opened: deque[RecogniseOptions] = deque(maxlen=1000)
        """Options of the latest utterances that were asked for, oldest first."""
        self._words = tuple(text.split())
        self._places = Places[object](object, lambda _: None, most=places, max_waiting=max_waiting)
        self._info = RecogniserInfo(
            name="scripted",
            kind=kind,
            languages=("en",),
            word_times=True,
            owner="gapless",
            licence="MIT",
            description="Says what it was told to say; for tests.",
            translates=translates,
        )

    @property
    def info(self) -> RecogniserInfo:
        """What it is."""
        return self._info

    def stats(self) -> PlacesStats:
        """Who has a place and who waits."""
        return self._places.stats()

    def open(self, options: RecogniseOptions, wake: Wake) -> Future[Recognition]:  # noqa: ARG002 - nothing comes later
        """Ask for a place, as every recogniser's ``open``."""
        failure = self.failure
        if failure is not None and failure.at == "open":
            raise failure.error
        self.opened.append(options)

        def begin(place: object) -> Recognition:
            return _Recognition(
                self._words,
                options,
                failure,
                self._places,
                place=place,
                streaming=self._info.kind == "streaming",
            )

        return self._places.request(begin)

    def close(self) -> None:
        """Cancel all who wait; open utterances may still finish."""
        self._places.close()


class _Recognition:
    def __init__(
        self,
        script: tuple[str, ...],
        options: RecogniseOptions,
        failure: Failure | None,
        places: Places[object],
        *,
        place: object,
        streaming: bool,
    ) -> None:
        self._script = script
        self._options = options
        self._failure = failure
        self._places = places
        self._place: object | None = place
        self._streaming = streaming
        self._rest: Samples = np.empty(0, np.float32)
        self._position = 0
        """Samples judged so far, in whole windows."""
        self._loud_windows = 0
        self._word_start = 0
        self._words: list[Word] = []
        self._news: Hypothesis | Result | None = None

    @property
    def pending_samples(self) -> int:
        return 0

    def accept(self, samples: Samples) -> None:
        self._fail("accept")
        known = len(self._words)
        self._hear(np.concatenate([self._rest, samples]))
        if len(self._words) == known or not (self._streaming and self._options.partials):
            return
        text = self._text()
        self._news = Hypothesis(text, len(text) - len(self._words[-1].text))

    def poll(self) -> Hypothesis | Result | None:
        news, self._news = self._news, None
        return news

    def finish(self) -> None:
        try:
            self._fail("finish")
            words = tuple(self._words)
            self._news = Result(
                text=self._text(),
                words=words if self._options.words else (),
                language=self._options.language or "en",
                confidence=1.0 if words else None,
            )
        finally:
            self.cancel()

    def cancel(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            self._places.release(place)

    def _fail(self, at: str) -> None:
        if self._place is None:
            raise ModelError("this utterance is over; open another one")
        if self._failure is not None and self._failure.at == at:
            raise self._failure.error

    def _hear(self, samples: Samples) -> None:
        whole = len(samples) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._rest = samples[whole:].copy()
        for window in samples[:whole].reshape(-1, WINDOW_SAMPLES):
            end = self._position + WINDOW_SAMPLES
            if np.abs(window).max() > LOUD:
                if self._loud_windows == 0:
                    self._word_start = self._position
                self._loud_windows += 1
                if self._loud_windows == WINDOWS_PER_WORD:
                    self._say(end)
            self._position = end

    def _say(self, end: int) -> None:
        self._loud_windows = 0
        if self._script:
            text = self._script[len(self._words) % len(self._script)]
            start_ms = samples_to_ms(self._word_start, LISTEN_RATE_HZ)
            self._words.append(Word(text, start_ms, samples_to_ms(end, LISTEN_RATE_HZ), 1.0))

    def _text(self) -> str:
        return " ".join(word.text for word in self._words)


_: type[Recogniser] = ScriptedRecogniser
