"""How large a request over gRPC may be once it is read, decided before it is read.

In: the bytes of a ``ModelInferRequest``. Out: nothing, or an error. Invariants: no more is looked at than the heads of
the outermost fields. Thread: any (pure).

Why: a message object takes up to 45 times the bytes that it came in (an input without anything takes two), so 64 MiB
of well-formed nonsense would cost gigabytes, and seconds of the event loop. Raw tensors cost what they are long.

Source: Protocol Buffers, "Encoding".
"""

from __future__ import annotations

from typing import Final

from gapless.errors import ProtocolError, TooLargeError

MAX_FIELDS: Final = 1024
"""Inputs, raw contents, outputs and parameters of one request together."""

MAX_STRUCTURE_BYTES: Final = 16 * 1024 * 1024
"""All of a request but its raw contents: names, shapes, parameters and typed contents."""

_RAW_INPUT_CONTENTS: Final = 7
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


def check_request_bytes(data: bytes) -> None:
    """Pass what may be read.

    Raises:
        TooLargeError: too many fields, or too much besides raw contents.
        ProtocolError: it is no message.
    """
    at = fields = structure = 0
    while at < len(data):
        begin = at
        tag, at = _varint(data, at)
        wire_type = tag & 7
        if wire_type == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            at += length
        elif wire_type == _VARINT:
            _, at = _varint(data, at)
        elif wire_type in (_FIXED64, _FIXED32):
            at += 8 if wire_type == _FIXED64 else 4
        else:
            raise no_message()
        fields += 1
        if tag >> 3 != _RAW_INPUT_CONTENTS:
            structure += at - begin
        if fields > MAX_FIELDS:
            raise TooLargeError(
                f"the request has more than {MAX_FIELDS} inputs, outputs and parameters; send fewer"
            )
        if structure > MAX_STRUCTURE_BYTES:
            raise TooLargeError(
                f"the request has more than {MAX_STRUCTURE_BYTES} bytes besides raw_input_contents; "
                "send large tensors in raw_input_contents"
            )


def no_message() -> ProtocolError:
    """What is said of bytes that are no message."""
    return ProtocolError("the request is no message of this protocol; send what kserve.proto says")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends."""
    number = 0
    for place, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise no_message()
