from __future__ import annotations

import math
from contextlib import suppress
from itertools import pairwise
from typing import get_args

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gapless.errors import ProtocolError
from gapless.serve.stream.messages import (
    ClientMessage,
    FinalMessage,
    FlushedMessage,
    PartialMessage,
    ServerMessage,
    decode_client,
    decode_server,
    encode,
)
from gapless.serve.stream.outgoing import Outgoing

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.long
@given(st.one_of([st.from_type(kind) for kind in get_args(ClientMessage)]))
def test_what_a_client_says_within_the_bounds_arrives_as_it_was_meant(
    message: ClientMessage,
) -> None:
    try:
        arrived = decode_client(encode(message))
    except ProtocolError:
        # Hypothesis knows nothing of bounds: then a second opinion must refuse it too.
        try:
            msgspec.convert(msgspec.to_builtins(message), type(message))
        except msgspec.ValidationError:
            return
        raise
    assert arrived == message


def is_finite(value: object) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(
            is_finite(part) for part in (value.values() if isinstance(value, dict) else value)
        )
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.long
@given(st.one_of([st.from_type(kind) for kind in get_args(ServerMessage)]))
def test_what_the_server_says_arrives_as_it_was_meant(message: ServerMessage) -> None:
    assume(is_finite(msgspec.to_builtins(message)))  # JSON knows no other numbers
    assert decode_server(encode(message)) == message


@pytest.mark.long
@given(
    st.text()
    | st.dictionaries(st.sampled_from(["type", "id", "words", "next_sample"]), json_values).map(
        lambda document: msgspec.json.encode(document).decode()
    )
)
def test_whatever_a_client_says_is_understood_or_refused(text: str) -> None:
    with suppress(ProtocolError):  # and nothing else
        decode_client(text)


messages = st.one_of(
    st.builds(
        PartialMessage,
        utt=st.sampled_from(["u1", "u2"]),
        text=st.text(max_size=3),
        stable_chars=st.just(0),
        start_ms=st.just(0),
        end_ms=st.just(0),
    ),
    st.builds(
        FinalMessage,
        utt=st.sampled_from(["u1", "u2"]),
        text=st.text(max_size=3),
        start_ms=st.just(0),
        end_ms=st.just(0),
    ),
    st.builds(FlushedMessage, id=st.text(max_size=3)),
)


@pytest.mark.long
@given(st.lists(messages | st.just("read"), max_size=60))
def test_a_slow_reader_misses_nothing_but_partials_that_were_outdated(
    steps: list[ServerMessage | str],
) -> None:
    outgoing = Outgoing("s1", 1000)
    pushed: list[ServerMessage] = []
    sent: list[ServerMessage] = []
    for step in [*steps, *["read"] * 60]:
        if isinstance(step, str):
            message = outgoing.pop()
            sent += [] if message is None else [message]
        else:
            outgoing.push(step)
            pushed.append(step)

    plain = [msgspec.structs.replace(message, seq=0, session="") for message in sent]
    assert [message.seq for message in sent] == list(range(1, len(sent) + 1))
    assert [m for m in plain if not isinstance(m, PartialMessage)] == [
        m for m in pushed if not isinstance(m, PartialMessage)
    ]
    for utt in ("u1", "u2"):
        of_utt = [m for m in pushed if isinstance(m, PartialMessage) and m.utt == utt]
        got = [m for m in plain if isinstance(m, PartialMessage) and m.utt == utt]
        assert got[-1:] == of_utt[-1:]
        assert is_subsequence(got, of_utt)


@pytest.mark.long
@given(st.integers(0, 300), st.integers(0, 320))
def test_what_was_sent_lately_can_be_sent_again_and_what_was_not_is_said_to_be_gone(
    sent: int, last_seq: int
) -> None:
    outgoing = Outgoing("s1", 1000)
    for n in range(sent):
        outgoing.push(FlushedMessage(id=str(n)))
        outgoing.pop()

    complete = outgoing.replay(last_seq)

    again = []
    while (message := outgoing.pop()) is not None:
        again.append(message.seq)
    assert again == list(range(max(last_seq, sent - 256) + 1, sent + 1))
    assert complete == (last_seq >= sent - 256)
    assert all(after == before + 1 for before, after in pairwise(again))


def is_subsequence(part: list[PartialMessage], whole: list[PartialMessage]) -> bool:
    rest = iter(whole)
    return all(any(found == wanted for found in rest) for wanted in part)
