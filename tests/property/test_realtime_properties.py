"""Whatever a client of Realtime sends, it is answered in the dialect, and every item comes to its end."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapless.audio.types import Samples
from gapless.errors import ProtocolError
from gapless.serve.realtime.config import Config, SessionTerms, shown, stream_options, updated
from gapless.serve.realtime.dialect import RealtimeDialect
from gapless.serve.realtime.events import RealtimeServerEvent
from gapless.serve.stream.dialect import Frame
from gapless.testing.services import ScriptedServices
from gapless.testing.talk import Talk

pytestmark = pytest.mark.long

TERMS = SessionTerms("sess_1", 0, 10**9, 64 * 1024)

RATE_HZ = 8000
Piece = tuple[int, int]
"""Where a piece of the recording begins, and how long it is, in samples."""

scalars = st.none() | st.booleans() | st.integers(-1, 10**6) | st.text(max_size=8)
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)

turns = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad"])},
    optional={
        "threshold": st.floats(0, 1),
        "silence_duration_ms": st.integers(100, 2000),
        "idle_timeout_ms": st.integers(1000, 3000),
        "eagerness": st.sampled_from(["low", "auto"]),
    },
)
formats = st.fixed_dictionaries(
    {"type": st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"])},
    optional={"rate": st.sampled_from([8000, 16_000, 24_000])},
)
transcriptions = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["en", "zz", None]),
        "prompt": st.text(max_size=5),
        "keywords": st.lists(st.text(min_size=1, max_size=5), max_size=2),
        "model": st.sampled_from(["scripted", None]),
    },
)
audio_inputs = st.fixed_dictionaries(
    {}, optional={"turn_detection": turns, "format": formats, "transcription": transcriptions}
)
sessions = st.builds(lambda heard: {"audio": {"input": heard}}, audio_inputs) | st.dictionaries(
    st.sampled_from(["audio", "include", "turn_detection", "input_audio_format", "type"]), junk
)


def event(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode()


def spoken(recording: Samples, start: int, length: int) -> str:
    """Appends a piece of the recording."""
    audio = (recording[start : start + length] * 32_767).astype("<i2").tobytes()
    return event("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


updates = st.builds(
    lambda kind, session: event(kind, session=session),
    st.sampled_from(["session.update", "transcription_session.update"]),
    sessions,
)
appends = st.tuples(st.integers(0, 4 * RATE_HZ), st.integers(0, 2 * RATE_HZ))
others = st.sampled_from(
    [
        event("input_audio_buffer.commit"),
        event("input_audio_buffer.clear"),
        event("response.create", event_id="r"),
        "",
        "{",
        "null",
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """An event with something cut out of it or put into it."""
    text = draw(updates | others)
    at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 5))
    return text[:at] + draw(st.text(max_size=3)) + text[at + length :]


frames: st.SearchStrategy[Frame | Piece] = (
    appends | appends | others | updates | mutated() | st.binary(max_size=20) | st.text(max_size=20)
)


@pytest.fixture(scope="module")
def services() -> Iterator[ScriptedServices]:
    with ScriptedServices() as services:
        yield services


@pytest.fixture(scope="module")
def recording(load_speech: Callable[[str], Samples]) -> Samples:
    """A sentence between silences."""
    quiet = np.zeros(8000, np.float32)
    return np.concatenate([quiet, load_speech("sentence.flac"), quiet])[::2]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(frames, max_size=25), held=st.integers(1, 6))
def test_every_item_is_committed_once_and_ends_once(
    services: ScriptedServices, recording: Samples, script: list[Frame | Piece], held: int
) -> None:
    start: Any = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": RATE_HZ}}}}
    talk = Talk(services, RealtimeDialect(TERMS, updated(Config(), start)))
    try:
        answers = talk.greet()
        # Some frames come while others are still to be heard.
        for number, frame in enumerate(script):
            talk.tell(spoken(recording, *frame) if isinstance(frame, tuple) else frame)
            if number % held == 0:
                answers += talk.settle()
        answers += talk.send(
            event("session.update", session={"audio": {"input": {"turn_detection": None}}})
        )
    finally:
        talk.close()

    events = [msgspec.json.decode(answer) for answer in answers]
    for answer in answers:
        msgspec.json.decode(answer, type=RealtimeServerEvent)
    assert len({one["event_id"] for one in events}) == len(events)
    committed = [one for one in events if one["type"].endswith(".committed")]
    before = [None, *(one["item_id"] for one in committed)]
    assert [one["previous_item_id"] for one in committed] == before[:-1]
    ended = Counter(
        one["item_id"] for one in events if one["type"].endswith((".completed", ".failed"))
    )
    if talk.session.close_code is None:
        assert ended == Counter(before[1:])
    else:
        assert ended <= Counter(before[1:])
    for item in committed:
        check_item([one for one in events if one.get("item_id") == item["item_id"]])


def check_item(events: list[dict[str, Any]]) -> None:
    """The events of an item are in order, and its deltas are its text, as far as they go."""
    order = [one["type"].rsplit(".", 1)[1] for one in events]
    ranks = [
        ["speech_started", "timeout_triggered", "speech_stopped", "committed", "completed"].index(
            kind
        )
        for kind in order
        if kind not in ("delta", "failed")
    ]
    assert ranks == sorted(ranks)
    text = "".join(one["delta"] for one in events if one["type"].endswith("delta"))
    if order[-1] == "completed":
        assert events[-1]["transcript"] == text


@settings(max_examples=25)
@given(script=st.lists(sessions, max_size=6))
def test_what_is_shown_leads_to_the_same_stream(script: list[dict[str, Any]]) -> None:
    config = Config()
    for session in script:
        with suppress(ProtocolError):
            config = updated(config, session)
    again = updated(Config(), shown(config, None, TERMS, beta=False))
    assert stream_options(again) == stream_options(config)
    flat = shown(config, None, TERMS, beta=True)
    assert shown(updated(Config(), flat), None, TERMS, beta=True) == flat
