"""A player's session decides: what is refused, how much may be rendered, what is said in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gapless.errors import ProtocolError
from gapless.serve.play.messages import (
    MAX_TEXT,
    ChangedMessage,
    MistakeMessage,
    PlayEvent,
    PlayOptions,
    RemarkMessage,
    play_options_of,
)
from gapless.serve.play.session import CHUNK_MS, MOST_CHUNKS, STOP_MS, Chunk, PlaySession
from gapless.serve.stream import close
from gapless.serve.stream.dialect import Frame
from gapless.settings import Settings

RATE_HZ = 48_000
CHUNK = RATE_HZ * CHUNK_MS // 1000
SETTINGS = Settings(max_frame_bytes=1024 * 1024, max_outgoing=16, idle_timeout_ms=5000)


def open_session(**options: Any) -> PlaySession:
    return PlaySession("p1", PlayOptions(**options), SETTINGS, 0)


def say(session: PlaySession, now_ms: int = 0, **message: Any) -> None:
    session.receive(msgspec.json.encode(message).decode(), now_ms)


def heard_by_client(session: PlaySession) -> list[dict[str, Any]]:
    """All that waits to be said."""
    said = []
    while (frame := session.next_frame()) is not None:
        said.append(msgspec.json.decode(frame))
    return said


def is_over(session: PlaySession) -> bool:
    return session.close_code is not None


def changed(sample: int = 0, cycle: float = 0.0, cps: float = 0.5) -> ChangedMessage:
    return ChangedMessage("a", sample, cycle, cps, ("o1",), ())


def render(session: PlaySession, *events: PlayEvent) -> list[Frame]:
    """Render a chunk."""
    assert session.wanted > 0
    return session.rendered(Chunk(CHUNK, bytes(8 * CHUNK), events, (), session.stopping))


def render_all(session: PlaySession) -> int:
    """Samples until no more may be rendered."""
    rendered = 0
    while n_chunks := session.wanted:
        assert n_chunks <= MOST_CHUNKS
        rendered += n_chunks * CHUNK
        for _ in range(n_chunks):
            render(session)
    return rendered


def kinds(frames: list[Frame]) -> list[str]:
    return [
        "sound" if isinstance(frame, bytes) else msgspec.json.decode(frame)["type"]
        for frame in frames
    ]


# --- what may be rendered -------------------------------------------------------------------------


def test_nothing_is_rendered_before_anything_is_asked_for() -> None:
    session = open_session()
    session.opened()
    assert session.wanted == 0


def test_a_mistake_asks_for_no_sound() -> None:
    session = open_session()
    session.answer(MistakeMessage("a", "wrong", "wrong"))
    assert session.wanted == 0


@pytest.mark.parametrize("buffer_ms", [40, 200, 2000])
def test_a_buffer_is_rendered_and_then_as_much_as_was_heard(buffer_ms: int) -> None:
    session = open_session(buffer_ms=buffer_ms)
    session.answer(changed())
    buffer = RATE_HZ * buffer_ms // 1000
    assert render_all(session) == buffer
    say(session, type="heard", sample=CHUNK - 1)
    assert render_all(session) == 0, "only whole chunks"
    say(session, type="heard", sample=CHUNK)
    assert render_all(session) == CHUNK
    say(session, type="heard", sample=buffer)
    assert render_all(session) == buffer - CHUNK


def test_somebody_who_hears_gets_silence_also_without_a_program() -> None:
    session = open_session()
    say(session, type="heard", sample=0)
    assert session.wanted > 0


def test_what_was_not_sent_was_not_heard() -> None:
    session = open_session()
    say(session, type="heard", sample=10**12)
    assert render_all(session) == RATE_HZ // 5


def test_what_was_heard_is_not_taken_back() -> None:
    session = open_session()
    session.answer(changed())
    render_all(session)
    say(session, type="heard", sample=2 * CHUNK)
    say(session, type="heard", sample=0)
    assert render_all(session) == 2 * CHUNK


# --- what is taken up -----------------------------------------------------------------------------


def orders(session: PlaySession) -> list[str]:
    taken = []
    while (order := session.next_order()) is not None:
        taken.append(order.id)
    return taken


def test_a_later_program_takes_the_place_of_one_that_waits() -> None:
    session = open_session()
    for n in range(100):
        say(session, type="set", id=str(n), text="")
    assert orders(session) == ["99"]


def test_a_hush_forgets_programs_before_it_and_not_the_one_after() -> None:
    session = open_session()
    for kind, name in [("set", "a"), ("hush", "b"), ("hush", "c"), ("set", "d"), ("set", "e")]:
        text: dict[str, Any] = {"text": ""} if kind == "set" else {}
        say(session, type=kind, id=name, **text)
    assert orders(session) == ["c", "e"]


# --- what is said ---------------------------------------------------------------------------------


def test_events_and_the_cycle_come_before_the_sound() -> None:
    session = open_session()
    session.answer(changed(sample=100, cycle=0.25, cps=1.0))
    event = PlayEvent("o1", 100, 200, ((1, 8, 2),))
    frames = session.rendered(Chunk(CHUNK, b"sound", (event,), (RemarkMessage("so"),), False))
    assert kinds(frames) == ["remark", "events", "cycle", "cycle", "sound"]
    assert msgspec.json.decode(frames[1])["events"] == [
        {"output": "o1", "begin": 100, "end": 200, "places": [[1, 8, 2]]}
    ]


def cycles_of(session: PlaySession, chunks: int) -> list[tuple[int, float, float]]:
    told = []
    for _ in range(chunks):
        for frame in render(session):
            if isinstance(frame, str):
                message = msgspec.json.decode(frame)
                assert message["type"] == "cycle"
                told.append((message["sample"], message["cycle"], message["cps"]))
        say(session, type="heard", sample=10**12)
    return told


def test_the_cycle_is_told_each_second_and_where_it_changes() -> None:
    session = open_session()
    session.answer(changed(0, 0.0, 0.5))
    told = cycles_of(session, 60)
    session.answer(changed(61 * CHUNK + 64, 10.0, 2.0))
    told += cycles_of(session, 60)
    at = 61 * CHUNK + 64
    assert told == [(0, 0.0, 0.5), (RATE_HZ, 0.5, 0.5), (at, 10.0, 2.0), (at + RATE_HZ, 12.0, 2.0)]


def test_of_changes_at_the_same_sample_the_last_one_counts() -> None:
    session = open_session()
    for n in range(1000):
        session.answer(changed(64, float(n)))
        heard_by_client(session)
    assert cycles_of(session, 2) == [(0, 0.0, 0.5), (64, 999.0, 0.5)]


def test_a_client_that_reads_no_answers_is_cut_off() -> None:
    session = open_session()
    for _ in range(SETTINGS.max_outgoing + 1):
        session.answer(MistakeMessage("a", "wrong", "wrong"))
    assert session.close_code == close.OVERLOADED
    assert heard_by_client(session) == []


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code", "closes"),
    [
        pytest.param("{", "invalid_request", close.POLICY, id="no-json"),
        pytest.param('{"type":"sing"}', "invalid_request", close.POLICY, id="unknown-type"),
        pytest.param('{"type":"set"}', "invalid_request", close.POLICY, id="no-text"),
        pytest.param(
            '{"type":"heard","sample":-1}', "invalid_request", close.POLICY, id="negative"
        ),
        pytest.param(
            '{"type":"stop","now":1}', "invalid_request", close.POLICY, id="unknown-field"
        ),
        pytest.param(b"\0\0", "invalid_request", close.POLICY, id="binary"),
        pytest.param(
            '{"type":"set","text":"' + "x" * (MAX_TEXT + 1) + '"}',
            "invalid_request",
            close.POLICY,
            id="long-text",
        ),
        pytest.param("x" * (1024 * 1024 + 1), "too_large", close.TOO_BIG, id="large-frame"),
        pytest.param(bytes(1024 * 1024 + 1), "too_large", close.TOO_BIG, id="large-binary-frame"),
    ],
)
def test_what_makes_no_sense_is_told_and_ends_it(frame: Frame, code: str, closes: int) -> None:
    session = open_session()
    session.receive(frame, 0)
    (message,) = heard_by_client(session)
    assert (message["type"], message["code"], message["fatal"]) == ("error", code, True)
    assert session.close_code == closes
    say(session, type="set", text="")
    assert session.next_order() is None, "nothing is done any more"


def test_a_text_as_long_as_is_allowed_is_taken() -> None:
    session = open_session()
    say(session, type="set", id="a", text="x" * MAX_TEXT)
    assert orders(session) == ["a"]


@pytest.mark.parametrize(
    "pairs",
    [
        [("rate", "7999")],
        [("rate", "96001")],
        [("rate", "fast")],
        [("buffer_ms", "39")],
        [("buffer_ms", "2001")],
        [("rate", "8000"), ("rate", "8000")],
        [("volume", "11")],
    ],
    ids=lambda pairs: "-".join("=".join(pair) for pair in pairs),
)
def test_a_query_that_cannot_be_used_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ProtocolError):
        play_options_of(pairs)


def test_a_query_may_have_a_ticket() -> None:
    options = play_options_of([("rate", "44100"), ("token", "secret"), ("buffer_ms", "100")])
    assert options == PlayOptions(rate=44_100, buffer_ms=100)


# --- its end --------------------------------------------------------------------------------------


def test_it_stops_with_a_last_chunk() -> None:
    session = open_session()
    session.answer(changed())
    render_all(session)
    say(session, type="stop")
    say(session, type="set", text="")
    assert session.stopping
    assert not is_over(session)
    assert session.next_order() is None
    say(session, type="heard", sample=CHUNK)
    render(session)
    assert session.close_code == close.DONE
    assert session.wanted == 0


def test_a_chunk_that_was_begun_before_the_stop_is_not_the_last() -> None:
    session = open_session()
    session.answer(changed())
    say(session, type="stop")
    session.rendered(Chunk(CHUNK, b"", (), (), False))
    assert not is_over(session)
    assert session.wanted == 1


def test_it_stops_at_once_where_there_is_no_sound() -> None:
    session = open_session()
    say(session, type="stop")
    assert session.close_code == close.DONE


def test_it_does_not_wait_for_ever_for_somebody_to_hear_the_last_chunk() -> None:
    session = open_session()
    session.answer(changed())
    render_all(session)
    session.stop(close.RESTART, 100)
    session.tick(100 + STOP_MS - 1)
    assert not is_over(session)
    session.tick(100 + STOP_MS)
    assert session.close_code == close.RESTART


def test_it_ends_when_nothing_comes_for_too_long() -> None:
    session = open_session()
    say(session, 500, type="heard", sample=0)
    session.tick(5499)
    assert not is_over(session)
    session.tick(5500)
    assert [message["code"] for message in heard_by_client(session)] == ["idle_timeout"]
    assert session.close_code == close.DONE
