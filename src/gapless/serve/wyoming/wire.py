"""Wyoming's events as bytes: one line of JSON, then data, then a payload.

In: bytes in any split. Out: events, whole. Invariants: the result does not depend on the split; what is held never
exceeds the bounds; after bytes that are no event there is no way to find the next one, so the first refusal is the
last. Thread: any; no I/O. Source: the README of github.com/OHF-Voice/wyoming.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gapless.errors import ProtocolError, TooLargeError

MAX_LINE_BYTES: Final = 64 * 1024
MAX_DATA_BYTES: Final = 256 * 1024
MAX_PAYLOAD_BYTES: Final = 1024 * 1024


class Event(Struct, frozen=True):
    """Something one side says to the other."""

    type: str
    data: dict[str, Any] = {}
    payload: bytes = b""


class _Header(Struct, frozen=True):
    """The line that every event begins with; other fields are passed over."""

    type: Annotated[str, Meta(min_length=1, max_length=200)]
    data: dict[str, Any] | None = None
    data_length: Annotated[int, Meta(ge=0)] | None = None
    payload_length: Annotated[int, Meta(ge=0)] | None = None


class EventReader:
    """Puts events together. Feed it, then take events until there is none.

    Args:
        max_payload_bytes: the largest payload.
    """

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._buffer = bytearray()
        self._searched = 0
        """Bytes in which no end of a line was found."""
        self._header: _Header | None = None
        """Of the event whose other parts are awaited."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, if all of it is here.

        Raises:
            ProtocolError: the bytes are no event.
            TooLargeError: a part of the event is larger than its bound.
        """
        if self._header is None:
            self._header = self._next_header()
        header = self._header
        if header is None:
            return None
        data_length, payload_length = header.data_length or 0, header.payload_length or 0
        if len(self._buffer) < data_length + payload_length:
            return None
        data = header.data or {}
        if data_length:
            data = data | _decode(self._take(data_length), dict[str, Any])
        self._header = None
        return Event(header.type, data, self._take(payload_length))

    def _next_header(self) -> _Header | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
        if max(end, self._searched) > MAX_LINE_BYTES:
            raise TooLargeError(
                f"an event begins with a line of at most {MAX_LINE_BYTES} bytes; send less, or speak Wyoming"
            )
        if end < 0:
            return None
        self._searched = 0
        header: _Header = _decode(self._take(end + 1), _Header)
        for name, length, most in (
            ("data", header.data_length, MAX_DATA_BYTES),
            ("payload", header.payload_length, self._max_payload_bytes),
        ):
            if length is not None and length > most:
                raise TooLargeError(
                    f"the {name} of {header.type!r} has {length} bytes, {most} are allowed; send smaller events"
                )
        return header

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def encode(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """An event as bytes; its data is not in the line, which readers bound."""
    body = msgspec.json.encode(data) if data else b""
    header: dict[str, Any] = {"type": kind}
    if body:
        header["data_length"] = len(body)
    if payload:
        header["payload_length"] = len(payload)
    return msgspec.json.encode(header) + b"\n" + body + payload


def _decode(data: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(
            f"this is no event of Wyoming: {error}; begin each with a line of JSON that has a type"
        ) from error
