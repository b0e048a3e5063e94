"""Packets of Open Sound Control, written and read.

In: addresses with arguments, or a datagram. Out: the other. Invariants: whatever comes in is read in time proportional
to its length, or refused as a whole; nothing recurses. Thread: any (pure).

Source: M. Wright, "The Open Sound Control 1.0 Specification", 2002; text is UTF-8, as its users have it, instead of
ASCII.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from gapless.errors import ProtocolError

Argument: TypeAlias = str | bytes | float | int | bool | None
BUNDLE: Final = b"#bundle\0"
ALIGNED: Final = 4
"""Bytes that everything is padded to a multiple of."""
TIME_TAG_BYTES: Final = 8
MOST_INT: Final = 2**31 - 1

NUMBERS: Final[Mapping[str, struct.Struct]] = {
    "i": struct.Struct(">i"),
    "h": struct.Struct(">q"),
    "f": struct.Struct(">f"),
    "d": struct.Struct(">d"),
    "t": struct.Struct(">Q"),
}
FIXED: Final[Mapping[str, Argument]] = {"T": True, "F": False, "N": None}
"""Types that are their own value."""
SIZE: Final = NUMBERS["i"]


class Message(NamedTuple):
    """What is sent to an address."""

    address: str
    arguments: tuple[Argument, ...] = ()


def written(message: Message) -> bytes:
    """A message as a packet of its own, or as an element of a bundle.

    Integers of more than 32 bits are written as 64, all other numbers as floats of 32.

    Raises:
        ProtocolError: a number is beyond what its type holds.
    """
    tags = ","
    data = b""
    try:
        for argument in message.arguments:
            tag, piece = _written(argument)
            tags += tag
            data += piece
    except (struct.error, OverflowError) as error:
        raise ProtocolError(
            f"a number for {message.address} does not fit: {error}; send one that does"
        ) from error
    return _text(message.address) + _text(tags) + data


def bundle(time_tag: int, *messages: Message) -> bytes:
    """Messages that are to take effect at a time.

    Args:
        time_tag: NTP time, 32.32 bits; see ``time_tag``.
        messages: at least one.
    """
    elements = [written(message) for message in messages]
    sized = b"".join(SIZE.pack(len(element)) + element for element in elements)
    return BUNDLE + NUMBERS["t"].pack(time_tag) + sized


def read(packet: bytes) -> list[Message]:
    """The messages in a packet, also in bundles of bundles; the times of those are not looked at.

    Raises:
        ProtocolError: it is not what the specification says, or has arguments of other types than ``i h f d t s S b T F
            N``.
    """
    found = []
    waiting = [(0, len(packet))]
    while waiting:
        begin, end = waiting.pop()
        if packet.startswith(BUNDLE, begin, end):
            waiting += reversed(_elements(packet, begin, end))
        else:
            found.append(_message(packet[begin:end]))
    return found


def _elements(packet: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    at = begin + len(BUNDLE) + TIME_TAG_BYTES
    if at > end:
        raise ProtocolError("a bundle ends before its time does; send all of it")
    found = []
    while at < end:
        if at + SIZE.size > end:
            raise ProtocolError("a bundle ends within the size of an element; send all of it")
        (size,) = SIZE.unpack_from(packet, at)
        at += SIZE.size
        if size <= 0 or size % ALIGNED or at + size > end:
            raise ProtocolError(
                f"an element of {size} bytes in a bundle that has {end - at} more; send what fits"
            )
        found.append((at, at + size))
        at += size
    return found


def _message(data: bytes) -> Message:
    if not data.startswith(b"/") or len(data) % ALIGNED:
        raise ProtocolError("this is no OSC packet; one begins with / or #bundle")
    address, at = _read_text(data, 0)
    if at == len(data):
        # Old senders leave out the types of no arguments.
        return Message(address)
    tags, at = _read_text(data, at)
    if not tags.startswith(","):
        raise ProtocolError(f"the types of {address} do not begin with a comma; send OSC 1.0")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        argument: Argument
        if tag in NUMBERS:
            kind = NUMBERS[tag]
            if at + kind.size > len(data):
                raise ProtocolError(f"{address} ends within a number; send all of it")
            (argument,) = kind.unpack_from(data, at)
            at += kind.size
        elif tag in "sS":
            argument, at = _read_text(data, at)
        elif tag == "b":
            argument, at = _read_blob(data, at)
        elif tag in FIXED:
            argument = FIXED[tag]
        else:
            raise ProtocolError(f"{address} has an argument of type {tag!r}; send s, i or f")
        arguments.append(argument)
    if at != len(data):
        raise ProtocolError(f"{address} goes on after its arguments; send OSC 1.0")
    return Message(address, tuple(arguments))


def _written(argument: Argument) -> tuple[str, bytes]:
    """Its type, and its bytes."""
    match argument:
        case str():
            return "s", _text(argument)
        case bytes():
            return "b", SIZE.pack(len(argument)) + argument + b"\0" * (-len(argument) % ALIGNED)
        case None:
            return "N", b""
        case bool():
            return ("T" if argument else "F"), b""
        case int():
            tag = "i" if -MOST_INT <= argument <= MOST_INT else "h"
            return tag, NUMBERS[tag].pack(argument)
        case float():
            return "f", NUMBERS["f"].pack(argument)


def _text(text: str) -> bytes:
    """Its bytes and one to four zeros; a zero within would end it, and so does."""
    data = text.partition("\0")[0].encode("utf-8", "replace")
    return data + b"\0" * (ALIGNED - len(data) % ALIGNED)


def _read_text(data: bytes, begin: int) -> tuple[str, int]:
    """A text and where what follows begins."""
    end = data.find(b"\0", begin)
    after = end + ALIGNED - end % ALIGNED
    if end < 0 or after > len(data):
        raise ProtocolError("a text in a packet has no end; send all of it")
    try:
        return data[begin:end].decode(), after
    except UnicodeDecodeError as error:
        raise ProtocolError("a text in a packet is not UTF-8; send it as UTF-8") from error


def _read_blob(data: bytes, begin: int) -> tuple[bytes, int]:
    if begin + SIZE.size > len(data):
        raise ProtocolError("a packet ends within the size of a blob; send all of it")
    (size,) = SIZE.unpack_from(data, begin)
    begin += SIZE.size
    after = begin + size + -size % ALIGNED
    if size < 0 or after > len(data):
        raise ProtocolError(f"a blob of {size} bytes does not fit in its packet; send all of it")
    return data[begin : begin + size], after
