"""Recordings in Deepgram's dialect: ``POST /v1/listen``.

In: the head of a request; a transcript. Out: how to hear it; the JSON that answers it. Thread: any (pure functions).
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request

from gapless.audio.format import AudioFormat
from gapless.errors import ProtocolError
from gapless.serve.deepgram.messages import (
    Alternative,
    Channel,
    DeepgramWord,
    Metadata,
    RecordedAnswer,
    RecordedResults,
    RecordedUtterance,
    model_info,
    model_uuid,
    words_of,
)
from gapless.serve.deepgram.query import Asked, read_query
from gapless.serve.recordings import Recorded, Wish
from gapless.serve.stream.messages import WordTime
from gapless.transcript import Transcript, Utterance


def read_wish(request: Request) -> Wish:
    """What a request asks for.

    Raises:
        ProtocolError: it sends an address instead of a recording, or asks for what cannot be had.
        UnsupportedAudioError: audio that cannot be decoded here.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        raise ProtocolError(
            "this server fetches nothing from other addresses; send the recording itself as the body",
            param="url",
        )
    asked = read_query(request.query_params.multi_items())
    created = iso_now()
    audio = asked.options.audio
    return Wish(
        # Opus comes in a file here: nothing in a body says where a packet ends.
        options=msgspec.structs.replace(
            asked.options, encoding=None, sample_rate=None, channels=None
        ),
        render=lambda recorded: answer(asked, recorded, created),
        audio=None
        if audio.frame_bytes is None
        else AudioFormat(audio.encoding, audio.rate_hz, audio.channels),
    )


def answer(asked: Asked, recorded: Recorded, created: str) -> RecordedAnswer:
    """The JSON of a transcript."""
    transcript = recorded.transcript
    identifier = model_uuid(transcript.model)
    metadata = Metadata(
        request_id=str(uuid.uuid4()),
        sha256=recorded.sha256,
        created=created,
        duration=transcript.duration_ms / 1000,
        channels=1,
        models=(identifier,),
        model_info={identifier: model_info(transcript.model)},
        warnings=asked.warnings,
    )
    fields = msgspec.to_builtins(metadata)
    del fields["type"]
    utterances = tuple(_utterance(each) for each in transcript.utterances)
    channel = Channel(
        (Alternative(transcript.text, _confidence(transcript), _words(transcript)),),
        transcript.language if asked.options.language is None else None,
    )
    return RecordedAnswer(
        fields, RecordedResults((channel,), utterances if asked.utterances else None)
    )


def iso_now() -> str:
    """Now, as Deepgram writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utterance(utterance: Utterance) -> RecordedUtterance:
    return RecordedUtterance(
        id=utterance.utt,
        start=utterance.start_ms / 1000,
        end=utterance.end_ms / 1000,
        confidence=utterance.confidence or 0.0,
        channel=0,
        transcript=utterance.text,
        words=_words(utterance),
    )


def _words(said: Transcript | Utterance) -> tuple[DeepgramWord, ...]:
    return words_of(
        WordTime(word.text, word.start_ms, word.end_ms, word.confidence) for word in said.words
    )


def _confidence(transcript: Transcript) -> float:
    """The mean over all words; 0 where nobody knows it."""
    known = [word.confidence for word in transcript.words if word.confidence is not None]
    return sum(known) / len(known) if known else 0.0
