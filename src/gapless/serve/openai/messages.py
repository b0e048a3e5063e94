"""OpenAI's shapes for transcriptions and models, exactly as its clients know them.

In: recognised speech. Out: frozen structs that are the JSON on the wire, and the schemas of the API document.
Invariants: no field that OpenAI promises is missing; what we do not know is 0 or empty, never absent. Times are
seconds of audio time. Thread: any (immutable data).
Source: the types of the ``openai`` package (``types/audio``, ``types/model.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gapless.serve.stream.messages import Name
from gapless.transcript import Transcript, Utterance, Word, to_srt, to_text, to_vtt

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
TranslationFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
Task: TypeAlias = Literal["transcribe", "translate"]
Language: TypeAlias = Annotated[
    str, Meta(max_length=16, pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")
]
Hotword: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]

UNKNOWN_SPEAKER: Final = "unknown"
"""The label of who was not told apart from others."""

LEAST_CONFIDENCE: Final = 1e-9
"""The logarithm of nothing cannot be written in JSON."""


class ServerVad(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How speech is told from silence; what is left out is as the server is set."""

    type: Literal["server_vad"]
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=2000)] | None = None
    """Audio kept before and after the speech."""
    silence_duration_ms: Annotated[int, Meta(ge=100, le=10_000)] | None = None
    """Silence that ends a segment."""
    threshold: Annotated[float, Meta(ge=0.05, le=0.99)] | None = None
    """Speech probability at which speech begins."""


class RecordingRequest(Struct, frozen=True, kw_only=True):
    """What the forms of both addresses have besides ``file``. An empty value counts as none."""

    model: Name
    """A model from ``GET /v1/models``."""
    language: Language | None = None
    """Language of the speech, ISO 639-1 (``en``; of ``en-US`` the first part counts)."""
    prompt: str | None = None
    """Text that sets the style, for models that take one."""
    response_format: ResponseFormat = "json"
    """Shape of the answer."""
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Randomness, for models that sample."""
    chunking_strategy: Literal["auto"] | ServerVad = "auto"
    """How the recording is cut; as an object in brackets (``chunking_strategy[type]``) or JSON."""
    languages: Annotated[tuple[Language, ...], Meta(max_length=32)] = ()
    """Possible languages: a single one is taken as ``language``, several are left to the model."""
    keywords: Annotated[tuple[Hotword, ...], Meta(max_length=100)] = ()
    """The same as ``hotwords``."""
    hotwords: Annotated[tuple[Hotword, ...], Meta(max_length=100)] = ()
    """Words to expect, repeated or separated by commas, for models that take them. Gapless only."""
    denoise: Annotated[float, Meta(ge=0, le=1)] | Literal["off", "on"] | None = None
    """Amount of noise removed before listening. Gapless only."""
    save: bool = True
    """Whether the transcript is kept, where the server keeps any. Gapless only."""


class TranscriptionRequest(RecordingRequest, frozen=True, kw_only=True):
    """The form of a transcription, besides ``file``."""

    timestamp_granularities: Annotated[
        tuple[Literal["word", "segment"], ...], Meta(max_length=16)
    ] = ()
    """Only with ``verbose_json``, which has segments in any case: ``word`` adds words with times."""
    stream: bool = False
    """Answer with server-sent events; only with ``json``, ``text`` or ``diarized_json``."""
    include: Annotated[tuple[Literal["logprobs"], ...], Meta(max_length=16)] = ()
    """Only with ``json``: ``logprobs`` adds the logarithm of each word's confidence."""
    known_speaker_names: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Refused: speakers are not told apart here."""
    known_speaker_references: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Refused: speakers are not told apart here."""


class TranslationRequest(RecordingRequest, frozen=True, kw_only=True):
    """The form of a translation, besides ``file``."""

    response_format: TranslationFormat = "json"
    """Shape of the answer."""


class Usage(Struct, frozen=True, kw_only=True):
    """What was worked on."""

    type: Literal["duration"] = "duration"
    seconds: float


class Logprob(Struct, frozen=True):
    """How probable one word is; all tokens, one after the other, are the text."""

    token: str
    bytes: tuple[int, ...]
    """The token as UTF-8."""
    logprob: float
    """Natural logarithm of the word's confidence."""


class DetectedLanguage(Struct, frozen=True):
    """A language that was heard."""

    code: str
    """ISO 639-1."""


class Transcription(Struct, frozen=True):
    """``response_format=json``."""

    text: str
    usage: Usage
    logprobs: tuple[Logprob, ...] | UnsetType = UNSET
    """Only if ``include`` asks for ``logprobs``; empty where the model is not sure of anything."""


class TranscriptionSegment(Struct, frozen=True):
    """One utterance, with all ten fields whether the model knows them or not."""

    id: int
    seek: int
    """Where it begins, in units of 10 ms."""
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class TranscriptionWord(Struct, frozen=True):
    """One word."""

    word: str
    start: float
    end: float


class TranscriptionVerbose(Struct, frozen=True):
    """``response_format=verbose_json``."""

    task: Task
    language: str
    """ISO 639-1 code; ``und`` where neither the client nor the model knows; ``english`` of a translation."""
    duration: float
    text: str
    segments: tuple[TranscriptionSegment, ...]
    usage: Usage
    words: tuple[TranscriptionWord, ...] | UnsetType = UNSET
    """Only if ``timestamp_granularities`` asks for ``word``."""


class SpeakerSegment(Struct, frozen=True, tag_field="type", tag="transcript.text.segment"):
    """What somebody said, in ``diarized_json``, and in a stream of it."""

    id: str
    start: float
    end: float
    text: str
    speaker: str
    """``unknown`` where the model does not tell speakers apart."""


class TranscriptionDiarized(Struct, frozen=True):
    """``response_format=diarized_json``."""

    task: Literal["transcribe"]
    duration: float
    text: str
    segments: tuple[SpeakerSegment, ...]
    usage: Usage


class TextDeltaEvent(Struct, frozen=True, tag_field="type", tag="transcript.text.delta"):
    """``stream=true``: more text. All deltas, one after the other, are the text of the last event."""

    delta: str
    segment_id: str | UnsetType = UNSET
    """The segment that it is of, only with ``diarized_json``."""
    logprobs: tuple[Logprob, ...] | UnsetType = UNSET
    """Only if ``include`` asks for ``logprobs``."""


class TextDoneEvent(Struct, frozen=True, tag_field="type", tag="transcript.text.done"):
    """``stream=true``: the last event."""

    text: str
    usage: Usage
    logprobs: tuple[Logprob, ...] | UnsetType = UNSET
    """Only if ``include`` asks for ``logprobs``."""


TranscriptionEvent: TypeAlias = TextDeltaEvent | SpeakerSegment | TextDoneEvent


class Model(Struct, frozen=True, kw_only=True):
    """One recogniser that is here."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """When this server began to offer it, Unix time in seconds."""
    owned_by: str
    kind: Literal["streaming", "whole"]
    """``streaming`` models give partial results in live streams."""
    languages: tuple[str, ...]
    """ISO 639-1 codes; empty: the model decides."""
    word_times: bool
    licence: str
    description: str
    default: bool = False
    """It is used where no model is asked for."""
    reason: str | None = None
    """Why it is the default: a sentence without a full stop, to follow its name."""
    suppressed: dict[str, int] | UnsetType = UNSET
    """Invented text that was dropped since it was loaded, by the name of the guard; only of models that have guards."""


class ModelList(Struct, frozen=True, kw_only=True):
    """All recognisers that are here, the default first."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


def usage_of(transcript: Transcript) -> Usage:
    """What ``transcript`` took."""
    return Usage(seconds=transcript.duration_ms / 1000)


def logprobs_of(
    words: Iterable[tuple[str, float | None]], *, begun: bool = False
) -> tuple[Logprob, ...]:
    """Log probabilities of words and their confidences; of none, if one of these is not known.

    Args:
        words: those of a text, in order.
        begun: whether there is text before them.
    """
    found: list[Logprob] = []
    for word, confidence in words:
        if confidence is None:
            return ()
        token = f" {word}" if found or begun else word
        logprob = math.log(max(confidence, LEAST_CONFIDENCE))
        found.append(Logprob(token, tuple(token.encode()), logprob))
    return tuple(found)


def word_logprobs(words: Iterable[Word], *, begun: bool = False) -> tuple[Logprob, ...]:
    """The same for recognised words."""
    return logprobs_of(((word.text, word.confidence) for word in words), begun=begun)


def render(
    transcript: Transcript,
    response_format: ResponseFormat,
    *,
    words: bool = False,
    logprobs: bool = False,
    task: Task = "transcribe",
) -> tuple[bytes, str]:
    """``transcript`` in the format asked for, and the content type of that.

    Args:
        transcript: what was said, or what it means in English.
        response_format: shape of the answer.
        words: whether ``verbose_json`` has words with times.
        logprobs: whether ``json`` has log probabilities.
        task: which of the two it is.
    """
    match response_format:
        case "text":
            return to_text(transcript.utterances).encode(), "text/plain; charset=utf-8"
        case "srt":
            return to_srt(transcript.utterances).encode(), "text/plain; charset=utf-8"
        case "vtt":
            return to_vtt(transcript.utterances).encode(), "text/vtt; charset=utf-8"
        case "verbose_json":
            return _json(verbose(transcript, words=words, task=task))
        case "diarized_json":
            return _json(diarized(transcript))
        case "json":
            found = word_logprobs(transcript.words) if logprobs else UNSET
            return _json(Transcription(transcript.text, usage_of(transcript), found))


def verbose(
    transcript: Transcript, *, words: bool, task: Task = "transcribe"
) -> TranscriptionVerbose:
    """All that is known of ``transcript``."""
    return TranscriptionVerbose(
        task=task,
        language="english" if task == "translate" else transcript.language or "und",
        duration=transcript.duration_ms / 1000,
        text=transcript.text,
        segments=tuple(_segment(i, u) for i, u in enumerate(transcript.utterances)),
        usage=usage_of(transcript),
        words=tuple(_word(word) for word in transcript.words) if words else UNSET,
    )


def diarized(transcript: Transcript) -> TranscriptionDiarized:
    """Who said what in ``transcript``."""
    return TranscriptionDiarized(
        task="transcribe",
        duration=transcript.duration_ms / 1000,
        text=transcript.text,
        segments=tuple(
            speaker_segment(number, utterance)
            for number, utterance in enumerate(transcript.utterances, start=1)
        ),
        usage=usage_of(transcript),
    )


def speaker_segment(number: int, utterance: Utterance) -> SpeakerSegment:
    """What somebody said, as the ``number``-th in its recording."""
    return SpeakerSegment(
        id=f"seg_{number:03}",
        start=utterance.start_ms / 1000,
        end=utterance.end_ms / 1000,
        text=utterance.text,
        speaker=utterance.speaker or UNKNOWN_SPEAKER,
    )


def _json(answer: Struct) -> tuple[bytes, str]:
    return msgspec.json.encode(answer), "application/json"


def _segment(number: int, utterance: Utterance) -> TranscriptionSegment:
    return TranscriptionSegment(
        id=number,
        seek=utterance.start_ms // 10,
        start=utterance.start_ms / 1000,
        end=utterance.end_ms / 1000,
        text=utterance.text,
        tokens=utterance.tokens,
        temperature=utterance.temperature or 0.0,
        avg_logprob=utterance.avg_logprob or 0.0,
        compression_ratio=utterance.compression_ratio or 0.0,
        no_speech_prob=utterance.no_speech_prob or 0.0,
    )


def _word(word: Word) -> TranscriptionWord:
    return TranscriptionWord(word.text, word.start_ms / 1000, word.end_ms / 1000)
