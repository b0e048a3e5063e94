"""The session protocol, with the answers of the hearing written by hand."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import pytest

from gapless.errors import (
    GaplessError,
    InvalidAudioError,
    MissingDependencyError,
    ModelError,
    ModelNotFoundError,
    NotFoundError,
    OverloadError,
    StoreError,
)
from gapless.listen.events import Failed, Final, Flushed, ListenEvent, Partial
from gapless.serve.stream.messages import (
    ClearMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    PartialMessage,
    ProgressMessage,
    ReadyMessage,
    ResumeMessage,
    ServerMessage,
    StreamOptions,
    WarningMessage,
)
from gapless.serve.stream.policy import Policy
from gapless.serve.stream.session import StreamSession
from gapless.serve.stream.work import (
    ClearJob,
    ConfigureJob,
    EndJob,
    Finished,
    FinishJob,
    FlushJob,
    Heard,
    HearJob,
    NotKept,
    Opened,
    OpenJob,
)
from gapless.settings import Settings
from gapless.transcript import Utterance

SECOND = b"\0\0" * 16_000
Kind = TypeVar("Kind")


def make_session(
    settings: Settings | None = None, options: StreamOptions | None = None
) -> StreamSession:
    return StreamSession("s1", "secret", settings or Settings(), options or StreamOptions(), 0)


def open_session(
    settings: Settings | None = None, options: StreamOptions | None = None
) -> StreamSession:
    """A session whose ``ready`` has been read."""
    session = make_session(settings, options)
    assert isinstance(session.next_job(), OpenJob)
    session.done(Opened("scripted", keeps=True), 0)
    assert isinstance(session.next_message(), ReadyMessage)
    return session


def heard(
    *events: ListenEvent | NotKept,
    received_ms: int = 0,
    processed_ms: int | None = None,
    waiting: bool = False,
    error: GaplessError | None = None,
) -> Heard:
    processed_ms = received_ms if processed_ms is None else processed_ms
    return Heard(events, received_ms, processed_ms, waiting, error)


def everything(session: StreamSession) -> list[ServerMessage]:
    found = []
    while (message := session.next_message()) is not None:
        found.append(message)
    return found


def messages(session: StreamSession) -> list[ServerMessage]:
    """What is there to be sent, but for progress."""
    return [message for message in everything(session) if not isinstance(message, ProgressMessage)]


def progress(session: StreamSession) -> list[ProgressMessage]:
    return [message for message in everything(session) if isinstance(message, ProgressMessage)]


def only(kind: type[Kind], found: list[ServerMessage]) -> Kind:
    (message,) = found
    assert isinstance(message, kind)
    return message


def hear_all(session: StreamSession) -> int:
    """Do all jobs without hearing anything in them; return the milliseconds of audio they held."""
    heard_ms = 0
    while (job := session.next_job()) is not None:
        if isinstance(job, FinishJob):
            session.done(Finished(heard_ms, None), 0)
            break
        if isinstance(job, HearJob):
            heard_ms += sum(map(len, job.frames)) // 32
        session.done(heard(received_ms=heard_ms), 0)
    return heard_ms


def final(utt: str = "u1", text: str = "hello") -> Final:
    return Final(Utterance(utt, text, 0, 900))


def partial(text: str, utt: str = "u1") -> Partial:
    return Partial(utt, text, 0, 0, 900)


def resume(next_sample: int, last_seq: int | None = None) -> ResumeMessage:
    return ResumeMessage("s1", "secret", next_sample, last_seq)


# --- opening --------------------------------------------------------------------------------------


def test_a_stream_is_ready_when_it_is_open_and_says_its_limits() -> None:
    session = make_session(Settings(max_frame_bytes=2048), StreamOptions(sample_rate=8000))

    assert messages(session) == []
    assert session.next_job() == OpenJob(StreamOptions(sample_rate=8000))
    session.done(Opened("scripted", keeps=True), 0)

    ready = only(ReadyMessage, messages(session))
    assert (ready.seq, ready.session, ready.resume_token) == (1, "s1", "secret")
    assert (ready.model, ready.sample_rate, ready.next_sample) == ("scripted", 8000, 0)
    assert ready.limits.max_frame_bytes == 2048


def test_ready_comes_before_anything_is_said_of_audio_that_came_early() -> None:
    session = make_session()
    session.receive_bytes(SECOND * 3, 5000)
    session.next_job()

    session.done(Opened("scripted", keeps=True), 6000)
    hear_all(session)

    assert isinstance(everything(session)[0], ReadyMessage)


def test_start_adds_to_the_options_of_the_query_and_is_answered_by_another_ready() -> None:
    session = open_session(options=StreamOptions(language="en", sample_rate=8000))

    session.receive_text('{"type":"start","sample_rate":48000,"encoding":"pcm_f32le"}', 0)

    job = session.next_job()
    assert isinstance(job, OpenJob)
    assert (job.options.language, job.options.sample_rate) == ("en", 48_000)
    session.done(Opened("scripted", keeps=True), 0)
    assert only(ReadyMessage, messages(session)).sample_rate == 48_000


def test_start_after_audio_is_refused_and_the_stream_goes_on() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)

    session.receive_text('{"type":"start","sample_rate":8000}', 0)

    assert only(ErrorMessage, messages(session)[-1:]).code == "invalid_request"
    assert hear_all(session) == 1000
    assert session.close_code is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelNotFoundError("no such model; leave it out"), 1008),
        (MissingDependencyError("not installed; install it"), 1008),
        (OverloadError("too much; come back"), 1013),
        (ModelError("broken; repair it"), 1011),
    ],
)
def test_a_stream_that_cannot_be_opened_says_why_and_closes(error: GaplessError, code: int) -> None:
    session = make_session()
    session.next_job()

    session.failed(error)

    assert only(ErrorMessage, messages(session)).code == error.code
    assert (session.close_code, session.finished) == (code, True)
    assert session.next_job() is None


def test_who_asks_to_be_kept_where_nothing_is_kept_is_warned() -> None:
    session = make_session(options=StreamOptions(save=True))
    session.next_job()

    session.done(Opened("scripted", keeps=False), 0)

    warning = messages(session)[1]
    assert isinstance(warning, WarningMessage)
    assert warning.code == "not_saved"


# --- what a client says wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ("{", None),
        ("[]", None),
        ("7", None),
        ("", None),
        ('{"id":"x"}', "type"),
        ('{"type":"shout"}', "type"),
        ('{"type":"flush","id":7}', "id"),
        ('{"type":"configure","volume":11}', "volume"),
        ('{"type":"configure","sample_rate":8000}', "sample_rate"),
        ('{"type":"configure","denoise":2}', "denoise"),
        ('{"type":"configure","hotwords":[""]}', "hotwords"),
        ('{"type":"start","encoding":"mp5"}', "encoding"),
        ('{"type":"resume","session":"s"}', "token"),
    ],
)
def test_a_message_that_makes_no_sense_is_refused_by_name_and_the_stream_goes_on(
    frame: str, param: str | None
) -> None:
    session = open_session()

    session.receive_text(frame, 0)

    error = only(ErrorMessage, messages(session))
    assert (error.code, error.param) == ("invalid_request", param)
    assert (session.close_code, session.next_job()) == (None, None)


def test_a_frame_over_the_limit_closes_with_1009_and_what_came_before_is_still_heard() -> None:
    session = open_session(Settings(max_frame_bytes=32_000))
    session.receive_bytes(SECOND, 0)

    session.receive_bytes(SECOND + b"\0", 0)

    assert only(ErrorMessage, messages(session)[-1:]).code == "too_large"
    assert session.close_code == 1009
    assert hear_all(session) == 1000
    assert session.finished


def test_what_follows_stop_is_refused() -> None:
    session = open_session()
    session.receive_text('{"type":"stop"}', 0)

    session.receive_bytes(SECOND, 0)
    session.receive_text('{"type":"flush"}', 0)

    assert [type(message) for message in messages(session)] == [ErrorMessage, ErrorMessage]
    assert hear_all(session) == 0


# --- audio and bounds -----------------------------------------------------------------------------


def test_audio_is_handed_on_in_order_in_jobs_of_bounded_length() -> None:
    session = open_session()
    sent = bytes(range(256)) * 1000
    for start in range(0, len(sent), 999):
        session.receive_bytes(sent[start : start + 999], 0)
    session.receive_bytes(sent, 0)

    got: list[bytes] = []
    while isinstance(job := session.next_job(), HearJob):
        assert sum(map(len, job.frames)) <= 3200
        got += job.frames
        session.done(heard(), 0)

    assert b"".join(got) == sent + sent


def test_an_opus_packet_is_never_cut_or_glued() -> None:
    session = open_session(options=StreamOptions(encoding="opus"))
    packets = [bytes([n]) * (50 + n) for n in range(12)]
    for packet in packets:
        session.receive_bytes(packet, 0)

    got: list[bytes] = []
    while isinstance(job := session.next_job(), HearJob):
        got += job.frames
        session.done(heard(), 0)

    assert got == packets


def test_jobs_are_done_one_at_a_time_and_in_the_order_they_were_asked_for() -> None:
    session = open_session()
    session.receive_bytes(b"\0" * 3200, 0)
    session.receive_text('{"type":"flush","id":"a"}', 0)
    session.receive_text('{"type":"configure","words":false}', 0)
    session.receive_bytes(b"\0" * 3200, 0)
    session.receive_text('{"type":"stop"}', 0)

    kinds = []
    while (job := session.next_job()) is not None:
        kinds.append(type(job))
        assert session.next_job() is None
        session.done(Finished(200, None) if isinstance(job, FinishJob) else heard(), 0)

    assert kinds == [HearJob, FlushJob, ConfigureJob, HearJob, EndJob, FinishJob]


def test_reading_pauses_while_too_much_audio_waits_and_goes_on_when_it_was_heard() -> None:
    session = open_session(Settings(pause_buffer_ms=1000, max_buffer_ms=5000))

    reading = []
    for _ in range(2):
        session.receive_bytes(SECOND, 0)
        reading.append(session.reading)
    hear_all(session)
    reading.append(session.reading)

    assert reading == [True, False, True]


def test_audio_that_waits_for_a_place_at_the_recogniser_counts_as_waiting() -> None:
    session = open_session(Settings(pause_buffer_ms=1000, max_buffer_ms=5000))
    session.receive_bytes(SECOND, 0)
    session.receive_bytes(SECOND, 0)
    while session.next_job() is not None:
        session.done(heard(received_ms=2000, processed_ms=500, waiting=True), 0)

    reading = [session.reading]
    session.done(heard(received_ms=2000, processed_ms=2000), 0)
    reading.append(session.reading)

    assert reading == [False, True]


def test_far_too_much_waiting_audio_closes_with_1013_and_all_of_it_is_still_heard() -> None:
    session = open_session(Settings(pause_buffer_ms=1000, max_buffer_ms=2000))

    session.receive_bytes(SECOND * 3, 0)

    error = messages(session)[-1]
    assert isinstance(error, ErrorMessage)
    assert (error.code, error.retryable, session.close_code) == ("overloaded", True, 1013)
    assert hear_all(session) == 3000


def test_many_small_messages_pause_reading_too() -> None:
    session = open_session()

    for _ in range(10_000):
        session.receive_text('{"type":"flush"}', 0)

    assert not session.reading


def test_audio_that_cannot_be_decoded_closes_with_1003() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.done(heard(final(), error=InvalidAudioError("no audio; send some")), 0)

    said = messages(session)
    assert [type(message) for message in said] == [FinalMessage, ErrorMessage]
    assert session.close_code == 1003
    hear_all(session)
    assert messages(session) == []


# --- what is told ---------------------------------------------------------------------------------


def test_finals_carry_words_and_times_and_flushes_are_answered_in_their_place() -> None:
    session = open_session()
    session.receive_text('{"type":"flush","id":"mark"}', 0)
    session.next_job()

    session.done(heard(final(), Flushed("mark")), 0)

    first, second = messages(session)
    assert isinstance(first, FinalMessage)
    assert (first.utt, first.text, first.end_ms) == ("u1", "hello", 900)
    assert isinstance(second, FlushedMessage)
    assert second.id == "mark"


def test_an_utterance_that_failed_is_named_and_the_stream_goes_on() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.done(heard(Failed("u1", ModelError("it broke; try again"))), 0)

    error = only(ErrorMessage, messages(session))
    assert (error.utt, error.code, session.close_code) == ("u1", "model_error", None)


def test_a_final_that_is_not_kept_is_told_after_the_warning_that_says_so() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.done(heard(NotKept("u1", StoreError("disk full; make room")), final()), 0)

    warning, told = messages(session)
    assert isinstance(warning, WarningMessage)
    assert (warning.utt, warning.code) == ("u1", "not_saved")
    assert warning.message == "disk full; make room"
    assert isinstance(told, FinalMessage)


def test_a_configure_that_cannot_be_met_is_refused_and_the_stream_goes_on() -> None:
    session = open_session()
    session.receive_text('{"type":"configure","denoise":"on"}', 0)
    session.next_job()

    session.done(heard(error=MissingDependencyError("no RNNoise; install it")), 0)

    assert only(ErrorMessage, messages(session)).code == "missing_dependency"
    assert session.close_code is None


def test_progress_comes_at_most_once_a_second_and_only_while_audio_comes() -> None:
    session = open_session()
    told = []
    for now_ms in range(0, 5000, 20):
        session.receive_bytes(b"\0" * 640, now_ms)
        while session.next_job() is not None:
            session.done(heard(received_ms=now_ms + 20), now_ms)
        told += [(now_ms, message) for message in progress(session)]
    assert [now_ms for now_ms, _ in told] == [1000, 2000, 3000, 4000]
    assert all(message.lag_ms <= 20 for _, message in told)

    session.tick(60_000)
    assert everything(session) == []


def test_falling_behind_and_catching_up_are_told_at_once() -> None:
    session = open_session()
    session.receive_bytes(SECOND * 2, 10)
    (behind,) = progress(session)
    session.next_job()
    session.done(heard(received_ms=100), 20)
    still_behind = progress(session)
    hear_all(session)
    (caught_up,) = progress(session)

    assert behind.lag_ms == 2000
    assert still_behind == []
    assert 0 < caught_up.lag_ms < 500


# --- the end --------------------------------------------------------------------------------------


def test_stop_answers_everything_then_ends_and_closes_with_1000() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.receive_text('{"type":"stop"}', 0)
    early = session.close_code

    while not isinstance(session.next_job(), FinishJob):
        session.done(heard(), 0)
    session.done(Finished(1000, "s1"), 0)

    end = only(EndMessage, messages(session))
    assert (end.reason, end.audio_ms, end.transcript_id) == ("stop", 1000, "s1")
    assert (early, session.close_code, session.finished) == (None, 1000, True)


def test_the_end_waits_for_the_recogniser() -> None:
    session = open_session()
    session.receive_text('{"type":"stop"}', 0)
    assert isinstance(session.next_job(), EndJob)
    session.done(heard(waiting=True), 0)

    assert session.next_job() is None
    session.done(heard(final()), 0)
    assert isinstance(session.next_job(), FinishJob)


def test_half_a_sample_at_the_end_is_a_warning_and_the_end_is_a_good_one() -> None:
    session = open_session()
    session.receive_bytes(SECOND + b"\0", 0)
    session.receive_text('{"type":"stop"}', 0)
    hear_all(session)

    said = messages(session)
    assert [m.code for m in said if isinstance(m, WarningMessage)] == ["audio_truncated"]
    assert isinstance(said[-1], EndMessage)


def test_silence_of_the_client_ends_the_stream_and_keepalive_extends_it() -> None:
    session = open_session(Settings(idle_timeout_ms=1000))
    assert session.deadline_ms == 1000
    session.receive_text('{"type":"keepalive"}', 900)
    session.tick(1000)
    assert messages(session) == []
    assert session.deadline_ms == 1900

    session.tick(1900)
    hear_all(session)

    error, end = messages(session)
    assert isinstance(error, ErrorMessage)
    assert error.code == "idle_timeout"
    assert isinstance(end, EndMessage)
    assert (end.reason, session.close_code) == ("idle_timeout", 1000)


def test_a_client_that_we_hold_back_is_not_idle() -> None:
    session = open_session(Settings(idle_timeout_ms=1000, pause_buffer_ms=1000, max_buffer_ms=5000))
    session.receive_bytes(SECOND * 2, 0)

    session.tick(1000)

    assert session.deadline_ms == 2000
    assert session.close_code is None


def test_a_server_that_stops_answers_what_it_heard_and_closes_with_1012() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)

    session.shut_down()

    assert hear_all(session) == 1000
    end = messages(session)[-1]
    assert isinstance(end, EndMessage)
    assert (end.reason, session.close_code) == ("shutdown", 1012)


def test_a_bug_in_a_job_closes_with_1011_and_tells_nothing_of_it() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.broke()

    assert only(ErrorMessage, messages(session)).code == "internal_error"
    assert (session.close_code, session.finished, session.next_job()) == (1011, True, None)


def test_a_client_that_does_not_read_is_cut_off_and_what_it_said_is_still_heard() -> None:
    session = open_session(Settings(max_outgoing=16))
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.done(heard(*(final(f"u{n}") for n in range(17))), 0)

    assert (session.congested, session.close_code) == (True, 1013)
    assert messages(session) == []
    hear_all(session)
    assert session.finished


def test_partials_of_one_utterance_never_fill_the_queue() -> None:
    session = open_session(Settings(max_outgoing=16))
    session.receive_bytes(SECOND, 0)
    session.next_job()

    session.done(heard(*(partial("x" * n) for n in range(1000)), final()), 0)

    newest, told = messages(session)
    assert isinstance(newest, PartialMessage)
    assert len(newest.text) == 999
    assert isinstance(told, FinalMessage)


# --- a connection that is lost --------------------------------------------------------------------


def test_a_client_that_says_goodbye_without_stop_is_still_heard_to_the_end() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)

    session.disconnect(1000, 0)

    assert not session.parked
    assert hear_all(session) == 1000
    assert session.finished


def test_a_lost_stream_waits_to_be_resumed_and_then_finishes_by_itself() -> None:
    session = open_session(Settings(resume_ms=500))
    session.receive_bytes(SECOND, 0)

    session.disconnect(1006, 100)

    assert (session.parked, session.resumable, session.deadline_ms) == (True, True, 600)
    session.tick(599)
    assert session.parked
    session.tick(600)
    assert not session.resumable
    assert hear_all(session) == 1000
    assert session.finished


@pytest.mark.parametrize("encoding", ["opus", "auto"])
def test_a_stream_whose_bytes_have_no_position_is_not_resumable(encoding: str) -> None:
    options = msgspec.convert({"encoding": encoding}, StreamOptions)
    session = open_session(options=options)
    session.receive_bytes(SECOND, 0)

    session.disconnect(1006, 0)

    assert not session.parked


def test_resuming_sends_again_what_was_missed_then_ready_and_numbers_go_on() -> None:
    session = open_session()
    session.receive_bytes(SECOND[:3200], 0)
    session.next_job()
    session.done(heard(final("u1"), final("u2")), 0)
    assert [message.seq for message in messages(session)] == [2, 3]
    session.disconnect(1006, 0)

    session.resume(resume(1600, last_seq=2), 10)

    missed, ready = messages(session)
    assert isinstance(missed, FinalMessage)
    assert (missed.seq, missed.utt) == (3, "u2")
    assert isinstance(ready, ReadyMessage)
    assert (ready.seq, ready.next_sample) == (4, 1600)
    assert not session.parked


def test_messages_that_are_no_longer_there_to_be_sent_again_are_owned_up_to() -> None:
    session = open_session()
    session.receive_bytes(SECOND[:3200], 0)
    for n in range(300):
        session.next_job()
        session.done(heard(final(f"u{n}")), 0)
        messages(session)
    session.disconnect(1006, 0)

    session.resume(resume(1600, last_seq=2), 10)

    said = messages(session)
    assert len(said) == 256 + 2
    assert isinstance(said[-1], WarningMessage)
    assert said[-1].code == "messages_lost"


def test_audio_that_is_sent_again_after_resuming_is_heard_once() -> None:
    session = open_session()
    audio = bytes(range(256)) * 10
    session.receive_bytes(audio[:1001], 0)
    session.disconnect(1006, 0)

    session.resume(resume(400), 10)
    for start in range(800, len(audio), 100):
        session.receive_bytes(audio[start : start + 100], 10)

    got: list[bytes] = []
    while isinstance(job := session.next_job(), HearJob):
        got += job.frames
        session.done(heard(), 0)
    assert b"".join(got) == audio


@pytest.mark.parametrize(
    ("encoding", "silence"), [("pcm_s16le", b"\0\0"), ("mulaw", b"\xff"), ("alaw", b"\xd5")]
)
def test_audio_that_is_lost_is_replaced_by_silence_and_said_to_be(
    encoding: str, silence: bytes
) -> None:
    session = open_session(options=msgspec.convert({"encoding": encoding}, StreamOptions))
    session.receive_bytes(b"ab" * len(silence), 0)
    session.disconnect(1006, 0)

    session.resume(resume(1602), 10)
    session.receive_bytes(b"cd", 10)

    got: list[bytes] = []
    while isinstance(job := session.next_job(), HearJob):
        got += job.frames
        session.done(heard(), 0)
    assert b"".join(got) == b"ab" * len(silence) + silence * 1600 + b"cd"
    (warning,) = [m for m in messages(session) if isinstance(m, WarningMessage)]
    assert warning.code == "audio_gap"
    assert "100 ms" in warning.message


def test_a_gap_beyond_the_buffer_is_refused() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.disconnect(1006, 0)

    session.resume(resume(10**12), 10)

    error = messages(session)[-1]
    assert isinstance(error, ErrorMessage)
    assert (error.param, session.close_code) == ("next_sample", 1008)


def test_only_a_stream_without_audio_can_become_another_one() -> None:
    session = open_session()
    wish = '{"type":"resume","session":"s0","token":"t","next_sample":0}'

    session.receive_text(wish, 0)
    assert session.wish == ResumeMessage("s0", "t", 0)
    session.wish = None
    session.receive_bytes(SECOND, 0)
    session.receive_text(wish, 0)
    assert session.wish is None
    assert isinstance(messages(session)[-1], ErrorMessage)


def test_a_stream_that_cannot_be_resumed_closes_with_1008() -> None:
    session = open_session()

    session.refuse(NotFoundError("too late; open a new one"))

    assert only(ErrorMessage, messages(session)).code == "not_found"
    assert (session.close_code, session.finished) == (1008, True)


def test_a_parked_stream_that_has_too_much_to_say_gives_up_waiting() -> None:
    session = open_session(Settings(max_outgoing=16))
    session.receive_bytes(SECOND, 0)
    session.next_job()
    session.disconnect(1006, 0)

    session.done(heard(*(final(f"u{n}") for n in range(17))), 0)

    assert not session.parked
    hear_all(session)
    assert session.finished


def test_a_parked_stream_finishes_when_the_server_stops() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.disconnect(1006, 0)

    session.shut_down()

    assert hear_all(session) == 1000
    assert session.finished


def test_an_abandoned_stream_says_and_does_nothing_more() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)

    session.abandon(1012)

    assert (session.close_code, session.finished) == (1012, True)
    assert (session.next_job(), messages(session)) == (None, [])


# --- what other dialects need ---------------------------------------------------------------------


def test_reopening_makes_final_what_was_heard_and_begins_anew() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.reopen(StreamOptions(sample_rate=8000), 0)
    session.receive_bytes(SECOND, 0)  # two seconds by now

    assert hear_until(session, EndJob) == 1000
    # Its result is awaited: nothing of the new stream is done before.
    session.done(heard(received_ms=1000, processed_ms=900, waiting=True), 0)
    assert session.next_job() is None
    session.done(heard(Final(Utterance("u1", "hello", 0, 900)), received_ms=1000), 0)
    job = session.next_job()
    assert isinstance(job, OpenJob)
    assert job.options.sample_rate == 8000
    assert session.audio_ms == 2000
    session.done(Opened("scripted", keeps=True), 0)

    assert [message.type for message in messages(session)] == ["final", "ready"]
    assert hear_all(session) == 1000  # counted in bytes of 16 kHz


def test_a_reopened_stream_is_bounded_by_all_that_waits() -> None:
    session = open_session(Settings(pause_buffer_ms=1500))
    session.receive_bytes(SECOND, 0)
    assert session.reading
    session.reopen(StreamOptions(), 0)
    session.receive_bytes(SECOND, 0)

    assert not session.reading


def test_clearing_is_a_job_in_its_place() -> None:
    session = open_session()
    session.receive_bytes(SECOND[:320], 0)
    session.receive(ClearMessage(), 0)

    assert isinstance(session.next_job(), HearJob)
    session.done(heard(received_ms=10), 0)
    assert isinstance(session.next_job(), ClearJob)


@pytest.mark.parametrize(
    ("timeout_ms", "deadline_ms"), [(None, 120_000), (10_000, 10_000), (0, None)]
)
def test_a_dialect_may_be_more_or_less_patient(
    timeout_ms: int | None, deadline_ms: int | None
) -> None:
    policy = Policy(idle_timeout_ms=timeout_ms)
    session = StreamSession("s1", "secret", Settings(), StreamOptions(), 0, policy=policy)

    assert session.deadline_ms == deadline_ms
    session.tick(119_999)
    assert [message.type for message in messages(session)] == (
        ["error"] if timeout_ms == 10_000 else []
    )


def test_a_dialect_that_cannot_resume_does_not_wait_for_its_client() -> None:
    session = StreamSession("s1", "secret", Settings(), StreamOptions(), 0, policy=Policy())
    session.receive_bytes(SECOND, 0)
    session.disconnect(1006, 0)

    assert not session.parked


def test_a_client_that_is_cut_off_is_told_nothing_and_heard_to_the_end() -> None:
    session = open_session()
    session.receive_bytes(SECOND, 0)
    session.cut_off()

    assert session.close_code == 1013
    assert session.congested
    assert hear_all(session) == 1000
    assert session.finished
    assert messages(session) == []


def hear_until(session: StreamSession, kind: type[EndJob]) -> int:
    """Do jobs until the first of that kind, which is taken; return the milliseconds of audio they held."""
    heard_ms = 0
    while not isinstance(job := session.next_job(), kind):
        assert isinstance(job, HearJob)
        heard_ms += job.cost // 32
        session.done(heard(received_ms=heard_ms), 0)
    return heard_ms
