"""An answer as bytes, as it is kept outside of this process.

In: an answer and its lifetime. Out: bytes, and back. Invariants: what is not of this format, is not whole, or was
written before its namespace or version was invalidated is no answer. Thread: any (pure functions).

    offset  size
         0     2  "gC"
         2     1  format, 1
         3     1  flags: 1 negative
         4     8  fresh until, Unix time in ms, little-endian
        12     8  good while it is computed anew, until
        20    16  stamp: what invalidation changes
        36     4  CRC-32 of the value
        40        value
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import msgspec

FORMAT: Final = 1

_MAGIC: Final = b"gC"
_HEADER: Final = struct.Struct("<2sBBqq16sI")
_NEGATIVE: Final = 1

HEADER_BYTES: Final = _HEADER.size


class Framed(msgspec.Struct, frozen=True):
    """An answer from outside."""

    value: bytes
    fresh_until_ms: int
    """Unix time."""
    stale_until_ms: int
    negative: bool


def pack(answer: Framed, stamp: bytes) -> bytes:
    """The bytes of an answer.

    Args:
        answer: what is to be kept.
        stamp: 16 bytes that were valid when the answer began to be computed.
    """
    flags = _NEGATIVE if answer.negative else 0
    header = _HEADER.pack(
        _MAGIC,
        FORMAT,
        flags,
        answer.fresh_until_ms,
        answer.stale_until_ms,
        stamp,
        zlib.crc32(answer.value),
    )
    return header + answer.value


def unpack(frame: bytes, stamp: bytes, now_ms: int) -> Framed | None:
    """The answer that bytes hold; None if there is none that may be given.

    Args:
        frame: from anywhere.
        stamp: the one that is valid now.
        now_ms: Unix time.
    """
    if len(frame) < HEADER_BYTES:
        return None
    magic, number, flags, fresh_ms, stale_ms, written, crc = _HEADER.unpack_from(frame)
    if (magic, number) != (_MAGIC, FORMAT) or written != stamp or now_ms >= stale_ms:
        return None
    value = frame[HEADER_BYTES:]
    if zlib.crc32(value) != crc:
        return None
    return Framed(value, fresh_ms, stale_ms, bool(flags & _NEGATIVE))
