"""The recogniser that needs nothing: PocketSphinx with the English model inside its wheel.

In: 16 kHz samples. Out: partial results while speech goes on, words with times and confidence.
It knows English only and has no use for prompts, hot words, temperature or translation: those options
are ignored, and the result says which language it is in.
Invariants: the decoder is fed fixed blocks, so neither the result nor what the partial results say
depends on the split of the input; every utterance starts from the same state.
Thread: any; a decoder loads in 0.25 s and holds about 95 MB, the first is loaded at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import ModelError
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
from gapless.listen.recogniser.pocketsphinx.library import (
    FRAMES_PER_SECOND,
    SphinxDecoder,
    SphinxSegment,
    package_folder,
)
from gapless.transcript import Word

BLOCK_SAMPLES: Final = LISTEN_RATE_HZ // 10
"""The decoder normalises and prunes by call, so its calls are always of this size."""

FRAME_MS: Final = 1000 // FRAMES_PER_SECOND

PAUSE_MS: Final = 250
"""Silence that ends a phrase: shorter than the usual endpointing, longer than the stop in a consonant."""

MAX_WORD_MS: Final = 2000
"""Nobody says a word for longer: to PocketSphinx, steady noise is one endless word."""

DITHER: Final = np.random.default_rng(0).normal(0.0, 1e-4, BLOCK_SAMPLES).astype(np.float32)
"""Always the same faint noise (-80 dBFS), added to each block. The model never saw digital silence,
which noise gates and synthetic voices put between words: with it, one error in five goes away."""

POCKETSPHINX: Final = RecogniserInfo(
    name="pocketsphinx",
    kind="streaming",
    languages=("en",),
    word_times=True,
    owner="Carnegie Mellon University",
    licence="BSD-2-Clause",
    description="Small English recogniser inside the package; modest accuracy, needs no download.",
)


@final
class PocketSphinx:
    """Decoders behind a bounded number of places.

    Args:
        places: utterances at a time; decoders beyond the first are loaded when first needed.
        max_waiting: utterances that may wait for a place.
        model: folder of another model with the layout of the wheel's; None takes the wheel's.

    Raises:
        MissingDependencyError: PocketSphinx cannot be used here.
        ModelError: the model cannot be loaded.
    """

    def __init__(
        self, *, places: int = 1, max_waiting: int = 64, model: Path | None = None
    ) -> None:
        folder = model or package_folder() / "model" / "en-us"
        self._places = Places(
            lambda: SphinxDecoder(folder), SphinxDecoder.free, most=places, max_waiting=max_waiting
        )
        self._places.release(self._places.request(lambda decoder: decoder).result())

    @property
    def info(self) -> RecogniserInfo:
        """What it is."""
        return POCKETSPHINX

    def stats(self) -> PlacesStats:
        """Who has a place and who waits."""
        return self._places.stats()

    def open(self, options: RecogniseOptions, wake: Wake) -> Future[Recognition]:  # noqa: ARG002 - nothing comes later
        """Ask for a place, as every recogniser's ``open``."""

        def begin(decoder: SphinxDecoder) -> Recognition:
            return _Utterance(decoder, self._places, options)

        return self._places.request(begin)

    def close(self) -> None:
        """Free the decoders; those in use are freed when their utterance ends."""
        self._places.close()


class _Utterance:
    """One utterance, recognised phrase by phrase.

    PocketSphinx revises freely, and its final passes differ from its live guess in one word of
    three. So whenever the speaker pauses, the phrase so far gets its final passes and is settled.
    That costs no accuracy (251 errors against 249 in 427 words of synthetic speech), whereas to
    settle live guesses by age made one error in seven more.
    """

    def __init__(
        self, decoder: SphinxDecoder, places: Places[SphinxDecoder], options: RecogniseOptions
    ) -> None:
        self._decoder: SphinxDecoder | None = decoder
        self._places = places
        self._options = options
        self._rest: Samples = np.empty(0, np.float32)
        """Received, but less than a block."""
        self._searched = 0
        """Samples that the decoder has had."""
        self._phrase_start = 0
        self._settled: list[Word] = []
        """Words of the phrases that are over."""
        self._last = Hypothesis("")
        self._news: Hypothesis | Result | None = None

    @property
    def pending_samples(self) -> int:
        return 0

    def accept(self, samples: Samples) -> None:
        decoder = self._require_decoder()
        pending = np.concatenate([self._rest, samples])
        whole = len(pending) // BLOCK_SAMPLES * BLOCK_SAMPLES
        self._rest = pending[whole:].copy()
        before = self._last
        for block in pending[:whole].reshape(-1, BLOCK_SAMPLES):
            self._search(decoder, block)
            self._last = self._understand(decoder)
        if self._options.partials and self._last != before:
            self._news = self._last

    def poll(self) -> Hypothesis | Result | None:
        news, self._news = self._news, None
        return news

    def finish(self) -> None:
        decoder = self._require_decoder()
        try:
            if len(self._rest):
                self._search(decoder, self._rest)
            if self._searched:
                decoder.end()
                self._settled += self._words(decoder.segments())
        finally:
            self.cancel()
        words = tuple(self._settled)
        confidences = [word.confidence for word in words if word.confidence is not None]
        self._news = Result(
            text=join_words(words),
            words=words if self._options.words else (),
            language="en",
            confidence=sum(confidences) / len(confidences) if confidences else None,
        )

    def cancel(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            self._places.release(decoder)

    def _search(self, decoder: SphinxDecoder, block: Samples) -> None:
        if not self._searched:
            decoder.reset()
            decoder.start()
        decoder.process(to_int16(block + DITHER[: len(block)]))
        self._searched += len(block)

    def _understand(self, decoder: SphinxDecoder) -> Hypothesis:
        segments = decoder.segments()
        guess = self._words(segments)
        if guess and pauses(segments):
            decoder.end()
            self._settled += self._words(decoder.segments())
            guess = []
            self._phrase_start = self._searched
            decoder.start()
        return Hypothesis(join_words([*self._settled, *guess]), len(join_words(self._settled)))

    def _words(self, segments: list[SphinxSegment]) -> list[Word]:
        return to_words(
            segments,
            samples_to_ms(self._phrase_start, LISTEN_RATE_HZ),
            samples_to_ms(self._searched, LISTEN_RATE_HZ),
        )

    def _require_decoder(self) -> SphinxDecoder:
        if self._decoder is None:
            raise ModelError("this utterance is over; open another one")
        return self._decoder


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """Round to 16 bits; what is out of range is clipped, what is no number is silence."""
    clipped = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0) * np.float32(32768.0)
    integers: npt.NDArray[np.int16] = np.minimum(np.rint(clipped), 32767.0).astype(np.int16)
    return integers


def to_words(segments: Sequence[SphinxSegment], start_ms: int, end_ms: int) -> list[Word]:
    """The words of a phrase between two times: no pauses, noises or marks of pronunciation."""
    longest = MAX_WORD_MS // FRAME_MS
    return [
        Word(
            text=re.sub(r"\(\d+\)$", "", segment.word),
            start_ms=min(start_ms + segment.start_frame * FRAME_MS, end_ms),
            end_ms=min(start_ms + segment.end_frame * FRAME_MS, end_ms),
            confidence=min(max(segment.posterior, 0.0), 1.0),
        )
        for segment in segments
        if not is_filler(segment) and segment.end_frame - segment.start_frame <= longest
    ]


def pauses(segments: Sequence[SphinxSegment]) -> bool:
    """Whether the speaker has paused for a while."""
    last = segments[-1]
    return is_filler(last) and (last.end_frame - last.start_frame) * FRAME_MS >= PAUSE_MS


def is_filler(segment: SphinxSegment) -> bool:
    """Whether it is a pause or a noise: ``<sil>``, ``[NOISE]``, ``++BREATH++``."""
    return segment.word.startswith(("<", "[", "++"))


def join_words(words: Sequence[Word]) -> str:
    """Words as running text."""
    return " ".join(word.text for word in words)


_: type[Recogniser] = PocketSphinx
