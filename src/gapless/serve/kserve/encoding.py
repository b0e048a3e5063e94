"""Compressed bodies: gzip, and deflate in its zlib wrapping.

In: a body and what its header calls its encoding. Out: the plain body, and the other way. Invariants: nothing is
inflated past its bound, however small it came; a body that ends early or goes on behind its end is refused.
Thread: any (pure functions).
"""

from __future__ import annotations

import zlib
from typing import Final, Literal, TypeAlias

from starlette.exceptions import HTTPException

from gapless.errors import ProtocolError, TooLargeError

Encoding: TypeAlias = Literal["gzip", "deflate"]

WINDOW_BITS: Final[dict[str, int]] = {"gzip": 31, "deflate": 15}
"""How zlib is told of each."""

LEVEL: Final = 1
"""Tensors of numbers hardly shrink more at a higher one, and take far longer."""


def encoding_of(header: str | None) -> Encoding | None:
    """The encoding that a Content-Encoding header names; None: the body is plain.

    Raises:
        HTTPException: 415, for one that is not known here.
    """
    match (header or "identity").strip().lower():
        case "gzip" | "x-gzip":
            return "gzip"
        case "deflate":
            return "deflate"
        case "identity" | "":
            return None
    raise HTTPException(
        415, f"bodies encoded as {header!r} are not read here; send gzip or deflate"
    )


def wanted_encoding(header: str | None) -> Encoding | None:
    """The encoding to answer in, given an Accept-Encoding header.

    A client that names one encoding wants it, as tritonclient does when it is told to. One that names several only
    says what it can read: compressing tensors for it would cost more time than it saves.
    """
    match (header or "").strip().lower():
        case "gzip":
            return "gzip"
        case "deflate":
            return "deflate"
    return None


def inflate(body: bytes, encoding: Encoding, max_bytes: int) -> bytes:
    """The plain body.

    Raises:
        TooLargeError: it would be longer than ``max_bytes``.
        ProtocolError: it is not compressed like that, incomplete, or has something behind its end.
    """
    inflater = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ProtocolError(
            f"the body is not {encoding} as its Content-Encoding says ({error}); compress it so, or send it plain",
            param="content-encoding",
        ) from error
    if len(plain) > max_bytes:
        raise TooLargeError(
            f"the body is larger than the {max_bytes} bytes that this server accepts once it is inflated; "
            "send less, or raise max_body_bytes"
        )
    if not inflater.eof or inflater.unused_data:
        raise ProtocolError(
            f"the {encoding} body is incomplete or followed by something else; send one whole stream",
            param="content-encoding",
        )
    return plain


def deflate(body: bytes, encoding: Encoding) -> bytes:
    """The compressed body."""
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS[encoding])
    return deflater.compress(body) + deflater.flush()
