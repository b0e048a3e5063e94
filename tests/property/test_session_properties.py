"""The session protocol with a real hearing: what must hold whatever a client does, and whenever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapless.audio.types import Samples
from gapless.serve.stream.messages import (
    EndMessage,
    FinalMessage,
    PartialMessage,
    ReadyMessage,
    ResumeMessage,
    ServerMessage,
)
from gapless.settings import Settings
from gapless.testing.conversation import NAME, TOKEN, Conversation
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.services import ScriptedServices

pytestmark = pytest.mark.long

LoadSpeech = Callable[[str], Samples]

LIMITS = Settings(
    save=False, max_frame_bytes=200_000, pause_buffer_ms=3000, max_buffer_ms=9000, max_outgoing=16
)

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def recogniser() -> ScriptedRecogniser:
    return ScriptedRecogniser()


@pytest.fixture(scope="module")
def services(recogniser: ScriptedRecogniser) -> Iterator[ScriptedServices]:
    with ScriptedServices(LIMITS, recogniser) as made:
        yield made


class Speech(bytes):
    """Bytes that Hypothesis does not print when something fails."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes of speech>"


@pytest.fixture(scope="module")
def speech(load_speech: LoadSpeech) -> Speech:
    """Two utterances and the beginning of a third."""
    samples = load_speech("utterances.flac")[:90_000]
    return Speech((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def finals(messages: list[ServerMessage]) -> list[FinalMessage]:
    return [
        msgspec.structs.replace(message, seq=0)
        for message in messages
        if isinstance(message, FinalMessage)
    ]


def check_order(messages: list[ServerMessage]) -> None:
    """Numbers without gaps, nothing after the end, and settled text that never changes."""
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    assert not any(isinstance(message, EndMessage) for message in messages[:-1])
    settled: dict[str, str] = {}
    for message in messages:
        if isinstance(message, PartialMessage | FinalMessage):
            assert message.text.startswith(settled.get(message.utt, ""))
        if isinstance(message, PartialMessage):
            settled[message.utt] = message.text[: message.stable_chars]


@pytest.fixture(scope="module")
def expected(services: ScriptedServices, speech: Speech) -> list[FinalMessage]:
    conversation = Conversation(services)
    conversation.send(speech, '{"type":"stop"}')
    check_order(conversation.messages)
    heard = finals(conversation.messages)
    assert len(heard) >= 2
    return heard


@quick
@given(data=st.data())
def test_any_frames_of_the_same_audio_say_the_same(
    services: ScriptedServices, speech: Speech, expected: list[FinalMessage], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(speech)), max_size=30)))
    with closing(Conversation(services)) as conversation:
        for start, end in zip([0, *cuts], [*cuts, len(speech)], strict=True):
            conversation.session.receive_bytes(speech[start:end], conversation.clock())
            if data.draw(st.booleans()):
                conversation.settle()
        conversation.send('{"type":"stop"}')

        check_order(conversation.messages)
        assert finals(conversation.messages) == expected
        assert isinstance(conversation.messages[-1], EndMessage)
        assert conversation.session.close_code == 1000


losses = st.tuples(
    st.integers(1, 60_000),  # bytes sent before the connection is lost
    st.integers(0, 3),  # messages lost on their way
    st.integers(0, 40_000),  # bytes that the client sends again
)


@quick
@given(st.lists(losses, max_size=8))
def test_a_stream_that_is_lost_and_resumed_again_and_again_says_the_same(
    services: ScriptedServices,
    speech: Speech,
    expected: list[FinalMessage],
    losses: list[tuple[int, int, int]],
) -> None:
    with closing(Conversation(services)) as conversation:
        session, clock = conversation.session, conversation.clock
        position = 0
        for size, lost, back in losses:
            conversation.send(speech[position : position + size])
            arrived = conversation.messages[: max(len(conversation.messages) - lost, 0)]
            session.disconnect(1006, clock())
            assert session.parked
            position = max(min(position + size, len(speech)) - back, 0) // 2 * 2
            last_seq = arrived[-1].seq if arrived else 0
            session.resume(ResumeMessage(NAME, TOKEN, position // 2, last_seq), clock.advance(100))
            again = conversation.read()
            assert isinstance(again[-1], ReadyMessage)
            assert again[-1].next_sample >= position // 2
            conversation.messages[:] = arrived + again
        conversation.send(speech[position:], '{"type":"stop"}')

        check_order(conversation.messages)
        assert finals(conversation.messages) == expected


class Client:
    """A client that does whatever comes to its mind."""

    def __init__(self, conversation: Conversation, speech: Speech) -> None:
        self.talk = conversation
        self.speech = speech
        self.position = 0

    def act(self, action: str, amount: int) -> None:
        session, clock = self.talk.session, self.talk.clock
        if session.parked and action != "wait":
            wish = ResumeMessage(NAME, TOKEN, max(self.position + amount - 1000, 0) // 2, None)
            session.resume(wish, clock())
        elif action == "audio":
            frame = self.speech[self.position : self.position + amount]
            self.position += len(frame)
            session.receive_bytes(frame, clock())
        elif action == "flood":
            session.receive_bytes(bytes(amount), clock())
        elif action == "drop":
            session.disconnect(1006, clock())
        elif action == "wait":
            session.tick(clock.advance(amount))
        elif action == "work":
            self.talk.work()
        elif action == "read":
            assert len(self.talk.read()) <= LIMITS.max_outgoing
        else:
            session.receive_text(action, clock())


actions = st.tuples(
    st.sampled_from(
        [
            "audio",
            "audio",
            "audio",
            "flood",
            "work",
            "read",
            "wait",
            "drop",
            "nonsense",
            '{"type":"flush","id":"f"}',
            '{"type":"configure","interim":false}',
            '{"type":"configure","endpointing_ms":200}',
            '{"type":"start","sample_rate":8000}',
            '{"type":"keepalive"}',
            '{"type":"stop"}',
        ]
    ),
    st.integers(0, 220_000),
)


@quick
@given(steps=st.lists(actions, max_size=25), goodbye=st.booleans())
def test_whatever_a_client_does_the_bounds_hold_and_the_session_ends(
    services: ScriptedServices,
    recogniser: ScriptedRecogniser,
    speech: Speech,
    steps: list[tuple[str, int]],
    goodbye: bool,
) -> None:
    with closing(Conversation(services)) as conversation:
        session = conversation.session
        client = Client(conversation, speech)
        for action, amount in steps:
            client.act(action, amount)
        if goodbye:
            session.disconnect(1000, conversation.clock())
            session.tick(conversation.clock.advance(LIMITS.resume_ms))  # if it was lost before
        else:
            session.shut_down()
        conversation.settle()

        check_order(conversation.messages)
        assert session.finished
        assert session.next_job() is None
        assert not conversation.hearing.busy
    assert recogniser.stats().busy == 0
