"""The dialects over a real session and a real hearing: whatever a client sends, nothing is raised and bounds hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import takewhile

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapless.audio.types import Samples
from gapless.errors import GaplessError
from gapless.serve.asr_v2.dialect import AsrV2Dialect
from gapless.serve.deepgram.dialect import DeepgramDialect
from gapless.serve.deepgram.query import Asked, read_query
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.messages import EndMessage, StreamOptions
from gapless.serve.wyoming.utterance import AUDIO_STOP, UtteranceDialect
from gapless.serve.wyoming.wire import EventReader
from gapless.settings import Settings
from gapless.testing.conversation import Conversation
from gapless.testing.services import ScriptedServices

pytestmark = pytest.mark.long

LIMITS = Settings(save=False, max_frame_bytes=100_000, pause_buffer_ms=3000, max_buffer_ms=9000)

LoadSpeech = Callable[[str], Samples]
Sent = list[Frame | int]
Talk = Callable[[Dialect, Sent], tuple[list[Frame], bool]]

RAW = StreamOptions(encoding="pcm_s16le", sample_rate=16_000, interim=True)

FINALIZE = '{"type":"Finalize"}'
CLOSE = '{"type":"CloseStream"}'

PIECES = 9
"""Seconds of speech to choose from; a number among the frames stands for one."""

audio = st.binary(max_size=64) | st.integers(0, PIECES - 1)
deepgram_messages = st.sampled_from(
    ["KeepAlive", "Finalize", "CloseStream", "Configure", "Results", ""]
).map(lambda kind: msgspec.json.encode({"type": kind}).decode())
frames = st.lists(
    audio | deepgram_messages | st.text(max_size=20) | st.just(AUDIO_STOP), max_size=8
)

some = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def services() -> Iterator[ScriptedServices]:
    with ScriptedServices(LIMITS) as made:
        yield made


@pytest.fixture(scope="module")
def talk(services: ScriptedServices, load_speech: LoadSpeech) -> Talk:
    samples = (np.clip(load_speech("utterances.flac"), -1, 1) * 32_767).astype("<i2")
    speech = [piece.tobytes() for piece in samples[: PIECES * 16_000].reshape(PIECES, -1)]

    def run(dialect: Dialect, sent: Sent) -> tuple[list[Frame], bool]:
        frames = [speech[each] if isinstance(each, int) else each for each in sent]
        return converse(services, dialect, frames)

    return run


def converse(
    services: ScriptedServices, dialect: Dialect, sent: list[Frame]
) -> tuple[list[Frame], bool]:
    """Send frames, then let go; return what was answered, and whether the session said its end."""
    conversation = Conversation(services, dialect.options)
    session = conversation.session
    answers = [*dialect.greet(session)]
    with closing(conversation):
        for frame in sent:
            answers += dialect.receive(frame, session, 0)
            for message in conversation.settle():
                answers += dialect.say(message)
        session.disconnect(1000, 0)
        conversation.settle()
    assert session.finished
    ended = any(isinstance(message, EndMessage) for message in conversation.messages)
    code, reason = dialect.farewell(session.close_code or 1000)
    assert 1000 <= code < 1015
    assert len(reason) < 100
    return answers, ended


@some
@given(frames)
def test_whatever_comes_asr_v2_answers_in_its_own_words(talk: Talk, sent: Sent) -> None:
    answers, ended = talk(AsrV2Dialect(), sent)
    statuses = [msgspec.json.decode(answer)["status"] for answer in answers]
    assert set(statuses) <= {"ACTIVE", "COMPLETE", "PAUSED", "ERROR"}
    assert statuses.count("COMPLETE") == ended


@some
@given(frames)
def test_whatever_comes_deepgram_s_dialect_answers_in_its_own_words(talk: Talk, sent: Sent) -> None:
    dialect = DeepgramDialect(Asked(RAW, interim=True, vad_events=True), "r", "now")
    answers, ended = talk(dialect, sent)
    messages = [msgspec.json.decode(answer) for answer in answers]
    kinds = [message["type"] for message in messages]
    assert kinds.count("Metadata") == ended
    finalized = sum(message.get("from_finalize", False) for message in messages)
    before_the_end = [*takewhile(lambda frame: frame not in (CLOSE, b""), sent)]
    assert finalized == before_the_end.count(FINALIZE)


@some
@given(frames)
def test_whatever_comes_an_utterance_has_one_transcript_at_most(talk: Talk, sent: Sent) -> None:
    dialect = UtteranceDialect(msgspec.structs.replace(RAW, turns="manual"))
    answers, ended = talk(dialect, sent)
    reader = EventReader()
    for answer in answers:
        assert isinstance(answer, bytes)
        reader.feed(answer)
    kinds = [event.type for event in iter(reader.next_event, None)]
    assert kinds.count("transcript") == ended


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["model", "language", "encoding", "sample_rate", "channels", "endpointing", "keyterm",
                 "keywords", "utterance_end_ms", "interim_results", "redact", "diarize"]
            )
            | st.text(max_size=10),
            st.sampled_from(["true", "false", "linear16", "opus", "16000", "en-US", "multi", "1000"])
            | st.text(max_size=10),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_query_is_understood_or_refused(items: list[tuple[str, str]]) -> None:
    try:
        options = read_query(items).options
    except GaplessError:  # and nothing else
        return
    assert options.audio.encoding == options.encoding
