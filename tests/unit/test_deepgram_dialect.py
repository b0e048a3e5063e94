"""Deepgram's dialect, between a session and messages that are written by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gapless.serve.deepgram.dialect import DeepgramDialect
from gapless.serve.deepgram.messages import DeepgramWarning
from gapless.serve.deepgram.query import Asked
from gapless.serve.stream import close
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import (
    EmptyMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    Limits,
    OtherText,
    PartialMessage,
    ProgressMessage,
    ReadyMessage,
    ServerMessage,
    SpeechEndMessage,
    SpeechStartMessage,
    StreamOptions,
    WordTime,
)
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import ConfigureJob, FlushJob, Heard, HearJob, Opened, OpenJob
from gapless.settings import Settings

RAW = StreamOptions(encoding="pcm_s16le", sample_rate=16_000)
SECOND = b"\1\0" * 16_000

FINALIZE = '{"type":"Finalize"}'
CLOSE = '{"type":"CloseStream"}'

READY = ReadyMessage(
    resume_token="t",
    model="commands-en",
    sample_rate=16_000,
    chunk_ms=40,
    limits=Limits(max_frame_bytes=1, max_buffer_ms=1, idle_timeout_ms=1),
)


class Talk:
    """A dialect and its session."""

    def __init__(self, asked: Asked) -> None:
        self.dialect = DeepgramDialect(asked, "r1", "2026-01-01T00:00:00.000Z")
        self.session = StreamSession("s0", "t0", Settings(), self.dialect.options, 0)
        self.session.done(self._job(OpenJob, Opened("commands-en", keeps=False)), 0)
        self.hear(READY)

    def hear(self, *messages: ServerMessage) -> list[dict[str, Any]]:
        return [msgspec.json.decode(frame) for each in messages for frame in self.dialect.say(each)]

    def send(self, *frames: Frame) -> list[dict[str, Any]]:
        return [
            msgspec.json.decode(answer)
            for frame in frames
            for answer in self.dialect.receive(frame, self.session, 0)
        ]

    def process(self, until_ms: int) -> None:
        """Have the session's audio heard."""
        while (job := self.session.next_job()) is not None:
            assert isinstance(job, HearJob)
            self.session.done(Heard((), until_ms, until_ms, waiting=False), 0)

    def _job(self, kind: type, result: Opened) -> Opened:
        assert isinstance(self.session.next_job(), kind)
        return result


@pytest.fixture
def talk() -> Callable[..., Talk]:
    return lambda **asked: Talk(Asked(asked.pop("options", RAW), **asked))


def partial(text: str, utt: str = "u1") -> PartialMessage:
    return PartialMessage(utt=utt, text=text, stable_chars=0, start_ms=500, end_ms=900)


def final(text: str, utt: str = "u1", end_ms: int = 1500) -> FinalMessage:
    return FinalMessage(
        utt=utt,
        text=text,
        start_ms=500,
        end_ms=end_ms,
        confidence=0.75,
        words=(
            WordTime(text.split(maxsplit=1)[0], 600, 800, 0.5),
            WordTime("Two.", 900, end_ms - 200),
        ),
    )


def end(reason: str = "stop") -> EndMessage:
    return msgspec.convert(
        {"type": "end", "reason": reason, "audio_ms": 2500, "transcript_id": None}, EndMessage
    )


def test_a_final_is_a_result_with_words_in_seconds(talk: Callable[..., Talk]) -> None:
    assert talk().hear(final("One, two.")) == [
        {
            "type": "Results",
            "channel_index": [0, 1],
            "start": 0.5,
            "duration": 1.0,
            "is_final": True,
            "speech_final": True,
            "from_finalize": False,
            "channel": {
                "alternatives": [
                    {
                        "transcript": "One, two.",
                        "confidence": 0.75,
                        "words": [
                            {
                                "word": "one",
                                "start": 0.6,
                                "end": 0.8,
                                "confidence": 0.5,
                                "punctuated_word": "One,",
                            },
                            {
                                "word": "two",
                                "start": 0.9,
                                "end": 1.3,
                                "confidence": 0.0,
                                "punctuated_word": "Two.",
                            },
                        ],
                    }
                ]
            },
            "metadata": {
                "request_id": "r1",
                "model_info": {"name": "commands-en", "version": "", "arch": "gapless"},
                "model_uuid": "0791a990-09a7-538b-a986-d58b0fb285ae",
            },
        }
    ]


def test_other_ways_to_understand_a_final_come_after_the_best(talk: Callable[..., Talk]) -> None:
    others = (OtherText("One two?", 0.5), OtherText("One"))
    message = msgspec.structs.replace(final("One, two."), alternatives=others)
    (result,) = talk().hear(message)

    assert [
        (each["transcript"], each["confidence"], len(each["words"]))
        for each in result["channel"]["alternatives"]
    ] == [("One, two.", 0.75, 2), ("One two?", 0.5, 0), ("One", 0.0, 0)]


def test_without_endpointing_pauses_are_not_told(talk: Callable[..., Talk]) -> None:
    (result,) = talk(pauses=False).hear(final("one two"))
    assert (result["is_final"], result["speech_final"]) == (True, False)


def test_interim_results_come_only_to_those_who_ask(talk: Callable[..., Talk]) -> None:
    assert talk().hear(partial("one")) == []
    (result,) = talk(interim=True).hear(partial("one"))
    assert (result["is_final"], result["speech_final"]) == (False, False)
    assert result["channel"]["alternatives"] == [
        {"transcript": "one", "confidence": 0.0, "words": []}
    ]
    assert (result["start"], result["duration"]) == (0.5, 0.4)


def test_an_interim_result_that_was_nothing_is_taken_back(talk: Callable[..., Talk]) -> None:
    one = talk(interim=True)
    assert one.hear(EmptyMessage(utt="u1")) == [], "nobody was shown anything"
    one.hear(SpeechStartMessage(utt="u2", at_ms=400), partial("one", "u2"))
    (result,) = one.hear(SpeechEndMessage(utt="u2", at_ms=900), EmptyMessage(utt="u2"))
    assert result["is_final"]
    assert result["channel"]["alternatives"][0]["transcript"] == ""
    assert (result["start"], result["duration"]) == (0.4, 0.5)
    assert one.hear(EmptyMessage(utt="u2")) == []


def test_voice_events_come_only_to_those_who_ask(talk: Callable[..., Talk]) -> None:
    started = SpeechStartMessage(utt="u1", at_ms=640)
    assert talk().hear(started) == []
    assert talk(vad_events=True).hear(started) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.64}
    ]


# --- Finalize -------------------------------------------------------------------------------------


def test_finalize_is_a_flush_and_its_last_words_say_so(talk: Callable[..., Talk]) -> None:
    one = talk()
    assert one.send(FINALIZE) == []
    assert isinstance(one.session.next_job(), FlushJob)

    assert one.hear(final("one two")) == [], "it may be the last"
    (first,) = one.hear(final("three four", "u2"))
    assert (first["channel"]["alternatives"][0]["transcript"], first["from_finalize"]) == (
        "one two",
        False,
    )
    (last,) = one.hear(FlushedMessage(id=""))
    assert last["channel"]["alternatives"][0]["transcript"] == "three four"
    assert (last["is_final"], last["speech_final"], last["from_finalize"]) == (True, False, True)


def test_a_finalize_without_words_is_answered_too(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(FINALIZE, FINALIZE)
    answers = one.hear(FlushedMessage(id=""), FlushedMessage(id=""))
    assert [each["from_finalize"] for each in answers] == [True, True]
    assert answers[0]["channel"]["alternatives"][0]["transcript"] == ""
    (later,) = one.hear(final("one two"))
    assert not later["from_finalize"]


def test_nothing_is_held_back_when_the_stream_ends_before_its_flush_was_answered(
    talk: Callable[..., Talk],
) -> None:
    one = talk()
    one.send(FINALIZE)
    one.hear(final("one two"))
    result, metadata = one.hear(end())
    assert result["channel"]["alternatives"][0]["transcript"] == "one two"
    assert metadata["type"] == "Metadata"


# --- the end of an utterance ----------------------------------------------------------------------


def test_an_utterance_ends_when_the_gap_after_its_last_word_was_heard(
    talk: Callable[..., Talk],
) -> None:
    one = talk(utterance_end_ms=1000)
    one.hear(final("one two"))  # its last word ends at 1300 ms

    one.send(SECOND * 2)
    one.process(2200)
    assert one.send(SECOND[:640]) == []
    one.process(2320)
    assert one.send(SECOND[:640]) == [
        {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.3}
    ]
    one.process(4000)
    assert one.send(SECOND[:640]) == [], "it is told once"


def test_whoever_speaks_on_has_not_ended(talk: Callable[..., Talk]) -> None:
    one = talk(utterance_end_ms=1000)
    progress = ProgressMessage(received_ms=9000, processed_ms=9000, lag_ms=0)
    one.hear(final("one two"), SpeechStartMessage(utt="u2", at_ms=2000))
    assert one.hear(progress) == []
    *_, ended = one.hear(final("three four", "u2", 3000), progress)
    assert ended["last_word_end"] == 2.8


def test_noise_after_the_last_word_does_not_hide_the_end(talk: Callable[..., Talk]) -> None:
    one = talk(utterance_end_ms=1000)
    progress = ProgressMessage(received_ms=9000, processed_ms=9000, lag_ms=0)
    one.hear(
        SpeechStartMessage(utt="u1", at_ms=500),
        SpeechEndMessage(utt="u1", at_ms=1500),
        SpeechStartMessage(utt="u2", at_ms=2000),  # before it is known what the first says
        final("one two"),
    )
    assert one.hear(progress) == []
    assert one.hear(EmptyMessage(utt="u2")) == []
    (ended,) = one.hear(progress)
    assert ended["last_word_end"] == 1.3


def test_without_being_asked_no_end_is_told(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.hear(final("one two"))
    assert one.hear(ProgressMessage(received_ms=9000, processed_ms=9000, lag_ms=0)) == []


# --- the end of the stream ------------------------------------------------------------------------


def test_the_end_is_metadata_with_the_hash_of_all_audio(talk: Callable[..., Talk]) -> None:
    warning = DeepgramWarning("diarize", "unsupported_parameter", "ignored")
    one = talk(warnings=(warning,))
    one.send(SECOND, SECOND[:100], CLOSE)
    assert one.session.deadline_ms is None, "the session is ending"

    (metadata,) = one.hear(end())

    identifier = metadata["models"][0]
    assert metadata == {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": "r1",
        "sha256": hashlib.sha256(SECOND + SECOND[:100]).hexdigest(),
        "created": "2026-01-01T00:00:00.000Z",
        "duration": 2.5,
        "channels": 1,
        "models": [identifier],
        "model_info": {identifier: {"name": "commands-en", "version": "", "arch": "gapless"}},
        "warnings": [
            {"parameter": "diarize", "type": "unsupported_parameter", "message": "ignored"}
        ],
    }
    assert one.dialect.farewell(close.DONE) == (1000, "")


def test_an_empty_frame_closes_the_stream_as_it_once_did(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(SECOND, b"")
    assert one.session.deadline_ms is None


def test_silence_of_the_client_is_net_0001(talk: Callable[..., Talk]) -> None:
    one = talk()
    error = ErrorMessage(code="idle_timeout", message="nothing came; send keepalive")
    assert one.hear(error, end("idle_timeout")) == []
    assert one.dialect.farewell(close.DONE) == (1011, "NET-0001")


def test_audio_that_cannot_be_decoded_is_data_0000(talk: Callable[..., Talk]) -> None:
    assert talk().dialect.farewell(close.BAD_FORMAT) == (1008, "DATA-0000")
    assert talk().dialect.farewell(close.RESTART) == (1012, "")


# --- what else a client may say -------------------------------------------------------------------


def test_keepalive_keeps_the_stream_and_is_not_answered(talk: Callable[..., Talk]) -> None:
    one = talk()
    assert one.dialect.receive('{"type":"KeepAlive"}', one.session, 7000) == ()
    assert one.session.deadline_ms == 7000 + Settings().idle_timeout_ms


def test_other_terms_take_effect_from_here_on(talk: Callable[..., Talk]) -> None:
    one = talk()
    assert one.send('{"type":"Configure","keyterms":["Gapless"]}') == [
        {"type": "ConfigureSuccess", "request_id": "r1", "keyterms": ["Gapless"]}
    ]
    job = one.session.next_job()
    assert isinstance(job, ConfigureJob)
    assert job.change.hotwords == ("Gapless",)


def test_features_that_cannot_be_had_are_refused(talk: Callable[..., Talk]) -> None:
    one = talk()
    (answer,) = one.send('{"type":"Configure","features":{"numerals":true,"dictation":false}}')
    assert answer["type"] == "ConfigureFailure"
    assert "numerals" in answer["description"]
    assert "dictation" not in answer["description"]
    assert one.send('{"type":"Configure","features":{"numerals":false}}') == [
        {"type": "ConfigureSuccess", "request_id": "r1"}
    ]


@pytest.mark.parametrize(
    "frame", ["", "hello", "[]", "{}", '{"type":"Sing"}', '{"type":"Configure","keyterms":[1]}']
)
def test_a_message_that_makes_no_sense_is_an_error_and_the_stream_goes_on(
    frame: str, talk: Callable[..., Talk]
) -> None:
    one = talk()
    (answer,) = one.send(frame)
    assert (answer["type"], answer["variant"], answer["message"]) == ("Error", "SchemaError", frame)
    assert one.send(SECOND) == []
    assert one.session.audio_ms == 1000


def test_an_utterance_that_fails_is_an_error_and_its_interim_text_is_taken_back(
    talk: Callable[..., Talk],
) -> None:
    one = talk(interim=True)
    one.hear(partial("one"))
    result, error = one.hear(ErrorMessage(code="model_error", message="it broke; wait", utt="u1"))
    assert result["channel"]["alternatives"][0]["transcript"] == ""
    assert error == {
        "type": "Error",
        "variant": "model_error",
        "description": "it broke; wait",
        "code": "model_error",
        "message": "",
    }


def test_opus_in_an_ogg_file_is_known_by_its_first_bytes(talk: Callable[..., Talk]) -> None:
    packets = talk(options=StreamOptions(encoding="opus"))
    packets.send(b"\x78packet")
    assert isinstance(packets.session.next_job(), HearJob)

    file = talk(options=StreamOptions(encoding="opus"))
    file.send(b"OggS....")
    job = file.session.next_job()
    assert isinstance(job, OpenJob)
    assert job.options.encoding == "auto"
