"""OSC packets against python-osc, another implementation, and against packets that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from gapless.errors import ProtocolError
from gapless.play.osc.packet import BUNDLE, Message, bundle, read, written

ONE = written(Message("/a"))
TIME = b"\0" * 8

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
floats = st.floats(allow_nan=False, width=32)
arguments = st.lists(
    st.one_of(words, floats, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none()),
    max_size=8,
).map(tuple)
messages = st.builds(Message, words.map(lambda word: "/" + word), arguments)


@pytest.mark.long
@given(messages)
def test_another_reader_reads_what_is_written(message: Message) -> None:
    seen = OscMessage(written(message))
    assert (seen.address, tuple(seen.params)) == message


@pytest.mark.long
@given(messages)
def test_what_is_written_is_read(message: Message) -> None:
    assert read(written(message)) == [message]


@pytest.mark.long
@given(messages)
def test_what_another_writes_is_read(message: Message) -> None:
    builder = OscMessageBuilder(message.address)
    for argument in message.arguments:
        builder.add_arg(argument)
    assert read(builder.build().dgram) == [message]


@pytest.mark.long
@given(st.integers(2, 2**64 - 1), st.lists(messages, min_size=1, max_size=4))
def test_a_bundle_has_its_messages_and_its_time(time_tag: int, inside: list[Message]) -> None:
    packet = bundle(time_tag, *inside)
    assert packet[8:16] == struct.pack(">Q", time_tag)
    seen = OscBundle(packet)
    assert [(one.address, tuple(one.params)) for one in seen] == inside
    assert read(packet) == inside


def test_other_types_are_read() -> None:
    builder = OscMessageBuilder("/a")
    builder.add_arg(b"\x01\x02\x03", "b")
    builder.add_arg(0.1, "d")
    assert read(builder.build().dgram) == [Message("/a", (b"\x01\x02\x03", 0.1))]
    assert read(b"/a\0\0,t\0\0" + struct.pack(">Q", 5)) == [Message("/a", (5,))]


def test_a_blob_is_written() -> None:
    assert OscMessage(written(Message("/a", (b"\x01\x02\x03\x04\x05",)))).params == [
        b"\x01\x02\x03\x04\x05"
    ]


def test_old_senders_leave_out_the_types() -> None:
    assert read(b"/a\0\0") == [Message("/a")]


def test_a_zero_ends_a_text() -> None:
    assert read(written(Message("/a", ("left\0out", "s")))) == [Message("/a", ("left", "s"))]


@pytest.mark.parametrize("number", [1e39, 2**63], ids=["float", "integer"])
def test_a_number_that_does_not_fit_is_refused(number: float) -> None:
    with pytest.raises(ProtocolError, match="does not fit"):
        written(Message("/a", (number,)))


def bundled(element: bytes) -> bytes:
    return BUNDLE + TIME + struct.pack(">i", len(element)) + element


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(b"/a", id="address without an end"),
        pytest.param(b"/ab\xff,\0\0\0", id="address whose end is not its own"),
        pytest.param(b"/\xff\0\0,\0\0\0", id="address that is no text"),
        pytest.param(b"/a\0\0f\0\0\0\0\0\0\0", id="types without a comma"),
        pytest.param(b"/a\0\0,f\0\0", id="number that is missing"),
        pytest.param(b"/a\0\0,s\0\0", id="text that is missing"),
        pytest.param(b"/a\0\0,b\0\0", id="blob that is missing"),
        pytest.param(b"/a\0\0,b\0\0\0\0\0\x05abcd", id="blob that is cut off"),
        pytest.param(b"/a\0\0,b\0\0\xff\xff\xff\xfc", id="blob of negative size"),
        pytest.param(b"/a\0\0,q\0\0", id="type that nobody knows"),
        pytest.param(b"/a\0\0,[]\0", id="array"),
        pytest.param(b"/a\0\0,\0\0\0\0\0\0\0", id="more than its arguments"),
        pytest.param(BUNDLE, id="bundle without a time"),
        pytest.param(BUNDLE + TIME + b"\0\0", id="bundle that ends within a size"),
        pytest.param(BUNDLE + TIME + struct.pack(">i", 12) + ONE, id="element that is longer"),
        pytest.param(BUNDLE + TIME + struct.pack(">i", -4), id="element of negative size"),
        pytest.param(BUNDLE + TIME + struct.pack(">i", 0) + ONE, id="element of nothing"),
        pytest.param(bundled(b"/abcdefg"), id="element that is no message"),
    ],
)
def test_what_is_no_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(packet)


@given(st.binary(max_size=200), st.sampled_from([b"", b"/a\0\0,", BUNDLE, BUNDLE + TIME]))
def test_any_bytes_are_read_or_refused(rest: bytes, begin: bytes) -> None:
    try:
        found = read(begin + rest)
    except ProtocolError:
        return
    assert all(one.address.startswith("/") for one in found)


def deep(levels: int) -> bytes:
    packet = ONE
    for _ in range(levels):
        packet = bundled(packet)
    return packet


def wide(levels: int) -> bytes:
    return BUNDLE + TIME + bundled(ONE)[16:] * levels


@pytest.mark.parametrize("make", [deep, wide])
def test_the_longest_packets_are_read(make: Callable[[int], bytes]) -> None:
    packet = make(3000)
    assert len(packet) < 1 << 16
    assert set(read(packet)) == {Message("/a")}
