"""Deepgram's messages, exactly as its clients know them.

In: what was understood. Out: frozen structs for the wire; times are seconds of audio from its beginning.
Invariants: a field that a client's model requires is always there. Thread: any (immutable data).
Source: developers.deepgram.com (reference of ``listen``), and the models of deepgram-sdk 7.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from gapless.serve.stream.messages import WordTime

CHANNEL: Final = (0, 1)
"""Index and number of the channels: all there are become one."""

NAMESPACE: Final = uuid.UUID("6f3d9a3e-6c5b-5b0e-9d0c-6d1f5f3f4b11")
"""Makes the same identifier of a model's name on every server."""

# --- client to server -----------------------------------------------------------------------------


class KeepAlive(Struct, frozen=True, tag="KeepAlive"):
    """There is no audio now, but there will be. Never answered."""


class Finalize(Struct, frozen=True, tag="Finalize"):
    """Make everything sent so far final; the stream goes on."""


class CloseStream(Struct, frozen=True, tag="CloseStream"):
    """There is no more audio: answer what there was, then ``Metadata``, then close."""


class Configure(Struct, frozen=True, tag="Configure"):
    """Other words to expect from here on; absent ones stay as they are."""

    keyterms: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=100)
        ]
        | None
    ) = None
    features: dict[str, bool] | None = None


ClientMessage: TypeAlias = KeepAlive | Finalize | CloseStream | Configure

# --- server to client -----------------------------------------------------------------------------


class DeepgramWord(Struct, frozen=True, omit_defaults=True):
    """One word with its place."""

    word: str
    """Without punctuation, in lower case."""
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None
    """As the recogniser wrote it."""


class Alternative(Struct, frozen=True):
    """One way to understand it; only that of the best has words."""

    transcript: str
    confidence: float
    words: tuple[DeepgramWord, ...] = ()


class Channel(Struct, frozen=True, omit_defaults=True):
    """What was said on a channel."""

    alternatives: tuple[Alternative, ...]
    detected_language: str | None = None


class DeepgramModel(Struct, frozen=True):
    """The recogniser."""

    name: str
    version: str
    arch: str


class ResultsMetadata(Struct, frozen=True):
    """Where a result comes from."""

    request_id: str
    model_info: DeepgramModel
    model_uuid: str


class Results(Struct, frozen=True, kw_only=True, tag="Results"):
    """What was understood of one stretch of audio; a final one is never revised."""

    channel_index: tuple[int, int] = CHANNEL
    start: float
    duration: float
    is_final: bool
    speech_final: bool
    """The speaker paused."""
    from_finalize: bool = False
    """The answer to a ``Finalize``: all before it has been answered."""
    channel: Channel
    metadata: ResultsMetadata


class DeepgramSpeechStarted(Struct, frozen=True, tag="SpeechStarted"):
    """Somebody began to speak."""

    channel: tuple[int, int]
    timestamp: float


class UtteranceEnd(Struct, frozen=True, tag="UtteranceEnd"):
    """Nobody spoke for as long as ``utterance_end_ms`` asked."""

    channel: tuple[int, int]
    last_word_end: float


class DeepgramWarning(Struct, frozen=True):
    """A parameter that was not followed."""

    parameter: str
    type: str
    message: str


class Metadata(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="Metadata"):
    """The last message: what the whole stream was."""

    transaction_key: str = msgspec.field(default_factory=lambda: "deprecated")
    request_id: str
    sha256: str
    """Of all bytes of audio that came."""
    created: str
    duration: float
    channels: int
    models: tuple[str, ...]
    model_info: dict[str, DeepgramModel]
    warnings: tuple[DeepgramWarning, ...] = ()


class DeepgramError(Struct, frozen=True, tag="Error"):
    """Something was refused or failed; unless the connection closes, the stream goes on."""

    variant: str
    description: str
    code: str
    message: str = ""
    """What the client sent, where it could not be read."""


class ConfigureSuccess(Struct, frozen=True, omit_defaults=True, tag="ConfigureSuccess"):
    """The change holds for all audio from here on."""

    request_id: str
    keyterms: tuple[str, ...] | None = None


class ConfigureFailure(Struct, frozen=True, tag="ConfigureFailure"):
    """Nothing was changed."""

    request_id: str
    code: str
    description: str


ServerMessage: TypeAlias = (
    Results
    | DeepgramSpeechStarted
    | UtteranceEnd
    | Metadata
    | DeepgramError
    | ConfigureSuccess
    | ConfigureFailure
)

# --- recordings -----------------------------------------------------------------------------------


class RecordedUtterance(Struct, frozen=True):
    """One stretch of speech between two pauses."""

    id: str
    start: float
    end: float
    confidence: float
    channel: int
    transcript: str
    words: tuple[DeepgramWord, ...]


class RecordedResults(Struct, frozen=True, omit_defaults=True):
    """What a recording says."""

    channels: tuple[Channel, ...]
    utterances: tuple[RecordedUtterance, ...] | None = None


class RecordedAnswer(Struct, frozen=True):
    """The body that answers a recording."""

    metadata: dict[str, Any]
    """``Metadata`` without its ``type``."""
    results: RecordedResults


# --- parts of them --------------------------------------------------------------------------------


def words_of(words: Iterable[WordTime]) -> tuple[DeepgramWord, ...]:
    """Words with times in seconds; a confidence that is not known is 0."""
    return tuple(
        DeepgramWord(
            re.sub(r"^\W+|\W+$", "", word.w).lower() or word.w,
            word.start_ms / 1000,
            word.end_ms / 1000,
            word.conf or 0.0,
            word.w,
        )
        for word in words
    )


def model_uuid(model: str) -> str:
    """The identifier of a recogniser."""
    return str(uuid.uuid5(NAMESPACE, model))


def model_info(model: str) -> DeepgramModel:
    """A recogniser, in Deepgram's terms."""
    return DeepgramModel(model, "", "gapless")


def encode(message: ServerMessage) -> str:
    """As it goes on the wire."""
    return msgspec.json.encode(message).decode()
