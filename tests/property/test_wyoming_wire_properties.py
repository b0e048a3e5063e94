"""Wyoming's events as bytes: what must hold for any events, any bytes and any split."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.errors import ProtocolError
from gapless.serve.wyoming.wire import MAX_DATA_BYTES, MAX_LINE_BYTES, Event, EventReader, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
events = st.builds(
    Event,
    st.text(min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=8), values, max_size=3),
    st.binary(max_size=50),
)

PAYLOAD_BYTES = 64


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.long
@given(st.lists(events, max_size=4), st.lists(st.integers(0, 5000), max_size=6))
def test_what_is_written_is_read_whatever_the_split(sent: list[Event], cuts: list[int]) -> None:
    data = b"".join(encode(event.type, event.data, event.payload) for event in sent)
    reader, read = EventReader(), list[Event]()
    for piece in split(data, cuts):
        reader.feed(piece)
        read.extend(iter(reader.next_event, None))
    assert read == sent


@pytest.mark.long
@given(
    st.lists(events, max_size=2),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=3)), min_size=1, max_size=4),
    st.lists(st.integers(0, 5000), max_size=4),
)
def test_any_bytes_are_events_or_refused_and_what_is_held_is_bounded(
    sent: list[Event], changes: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(encode(event.type, event.data, event.payload) for event in sent)
    for place, junk in changes:
        start = place % (len(data) + 1)
        data = data[:start] + junk + data[start + len(junk) :]
    reader = EventReader(PAYLOAD_BYTES)
    with suppress(ProtocolError):  # and nothing else
        for piece in split(data, cuts):
            reader.feed(piece)
            while reader.next_event() is not None:
                pass
            most = max(MAX_LINE_BYTES, MAX_DATA_BYTES + PAYLOAD_BYTES)
            assert len(reader._buffer) <= most
