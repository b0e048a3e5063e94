"""One utterance in Wyoming's dialect, between a session and messages that are written by hand."""

from __future__ import annotations

from gapless.serve.stream.messages import (
    EmptyMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    PartialMessage,
    ServerMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession
from gapless.serve.wyoming.utterance import AUDIO_STOP, UtteranceDialect
from gapless.serve.wyoming.wire import Event, EventReader
from gapless.settings import Settings


def hear(dialect: UtteranceDialect, *messages: ServerMessage) -> list[Event]:
    reader = EventReader()
    for message in messages:
        for frame in dialect.say(message):
            assert isinstance(frame, bytes)
            reader.feed(frame)
    return [*iter(reader.next_event, None)]


def told(events: list[Event]) -> list[object]:
    """Events in short."""
    return [event.data.get("text", event.type) for event in events]


def partial(text: str, stable_chars: int, utt: str = "u1") -> PartialMessage:
    return PartialMessage(utt=utt, text=text, stable_chars=stable_chars, start_ms=0, end_ms=1)


def final(text: str, utt: str = "u1") -> FinalMessage:
    return FinalMessage(utt=utt, text=text, start_ms=0, end_ms=1, language="en")


END = EndMessage(reason="stop", audio_ms=1000, transcript_id=None)


def test_chunks_are_what_is_certain_and_the_transcript_is_all_of_it() -> None:
    events = hear(
        UtteranceDialect(StreamOptions()),
        partial("turn", 0),
        partial("turn on", 5),
        partial("turn on", 5),
        partial("turn on the", 8),
        final("turn on the light"),
        partial("and", 3, "u2"),
        final("and close", "u2"),
        END,
    )
    assert told(events) == [
        "transcript-start",
        "turn ",
        "on ",
        "the light",
        " and",
        " close",
        "turn on the light and close",
        "transcript-stop",
    ]
    assert events[-2] == Event(
        "transcript", {"text": "turn on the light and close", "language": "en"}
    )


def test_chunks_are_never_taken_back_even_if_the_text_is_another() -> None:
    events = hear(UtteranceDialect(StreamOptions()), partial("turn off", 8), final("turn on"), END)
    assert told(events) == ["transcript-start", "turn off", "turn on", "transcript-stop"]


def test_when_nothing_was_said_the_transcript_is_empty() -> None:
    events = hear(UtteranceDialect(StreamOptions()), EmptyMessage(utt="u1"), END)
    assert told(events) == ["transcript-start", "", "transcript-stop"]


def test_an_error_comes_before_the_transcript_of_what_was_understood() -> None:
    dialect = UtteranceDialect(StreamOptions())
    events = hear(
        dialect, final("one"), ErrorMessage(code="model_error", message="it broke; wait"), END
    )
    assert told(events) == ["transcript-start", "one", "it broke; wait", "one", "transcript-stop"]
    assert events[2] == Event("error", {"text": "it broke; wait", "code": "model_error"})


def test_there_is_one_transcript_however_often_it_is_asked_for() -> None:
    dialect = UtteranceDialect(StreamOptions())
    assert len([*dialect.answer()]) == 3
    assert [*dialect.answer()] == []
    assert hear(dialect, END) == []


def test_audio_goes_to_the_session_until_the_client_says_stop() -> None:
    dialect = UtteranceDialect(StreamOptions())
    session = StreamSession("s0", "t0", Settings(), dialect.options, 0)
    dialect.receive(b"\0\0" * 1600, session, 0)
    assert (session.audio_ms, dialect.stopped) == (100, False)

    dialect.receive(AUDIO_STOP, session, 0)
    assert dialect.stopped
    assert session.deadline_ms is None, "the session is ending"
