"""Where the next page begins, as text that goes through a URL unchanged.

In: the last row of a page. Out: an opaque cursor, and back.
Invariants: a cursor names a place in the order, not a row, so pages stay right while rows come and go. Thread: any.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gapless.errors import ProtocolError

INT64_MAX: Final = 2**63 - 1


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A session's place in the order of lists: by start, then by id."""

    started_at_ms: Annotated[int, Meta(ge=-INT64_MAX, le=INT64_MAX)]
    id: str


NEWEST: Final = Place(INT64_MAX, "")
"""Before all others: where the first page begins."""


def encode_cursor(place: Place) -> str:
    """The cursor of the page that begins after ``place``."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str) -> Place:
    """The place that a cursor names.

    Raises:
        ProtocolError: it is none of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded.encode("ascii")), type=Place)
    except ValueError as error:  # not ASCII, not base64, not JSON, or other JSON
        raise ProtocolError(
            "this cursor is none of ours; use the next_cursor of the page before as it is",
            param="cursor",
        ) from error
