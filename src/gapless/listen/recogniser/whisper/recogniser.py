"""Whisper models in CTranslate2 format, through faster-whisper.

In: 16 kHz samples of one utterance; the caller bounds its length. Out: one result at the end, with all
that OpenAI's ``verbose_json`` asks for.
All options are used except ``partials``. Decoding is a beam search at temperature 0, so the same samples
give the same words; a temperature above 0 samples instead.
Invariants: silence gives an empty text; segments that a guard holds for invented (``guards.py``) are left out.
Thread: any; one model in memory serves ``places`` utterances at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import ConfigError, ModelError
from gapless.infer.inference import Inference
from gapless.listen.recogniser.contract import (
    Hypothesis,
    RecogniseOptions,
    Recogniser,
    RecogniserInfo,
    Recognition,
    Result,
    Wake,
)
from gapless.listen.recogniser.guards import Evidence, Guards
from gapless.listen.recogniser.places import Places, PlacesStats
from gapless.listen.recogniser.whisper.speech import SpeechOf
from gapless.settings import GuardName
from gapless.transcript import Word

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

MODEL_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
"""What a model folder must hold, besides ``vocabulary.json`` or ``vocabulary.txt``."""

SHORTEST_SAMPLES: Final = LISTEN_RATE_HZ // 10
"""Nothing is said in less than 100 ms."""

SILENCE: Final = 1e-3
"""Audio whose peak is below this (-60 dBFS) is not worth asking: Whisper invents text for it."""

BEAM: Final = 5


def is_whisper_folder(folder: Path) -> bool:
    """Whether a folder holds a Whisper model in CTranslate2 format."""
    return all((folder / name).is_file() for name in MODEL_FILES) and any(
        folder.glob("vocabulary.*")
    )


def whisper_info(name: str) -> RecogniserInfo:
    """What is known of a model before it is loaded."""
    return RecogniserInfo(
        name=name,
        kind="whole",
        languages=(),
        word_times=True,
        owner="local",
        licence="see the model's own terms",
        description="Whisper model in CTranslate2 format.",
        translates=True,
    )


@final
class Whisper:
    """One model, shared by a bounded number of utterances.

    Args:
        folder: the model (see ``MODEL_FILES``).
        name: what to call it; None takes the folder's name.
        places: utterances at a time.
        max_waiting: utterances that may wait for a place.
        threads: CPU threads for each utterance.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: arithmetic, in CTranslate2's terms; ``default`` is 8-bit integers on a CPU and the
            model's own elsewhere.
        guards: against invented text; None: all of them.
        inference: runs the voice detector that some guards ask; None: those stay silent.

    Raises:
        ModelError: the folder holds no model, or one that cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        places: int = 1,
        max_waiting: int = 64,
        threads: int = 1,
        device: str = "cpu",
        compute_type: str = "default",
        guards: Guards | None = None,
        inference: Inference | None = None,
    ) -> None:
        self._info = whisper_info(name or folder.name)
        if compute_type == "default" and device == "cpu":
            compute_type = "int8"
        self._model = _load(folder, device, compute_type, threads, places)
        self._languages = frozenset(self._model.supported_languages)
        self._guards = guards or Guards()
        self._inference = inference
        self._places = Places(
            lambda: self._model, lambda _: None, most=places, max_waiting=max_waiting
        )

    @property
    def info(self) -> RecogniserInfo:
        """What it is."""
        return self._info

    def stats(self) -> PlacesStats:
        """Who has a place and who waits."""
        return self._places.stats()

    def suppressed(self) -> dict[GuardName, int]:
        """Segments that were dropped as invented, by guard."""
        return self._guards.counts()

    def open(self, options: RecogniseOptions, wake: Wake) -> Future[Recognition]:  # noqa: ARG002 - nothing comes later
        """Ask for a place, as every recogniser's ``open``.

        Raises:
            ConfigError: the model does not know the language.
        """
        language = self._language(options.language)

        def begin(model: WhisperModel) -> Recognition:
            return _Utterance(model, self._places, options, language, self._said)

        return self._places.request(begin)

    def close(self) -> None:
        """Refuse new utterances; the memory is given back when the last open one has ended."""
        self._places.close()

    def _said(self, segments: list[Segment], samples: Samples) -> list[Segment]:
        """The segments that no guard holds for invented."""
        speech = SpeechOf(samples, self._inference)
        duration_ms = samples_to_ms(len(samples), LISTEN_RATE_HZ)
        return [
            segment
            for segment in segments
            if not self._guards.drops(to_evidence(segment, duration_ms), speech.speech_ms)
        ]

    def _language(self, asked: str | None) -> str | None:
        if asked is None:
            return None
        language = asked.lower().partition("-")[0]
        if language not in self._languages:
            raise ConfigError(
                f"{self._info.name} does not know the language {asked!r}; leave it out to have it "
                f"detected, or give one of {', '.join(sorted(self._languages))}",
                param="language",
            )
        return language


class _Utterance:
    def __init__(
        self,
        model: WhisperModel,
        places: Places[WhisperModel],
        options: RecogniseOptions,
        language: str | None,
        said: Callable[[list[Segment], Samples], list[Segment]],
    ) -> None:
        self._model: WhisperModel | None = model
        self._said = said
        self._places = places
        self._options = options
        self._language = language
        self._heard: list[Samples] = []
        self._result: Result | None = None

    @property
    def pending_samples(self) -> int:
        return 0

    def accept(self, samples: Samples) -> None:
        self._require_model()
        self._heard.append(np.nan_to_num(samples, nan=0.0))

    def poll(self) -> Hypothesis | Result | None:
        result, self._result = self._result, None
        return result

    def finish(self) -> None:
        self._result = self._understand()

    def _understand(self) -> Result:
        model = self._require_model()
        try:
            samples = np.clip(np.concatenate([np.empty(0, np.float32), *self._heard]), -1.0, 1.0)
            if len(samples) < SHORTEST_SAMPLES or np.abs(samples).max() < SILENCE:
                return Result("", language=self._language)
            segments, language = _transcribe(model, samples, self._options, self._language)
        finally:
            self.cancel()
        said = self._said(segments, samples)
        return to_result(said, language, samples_to_ms(len(samples), LISTEN_RATE_HZ))

    def cancel(self) -> None:
        model, self._model = self._model, None
        self._heard.clear()
        if model is not None:
            self._places.release(model)

    def _require_model(self) -> WhisperModel:
        if self._model is None:
            raise ModelError("this utterance is over; open another one")
        return self._model


def to_result(segments: Sequence[Segment], language: str, duration_ms: int) -> Result:
    """Join faster-whisper's segments of one utterance; figures are weighted by duration."""
    if not segments:
        return Result("", language=language)
    weights = [max(segment.end - segment.start, 0.01) for segment in segments]
    avg_logprob = _mean((segment.avg_logprob for segment in segments), weights)
    no_speech_prob = _mean((segment.no_speech_prob for segment in segments), weights)
    words = to_words(segments, duration_ms)
    if words:
        confidence = sum(word.confidence or 0.0 for word in words) / len(words)
    else:
        confidence = math.exp(min(avg_logprob, 0.0))
    return Result(
        text="".join(segment.text for segment in segments).strip(),
        words=words,
        language=language,
        confidence=confidence,
        avg_logprob=avg_logprob,
        no_speech_prob=no_speech_prob,
        compression_ratio=_mean((segment.compression_ratio for segment in segments), weights),
        tokens=tuple(token for s in segments for token in s.tokens),
        temperature=max(segment.temperature or 0.0 for segment in segments),
    )


def to_evidence(segment: Segment, duration_ms: int) -> Evidence:
    """What speaks for and against a segment of an utterance."""
    start_ms = min(max(round(segment.start * 1000), 0), duration_ms)
    return Evidence(
        text=segment.text.strip(),
        start_ms=start_ms,
        end_ms=min(max(round(segment.end * 1000), start_ms), duration_ms),
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
    )


def to_words(segments: Iterable[Segment], duration_ms: int) -> tuple[Word, ...]:
    """Words with times inside the utterance and in order; Whisper's own may overlap and run over."""
    words: list[Word] = []
    for word in (word for segment in segments for word in segment.words or ()):
        text = word.word.strip()
        if text:
            earliest_ms = words[-1].end_ms if words else 0
            start_ms = min(max(round(word.start * 1000), earliest_ms), duration_ms)
            end_ms = min(max(round(word.end * 1000), start_ms), duration_ms)
            words.append(Word(text, start_ms, end_ms, min(max(float(word.probability), 0.0), 1.0)))
    return tuple(words)


def _mean(values: Iterable[float], weights: Sequence[float]) -> float:
    return float(np.average(list(values), weights=weights))


def _load(folder: Path, device: str, compute_type: str, threads: int, places: int) -> WhisperModel:
    # faster-whisper would look for what is missing on the network.
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{folder} is no Whisper model in CTranslate2 format: {', '.join(missing)} missing; "
            "`gapless models pull` fetches whole ones"
        )
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            num_workers=places,
            local_files_only=True,
        )
    except Exception as error:  # the tokenizers package raises nothing narrower
        raise ModelError(
            f"the Whisper model in {folder} cannot be loaded ({error}); pull it again"
        ) from error


def _transcribe(
    model: WhisperModel, samples: Samples, options: RecogniseOptions, language: str | None
) -> tuple[list[Segment], str]:
    sampling: Any = options.temperature if options.temperature is not None else 0.0
    try:
        segments, info = model.transcribe(
            samples,
            language=language,
            task=options.task,
            beam_size=BEAM,
            temperature=sampling,
            initial_prompt=options.prompt,
            hotwords=", ".join(options.hotwords) or None,
            word_timestamps=options.words,
            condition_on_previous_text=False,
            vad_filter=False,
            no_speech_threshold=None,  # the guards judge, and count
        )
        return list(segments), info.language
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"Whisper failed on this utterance ({error}); send other audio, or another model"
        ) from error


_: type[Recogniser] = Whisper
