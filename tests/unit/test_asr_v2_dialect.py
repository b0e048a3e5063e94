"""The ASR v2 dialect, between a session and messages that are written by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gapless.serve.asr_v2.dialect import CONTROLS, AsrV2Dialect
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import (
    EmptyMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    PartialMessage,
    ProgressMessage,
    ServerMessage,
    SpeechStartMessage,
)
from gapless.serve.stream.session import StreamSession
from gapless.settings import Settings

LATER_MS = 50_000


def session_of(dialect: AsrV2Dialect) -> StreamSession:
    return StreamSession("s0", "t0", Settings(), dialect.options, 0)


def hear(dialect: AsrV2Dialect, *messages: ServerMessage) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame) for each in messages for frame in dialect.say(each)]


def send(dialect: AsrV2Dialect, session: StreamSession, frame: Frame) -> list[dict[str, Any]]:
    return [msgspec.json.decode(answer) for answer in dialect.receive(frame, session, LATER_MS)]


def partial(text: str, utt: str = "u1") -> PartialMessage:
    return PartialMessage(utt=utt, text=text, stable_chars=0, start_ms=0, end_ms=500)


def final(text: str, utt: str = "u1") -> FinalMessage:
    return FinalMessage(utt=utt, text=text, start_ms=0, end_ms=500)


def end(reason: str = "stop") -> EndMessage:
    return msgspec.convert(
        {"type": "end", "reason": reason, "audio_ms": 1500, "transcript_id": None}, EndMessage
    )


def test_each_answer_has_all_of_the_text_so_far() -> None:
    heard = hear(
        AsrV2Dialect(),
        partial("one"),
        partial("one two"),
        final("one two"),
        partial("three", "u2"),
        final("three", "u2"),
    )
    assert [each["transcription"] for each in heard] == [
        "one",
        "one two",
        "one two three",
    ]
    assert {each["status"] for each in heard} == {"ACTIVE"}


def test_what_changes_no_text_is_not_told() -> None:
    dialect = AsrV2Dialect()
    assert hear(dialect, SpeechStartMessage(utt="u1", at_ms=0), partial("")) == []
    assert hear(dialect, partial("one"), partial("one"), EmptyMessage(utt="u9")) == [
        {"transcription": "one", "status": "ACTIVE"},
        {"transcription": "", "status": "ACTIVE"},
    ]
    assert hear(dialect, ProgressMessage(received_ms=1, processed_ms=1, lag_ms=0)) == []


def test_the_end_is_complete_and_says_how_long_the_audio_was() -> None:
    dialect = AsrV2Dialect(opaque="mine")
    hear(dialect, final("one two"))
    assert hear(dialect, end()) == [
        {
            "transcription": "one two",
            "status": "COMPLETE",
            "metadata": {"audio_length_seconds": 1.5},
            "opaque": "mine",
        }
    ]
    assert dialect.farewell(1000) == (1000, "")


def test_a_client_that_falls_silent_gets_its_text_with_the_error() -> None:
    dialect = AsrV2Dialect()
    heard = hear(
        dialect,
        ErrorMessage(code="idle_timeout", message="nothing came; send keepalive"),
        final("one"),
        end("idle_timeout"),
    )
    assert heard[-1] == {
        "transcription": "one",
        "status": "ERROR",
        "message": "nothing came; send keepalive",
    }
    assert all(each["status"] != "COMPLETE" for each in heard)


def test_a_server_that_stops_gives_what_it_has() -> None:
    dialect = AsrV2Dialect()
    hear(dialect, final("one"))
    (last,) = hear(dialect, end("shutdown"))
    assert (last["transcription"], last["status"]) == ("one", "ERROR")
    assert "connect again" in last["message"]


def test_an_utterance_that_fails_takes_its_words_with_it() -> None:
    dialect = AsrV2Dialect()
    hear(dialect, final("one"), partial("two", "u2"))
    assert hear(
        dialect, ErrorMessage(code="model_error", message="it broke; try again", utt="u2")
    ) == [{"transcription": "one", "status": "ERROR", "message": "it broke; try again"}]


def test_audio_goes_to_the_session_as_it_is() -> None:
    dialect = AsrV2Dialect("small")
    session = session_of(dialect)
    assert dialect.options.model == "small"
    assert send(dialect, session, b"\0\0" * 1600) == []
    assert send(dialect, session, b"") == []
    assert session.audio_ms == 100


@pytest.mark.parametrize(
    ("control", "end_byte", "keepalive_byte"), [("", 0x00, 0x01), ("v2b", 0xFF, 0x00)]
)
def test_a_frame_of_one_byte_is_a_control(control: str, end_byte: int, keepalive_byte: int) -> None:
    dialect = AsrV2Dialect(controls=CONTROLS[control])
    session = session_of(dialect)

    assert send(dialect, session, bytes([keepalive_byte])) == [
        {"transcription": "", "status": "PAUSED"}
    ]
    assert session.deadline_ms == LATER_MS + Settings().idle_timeout_ms

    assert send(dialect, session, bytes([end_byte])) == []
    assert session.deadline_ms is None, "the session is ending"


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        (b"abc", "whole samples"),
        (b"\x07", "end with 0x00"),
        ("hello", "binary frames"),
        ("", "binary frames"),
    ],
)
def test_a_frame_that_makes_no_sense_is_an_error_and_the_stream_goes_on(
    frame: Frame, advice: str
) -> None:
    dialect = AsrV2Dialect()
    session = session_of(dialect)
    hear(dialect, final("one"))

    (answer,) = send(dialect, session, frame)

    assert (answer["transcription"], answer["status"]) == ("one", "ERROR")
    assert advice in answer["message"]
    assert session.audio_ms == 0
    assert session.deadline_ms is not None
    assert send(dialect, session, b"\0\0" * 1600) == []
    assert session.audio_ms == 100
