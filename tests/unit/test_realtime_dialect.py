"""The Realtime dialect over a real session, and where order matters over messages written by hand."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.errors import ModelError, OverloadError
from gapless.serve.realtime.config import LOGPROBS, Config, SessionTerms, updated
from gapless.serve.realtime.dialect import MAX_AWAITED, RealtimeDialect
from gapless.serve.stream.dialect import Frame
from gapless.serve.stream.messages import (
    EmptyMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    PartialMessage,
    ProgressMessage,
    ReadyMessage,
    ServerMessage,
    SpeechEndMessage,
    SpeechStartMessage,
    StreamOptions,
    WarningMessage,
    WordTime,
)
from gapless.serve.stream.messages import Limits as StreamLimits
from gapless.serve.stream.session import StreamSession
from gapless.settings import Settings
from gapless.testing.recogniser import Failure, ScriptedRecogniser
from gapless.testing.services import ScriptedServices
from gapless.testing.talk import Talk

ENDS_MS = 3_600_000
TERMS = SessionTerms("sess_1", 1_800_000_000, ENDS_MS, 64 * 1024)
TRANSCRIPTION = "conversation.item.input_audio_transcription"
MANUAL: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}
SPOKEN = "one two three four five one two three"
READY = ReadyMessage(
    resume_token="", model="sphinx", sample_rate=24_000, chunk_ms=40, limits=StreamLimits(0, 0, 0)
)


def event(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def update(session: dict[str, Any], **fields: Any) -> str:
    return event("session.update", session={"type": "transcription", **session}, **fields)


def append(audio: bytes) -> str:
    return event("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


COMMIT = event("input_audio_buffer.commit")
CLEAR = event("input_audio_buffer.clear")


def read(frames: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame) for frame in frames]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Types without what all have in common; deltas left out."""
    short = [
        event["type"]
        .removeprefix(f"{TRANSCRIPTION}.")
        .removeprefix("input_audio_buffer.")
        .removeprefix("conversation.item.")
        for event in events
    ]
    return [kind for kind in short if kind != "delta"]


def deltas(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"].endswith("delta"))


# --- over a real session --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recogniser() -> ScriptedRecogniser:
    return ScriptedRecogniser()


@pytest.fixture(scope="module")
def services(recogniser: ScriptedRecogniser) -> Iterator[ScriptedServices]:
    with ScriptedServices(recogniser=recogniser) as services:
        yield services


@pytest.fixture
def talk(services: ScriptedServices) -> Iterator[Talk]:
    talk = Talk(services, RealtimeDialect(TERMS, Config()))
    talk.greet()
    yield talk
    talk.close()


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> list[str]:
    """A sentence and silence as appends of 100 ms, 24 kHz."""
    heard = np.concatenate([load_speech("sentence.flac"), np.zeros(24_000, np.float32)])
    at = np.arange(0, len(heard), 2 / 3)
    audio = (np.interp(at, np.arange(len(heard)), heard) * 32_767).astype("<i2").tobytes()
    return [append(audio[start : start + 4800]) for start in range(0, len(audio), 4800)]


def say(talk: Talk, frames: list[str]) -> list[dict[str, Any]]:
    return read([answer for frame in frames for answer in talk.send(frame)])


def test_a_turn_by_voice(talk: Talk, speech: list[str]) -> None:
    events = say(talk, speech)

    assert kinds(events) == [
        "speech_started",
        "speech_stopped",
        "committed",
        "added",
        "done",
        "completed",
    ]
    assert deltas(events) == events[-1]["transcript"] == SPOKEN
    assert "logprobs" not in events[-1]


def test_a_turn_by_the_client_takes_all_that_it_sent_and_its_text_comes_before_it_ends(
    talk: Talk, speech: list[str]
) -> None:
    before = say(talk, [update(MANUAL), *speech])
    after = say(talk, [COMMIT])

    assert kinds(before) == ["session.updated"]
    assert kinds(after) == ["committed", "added", "done", "completed"]
    assert deltas(before) + deltas(after) == after[-1]["transcript"] == SPOKEN
    assert deltas(before)


def test_silence_that_is_committed_is_an_item_without_words(talk: Talk) -> None:
    quiet = append(bytes(4800))

    assert kinds(say(talk, [quiet, COMMIT])) == ["committed", "added", "done", "completed"]
    events = say(talk, [update(MANUAL), quiet, COMMIT])
    assert kinds(events) == ["session.updated", "committed", "added", "done", "completed"]
    assert events[-1]["transcript"] == ""
    assert events[-1]["usage"] == {"type": "duration", "seconds": 0.1}


def test_a_commit_while_somebody_speaks_ends_the_turn(talk: Talk, speech: list[str]) -> None:
    events = say(talk, [*speech[:15], COMMIT])

    assert kinds(events) == [
        "speech_started",
        "speech_stopped",
        "committed",
        "added",
        "done",
        "completed",
    ]


def test_what_is_cleared_is_not_heard_of_again(talk: Talk, speech: list[str]) -> None:
    assert kinds(say(talk, [*speech[:15], CLEAR])) == ["speech_started", "cleared"]
    assert kinds(say(talk, [COMMIT])) == ["error"]

    say(talk, [update(MANUAL), *speech[:15], CLEAR])
    events = say(talk, [*speech, COMMIT])
    assert events[-1]["transcript"] == SPOKEN
    assert events[-1]["usage"]["seconds"] == pytest.approx(len(speech) / 10, abs=0.1)


def test_what_was_committed_before_it_was_cleared_is_still_understood(
    talk: Talk, speech: list[str]
) -> None:
    say(talk, speech[:15])
    talk.tell(COMMIT, CLEAR)

    assert kinds(read(talk.settle())) == [
        "speech_stopped",
        "committed",
        "added",
        "done",
        "completed",
        "cleared",
    ]


def test_a_turn_longer_than_an_utterance_may_be_is_one_item(services: ScriptedServices) -> None:
    """A recogniser hears 30 s at a time; a client that says where turns end knows nothing of that."""
    talk = Talk(services, RealtimeDialect(TERMS, updated(Config(), MANUAL)))
    talk.greet()
    loud = (np.sin(np.arange(8000 * 31) / 3) * 8000).astype("<i2").tobytes()
    talk.send(update({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}))
    events = say(talk, [append(loud[at : at + 32_000]) for at in range(0, len(loud), 32_000)])
    events += say(talk, [COMMIT])
    talk.close()

    assert kinds(events) == ["committed", "added", "done", "completed"]
    words = events[-1]["transcript"].split()
    assert len(words) == pytest.approx(31 * 4, abs=1)
    assert deltas(events) == events[-1]["transcript"]


@pytest.mark.long
def test_another_format_makes_the_rest_final_and_times_go_on(talk: Talk, speech: list[str]) -> None:
    first = say(talk, speech[:15])
    change = say(talk, [update({"audio": {"input": {"format": {"type": "audio/pcmu"}}}})])
    mulaw = [append(b"\xff" * 800) for _ in range(5)]
    say(talk, mulaw)
    again = say(talk, [update({"audio": {"input": {"format": {"type": "audio/pcm"}}}}), *speech])

    assert kinds(first) == ["speech_started"]
    assert kinds(change) == [
        "speech_stopped",
        "committed",
        "added",
        "done",
        "completed",
        "session.updated",
    ]
    assert change[-1]["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert kinds(again)[:2] == ["session.updated", "speech_started"]
    started = next(one for one in again if one["type"].endswith("speech_started"))
    assert started["audio_start_ms"] - first[0]["audio_start_ms"] == pytest.approx(2000, abs=2)
    assert again[-1]["transcript"] == SPOKEN


def test_an_update_that_changes_nothing_is_answered_and_disturbs_nobody(
    talk: Talk, speech: list[str]
) -> None:
    events = say(talk, [*speech[:15], update({"audio": {"input": {"format": {"rate": 24_000}}}})])

    assert kinds(events) == ["speech_started", "session.updated"]
    assert say(talk, speech[15:])[-1]["transcript"] == SPOKEN


def test_an_update_that_the_stream_cannot_follow_is_refused_and_all_is_as_it_was(
    talk: Talk, speech: list[str]
) -> None:
    language = {"audio": {"input": {"transcription": {"language": "zz"}}}}
    refused = say(talk, [update(language, event_id="mine")])
    known = say(talk, [update({})])

    assert kinds(refused) == ["error"]
    assert refused[0]["error"]["event_id"] == "mine"
    assert refused[0]["error"]["param"] == "language"
    assert known[0]["session"]["audio"]["input"]["transcription"]["language"] is None
    assert say(talk, speech)[-1]["transcript"] == SPOKEN


@pytest.mark.long
def test_a_language_is_forgotten_by_opening_the_stream_anew(
    talk: Talk, speech: list[str], recogniser: ScriptedRecogniser
) -> None:
    for language in ("en", None):
        change = {"audio": {"input": {"transcription": {"language": language}}}}
        assert kinds(say(talk, [update(change)])) == ["session.updated"]
        say(talk, speech)
        assert recogniser.opened[-1].language == language


def test_what_was_not_committed_is_when_the_voice_is_to_decide(
    talk: Talk, speech: list[str]
) -> None:
    vad = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    say(talk, [update(MANUAL), *speech])
    events = say(talk, [update(vad)])

    assert kinds(events) == ["committed", "added", "done", "completed", "session.updated"]
    assert events[-2]["transcript"] == SPOKEN
    assert kinds(say(talk, speech))[0] == "speech_started"


@pytest.mark.long
def test_an_utterance_that_cannot_be_understood_fails_alone(
    talk: Talk, speech: list[str], recogniser: ScriptedRecogniser
) -> None:
    for at in ("accept", "finish"):
        recogniser.failure = Failure(at, ModelError("broken; repair it"))
        try:
            events = say(talk, speech)
        finally:
            recogniser.failure = None
        assert kinds(events)[-4:] == ["committed", "added", "done", "failed"]
        assert events[-1]["error"]["type"] == "server_error"
        assert events[-1]["error"]["code"] == "model_error"
    assert say(talk, speech)[-1]["transcript"] == SPOKEN


def test_log_probabilities_are_those_of_the_words(talk: Talk, speech: list[str]) -> None:
    completed = say(talk, [update({"include": [LOGPROBS]}), *speech])[-1]

    assert "".join(entry["token"] for entry in completed["logprobs"]) == SPOKEN
    assert all(bytes(entry["bytes"]).decode() == entry["token"] for entry in completed["logprobs"])


def test_a_session_ends_when_its_time_is_over_and_says_what_it_heard(
    talk: Talk, speech: list[str]
) -> None:
    say(talk, speech[:15])
    talk.clock.advance(ENDS_MS)
    events = say(talk, [speech[15], speech[16]])

    assert kinds(events)[0] == "error"
    assert events[0]["error"]["code"] == "session_expired"
    assert kinds(events).count("error") == 1
    assert kinds(events)[-1] == "completed"
    assert talk.session.close_code == 1000


def test_a_server_that_stops_answers_what_it_heard_and_refuses_nothing(
    talk: Talk, speech: list[str]
) -> None:
    """LiveKit gives up at an ``error``; after close code 1012 it would connect again."""
    say(talk, speech[:15])
    talk.session.shut_down()
    events = say(talk, [speech[15], "{", COMMIT])

    assert kinds(events) == ["speech_stopped", "committed", "added", "done", "completed"]
    assert talk.session.close_code == 1012


# --- events that make no sense --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        (b"\0\0", "invalid_request", None),
        ("", "invalid_request", None),
        ("[]", "invalid_request", None),
        ("{}", "invalid_request", "type"),
        ('{"type":"hello"}', "invalid_request", "type"),
        ('{"type":"response.create"}', "invalid_request", "type"),
        ('{"type":"conversation.item.create"}', "invalid_request", "type"),
        ('{"type":"session.update"}', "invalid_request", "session"),
        ('{"type":"session.update","session":1}', "invalid_request", "session"),
        ('{"type":"input_audio_buffer.append"}', "invalid_request", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"?"}', "invalid_request", "audio"),
        ("[" * 10_000, "invalid_request", None),
        (append(bytes(60_000)), "too_large", None),
        (COMMIT, "input_audio_buffer_commit_empty", None),
    ],
)
def test_what_makes_no_sense_is_an_error_and_forgotten(
    talk: Talk, frame: Frame, code: str, param: str | None
) -> None:
    (refusal,) = read(talk.send(frame))

    assert refusal["type"] == "error"
    assert (refusal["error"]["code"], refusal["error"]["param"]) == (code, param)
    assert refusal["error"]["type"] == "invalid_request_error"
    assert talk.session.close_code is None


def test_an_error_names_the_event_even_if_that_cannot_be_read(talk: Talk) -> None:
    (refusal,) = read(talk.send('{"type":"response.create","event_id":"e7"}'))
    assert refusal["error"]["event_id"] == "e7"


@pytest.mark.long
def test_more_commits_than_can_wait_are_refused(talk: Talk) -> None:
    for _ in range(MAX_AWAITED):
        talk.tell(append(b"\0\0"), COMMIT)
    talk.tell(append(b"\0\0"), COMMIT)
    events = read(talk.settle())

    refusals = [one for one in events if one["type"] == "error"]
    assert [one["error"]["code"] for one in refusals] == [OverloadError.code]
    assert kinds(events).count("completed") == MAX_AWAITED


# --- order, over messages written by hand ---------------------------------------------------------


class ByHand:
    """A dialect, and a session that hears nothing."""

    def __init__(self, *, beta: bool = False, session: dict[str, Any] | None = None) -> None:
        config = updated(Config(), session or {})
        self.dialect = RealtimeDialect(TERMS, config, beta=beta)
        self._session = StreamSession("s", "t", Settings(), StreamOptions(), 0)
        self.hear(READY)

    def send(self, *frames: Frame) -> list[dict[str, Any]]:
        return read([f for frame in frames for f in self.dialect.receive(frame, self._session, 0)])

    def hear(self, *messages: ServerMessage) -> list[dict[str, Any]]:
        return read([frame for message in messages for frame in self.dialect.say(message)])


def start(utt: str, at_ms: int) -> SpeechStartMessage:
    return SpeechStartMessage(utt=utt, at_ms=at_ms)


def end(utt: str, at_ms: int) -> SpeechEndMessage:
    return SpeechEndMessage(utt=utt, at_ms=at_ms)


def partial(utt: str, text: str, stable_chars: int) -> PartialMessage:
    return PartialMessage(utt=utt, text=text, stable_chars=stable_chars, start_ms=0, end_ms=0)


def final(utt: str, text: str, **more: Any) -> FinalMessage:
    return FinalMessage(utt=utt, text=text, start_ms=0, end_ms=500, **more)


def test_deltas_are_what_will_not_change_and_the_last_text_is_right_all_the_same() -> None:
    hand = ByHand()
    hand.hear(start("u1", 0))

    assert hand.hear(partial("u1", "recognise", 0)) == []
    assert deltas(hand.hear(partial("u1", "wreck a nice", 6))) == "wreck "
    assert hand.hear(partial("u1", "wreck a", 6)) == []
    assert deltas(hand.hear(partial("u1", "wreck a nice beach", 12))) == "a nice"
    hand.hear(end("u1", 500))
    (completed,) = hand.hear(final("u1", "recognise speech"))
    assert completed["transcript"] == "recognise speech"


def test_items_may_be_completed_while_others_are_spoken() -> None:
    hand = ByHand()
    events = hand.hear(
        start("u1", 0),
        end("u1", 500),
        start("u2", 900),
        final("u1", "one"),
        partial("u2", "two", 3),
        end("u2", 1400),
        EmptyMessage(utt="u2"),
    )

    completed = [one for one in events if one["type"].endswith("completed")]
    committed = [one for one in events if one["type"].endswith("committed")]
    assert [one["transcript"] for one in completed] == ["one", ""]
    assert [one["item_id"] for one in completed] == [one["item_id"] for one in committed]
    assert [one["previous_item_id"] for one in committed] == [None, committed[0]["item_id"]]


def test_speech_behind_a_commit_may_be_told_before_what_is_before_it_is_understood() -> None:
    """The detector is faster than the recogniser: where an utterance begins says which item it is of."""
    hand = ByHand(session=MANUAL)
    second = append(bytes(48_000))
    first_item = hand.send(second, COMMIT)[0]["item_id"]
    second_item = hand.send(second, COMMIT)[0]["item_id"]

    events = hand.hear(
        start("u1", 0),
        end("u1", 1000),
        start("u2", 1000),
        end("u2", 2000),
        final("u1", "one"),
        FlushedMessage(id=""),
        final("u2", "two"),
        FlushedMessage(id=""),
    )

    completed = [one for one in events if one["type"].endswith("completed")]
    assert [(one["item_id"], one["transcript"]) for one in completed] == [
        (first_item, "one"),
        (second_item, "two"),
    ]


def test_turns_are_by_voice_or_not_from_where_the_update_was_even_while_it_waits() -> None:
    hand = ByHand()
    second = append(bytes(48_000))
    hand.send(second, update(MANUAL), second)

    events = hand.hear(start("u1", 200), end("u1", 1000), start("u2", 1000), end("u2", 1500))

    assert kinds(events) == ["speech_started", "speech_stopped", "committed", "added", "done"]
    assert kinds(hand.hear(final("u1", "one"), FlushedMessage(id=""))) == [
        "completed",
        "session.updated",
    ]
    assert kinds(hand.send(COMMIT)) == ["committed", "added", "done"]
    events = hand.hear(final("u2", "two"), FlushedMessage(id=""))
    assert events[-1]["transcript"] == "two"


def test_long_silence_is_told_where_the_client_wants_to_know() -> None:
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}
    hand = ByHand(session={"audio": {"input": {"turn_detection": vad}}})

    def heard(ms: int) -> list[dict[str, Any]]:
        return hand.hear(ProgressMessage(received_ms=ms, processed_ms=ms, lag_ms=0))

    assert heard(4000) == []
    hand.hear(start("u1", 4500))
    assert heard(9900) == []
    hand.hear(end("u1", 10_000), final("u1", "one"))
    assert heard(14_000) == []
    events = heard(15_500)
    assert kinds(events) == ["timeout_triggered", "committed", "added", "done", "completed"]
    assert (events[0]["audio_start_ms"], events[0]["audio_end_ms"]) == (10_000, 15_500)
    assert events[-1]["transcript"] == ""
    assert heard(16_000) == []


def test_nothing_but_a_refusal_is_an_error() -> None:
    hand = ByHand()
    warning = WarningMessage(code="not_saved", message="nothing is kept; start with save")
    kept = WarningMessage(code="not_saved", message="full; make room", utt="u1")

    assert hand.hear(warning) == []
    hand.hear(start("u1", 0), end("u1", 10))
    assert kinds(hand.hear(kept, final("u1", "one"))) == ["completed"]
    lost = ErrorMessage(code="overloaded", message="too much; come back", retryable=True)
    (refusal,) = hand.hear(lost)
    assert refusal["error"]["type"] == "server_error"


def test_the_beta_calls_items_created() -> None:
    hand = ByHand(beta=True)
    events = hand.hear(start("u1", 0), end("u1", 500), final("u1", "one"))
    assert kinds(events) == [
        "speech_started",
        "speech_stopped",
        "committed",
        "created",
        "completed",
    ]

    late = ByHand()
    change = event("transcription_session.update", session={"turn_detection": None})
    assert late.send(change) == []
    (updated_event,) = late.hear(FlushedMessage(id=""))
    assert updated_event["type"] == "transcription_session.updated"
    assert updated_event["session"]["turn_detection"] is None


def test_who_said_it_is_told_where_a_model_knows() -> None:
    hand = ByHand()
    hand.hear(start("u1", 0), end("u1", 500))
    segment, completed = hand.hear(final("u1", "one", speaker="A"))[-2:]

    assert (segment["speaker"], segment["text"]) == ("A", "one")
    assert (segment["start"], segment["end"]) == (0, 0.5)
    assert segment["item_id"] == completed["item_id"]


def test_log_probabilities_are_none_where_a_word_has_no_confidence() -> None:
    hand = ByHand(session={"include": [LOGPROBS]})
    words = (WordTime("one", 0, 100, 0.5), WordTime("two", 100, 200, None))
    hand.hear(start("u1", 0), end("u1", 500))
    assert hand.hear(final("u1", "one two", words=words))[-1]["logprobs"] == []
