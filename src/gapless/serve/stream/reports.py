"""What a listener reports, as messages of the native stream.

In: events and errors. Out: messages, not yet numbered. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from gapless.errors import GaplessError
from gapless.listen.events import (
    Empty,
    Failed,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
    Spoken,
)
from gapless.listen.recogniser.contract import Alternative
from gapless.serve.problem import problem_of
from gapless.serve.stream.messages import (
    EmptyMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    OtherText,
    PartialMessage,
    ServerMessage,
    SpeechEndMessage,
    SpeechStartMessage,
    VoiceMessage,
    WarningMessage,
    WordTime,
)
from gapless.serve.stream.work import NotKept
from gapless.transcript import Utterance


def event_message(event: ListenEvent | NotKept) -> ServerMessage:  # noqa: PLR0911 - one for each kind
    """The message that says it."""
    match event:
        case SpeechStart(utt, at_ms):
            return SpeechStartMessage(utt=utt, at_ms=at_ms)
        case SpeechEnd(utt, at_ms):
            return SpeechEndMessage(utt=utt, at_ms=at_ms)
        case Partial(utt, text, stable_chars, start_ms, end_ms):
            return PartialMessage(
                utt=utt, text=text, stable_chars=stable_chars, start_ms=start_ms, end_ms=end_ms
            )
        case Spoken(utt, voice):
            return VoiceMessage(utt=utt, **msgspec.structs.asdict(voice))
        case Final(utterance, alternatives):
            return _final_message(utterance, alternatives)
        case Flushed(flush_id):
            return FlushedMessage(id=flush_id)
        case Empty(utt):
            return EmptyMessage(utt=utt)
        case NotKept(utt, error):
            return WarningMessage(code="not_saved", message=error.message, utt=utt)
        case Failed(utt, error):
            return error_message(error, utt)
        case _:
            assert_never(event)


def error_message(error: GaplessError, utt: str | None = None) -> ErrorMessage:
    """An error, about an utterance or about the stream."""
    problem = problem_of(error)
    return ErrorMessage(
        code=problem.code,
        message=problem.message,
        param=problem.param,
        utt=utt,
        retryable=problem.retryable,
        retry_after_ms=problem.retry_after_ms,
    )


def _final_message(utterance: Utterance, alternatives: tuple[Alternative, ...]) -> FinalMessage:
    return FinalMessage(
        utt=utterance.utt,
        text=utterance.text,
        start_ms=utterance.start_ms,
        end_ms=utterance.end_ms,
        language=utterance.language,
        confidence=utterance.confidence,
        alternatives=tuple(OtherText(other.text, other.confidence) for other in alternatives),
        words=tuple(
            WordTime(word.text, word.start_ms, word.end_ms, word.confidence)
            for word in utterance.words
        ),
        speaker=utterance.speaker,
    )
