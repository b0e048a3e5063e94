"""Wyoming's events as bytes."""

from __future__ import annotations

import asyncio

import pytest
from wyoming.event import Event as TheirEvent
from wyoming.event import async_read_event

from gapless.errors import ProtocolError, TooLargeError
from gapless.serve.wyoming.wire import (
    MAX_DATA_BYTES,
    MAX_LINE_BYTES,
    MAX_PAYLOAD_BYTES,
    Event,
    EventReader,
    encode,
)


def read_all(*pieces: bytes, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> list[Event]:
    reader = EventReader(max_payload_bytes)
    events = []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            events.append(event)
    return events


def test_data_comes_in_the_line_or_behind_it_and_the_latter_wins() -> None:
    line = b'{"type":"transcribe","version":"1.10.2","data":{"a":1,"b":1},"data_length":7,"payload_length":3}\n'
    assert read_all(line + b'{"b":2}abc' + b'{"type":"ping"}\n') == [
        Event("transcribe", {"a": 1, "b": 2}, b"abc"),
        Event("ping"),
    ]


def test_an_event_is_there_when_all_of_it_is() -> None:
    whole = encode("audio-chunk", {"rate": 16_000}, b"\n\n{}\n")
    for cut in range(len(whole)):
        assert read_all(whole[:cut]) == []
        assert read_all(whole[:cut], whole[cut:]) == [
            Event("audio-chunk", {"rate": 16_000}, b"\n\n{}\n")
        ]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"[]\n",
        b"{}\n",
        b'{"type":7}\n',
        b'{"type":""}\n',
        b'{"type":"ping","data":[]}\n',
        b'{"type":"ping","data_length":-1}\n',
        b'{"type":"ping","payload_length":1.5}\n',
        b'{"type":"ping","data_length":2}\n[]',
        b'{"type":"ping","data_length":3}\n{"a',
        b'{"type":"\xff"}\n',
        b'{"type":"ping","data":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}\n",
    ],
)
def test_bytes_that_are_no_event_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="no event of Wyoming"):
        read_all(line)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (MAX_LINE_BYTES + 1),
        b'{"type":"ping","data":{"a":"' + b"x" * MAX_LINE_BYTES + b'"}}\n',
        b'{"type":"ping","data_length":%d}\n' % (MAX_DATA_BYTES + 1),
        b'{"type":"ping","payload_length":101}\n',
        b'{"type":"ping","payload_length":18446744073709551617}\n',
    ],
)
def test_parts_over_their_bounds_are_refused_before_they_are_here(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_all(data, max_payload_bytes=100)


def test_parts_within_their_bounds_are_not() -> None:
    assert read_all(encode("x", None, b"p" * 100), max_payload_bytes=100)
    with pytest.raises(TooLargeError, match="100 are allowed"):
        read_all(encode("x", None, b"p" * 101), max_payload_bytes=100)


@pytest.mark.parametrize(
    ("kind", "data", "payload"),
    [
        ("describe", {}, b""),
        ("transcript", {"text": "höre"}, b""),
        ("audio-chunk", {"a": 1}, b"\0\n"),
    ],
)
def test_the_library_of_home_assistant_reads_what_is_written(
    kind: str, data: dict[str, object], payload: bytes
) -> None:
    async def read() -> TheirEvent | None:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(kind, data, payload))
        reader.feed_eof()
        return await async_read_event(reader)

    event = asyncio.run(read())
    assert event is not None
    assert (event.type, event.data, event.payload or b"") == (kind, data, payload)
