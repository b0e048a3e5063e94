"""Where the next page begins, as text that goes through a URL unchanged.

In: the last row of a page. Out: an opaque cursor, and back.
Invariants: a cursor names a place in the order, not a row, so pages stay right while rows come and go. Thread: any.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from gapless.errors import ProtocolError

INT64_MAX: Final = 2**63 - 1


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A session's place in the order of lists: by start, then by id."""

    started_at_ms: Annotated[int, Meta(ge=-INT64_MAX, le=INT64_MAX)]
    id: str


class RankedPlace(msgspec.Struct, frozen=True, array_like=True):
    """A session's place in the order of relevance: by score, then as in ``Place``."""

    score: float
    """Of its best utterance; the store says which way it counts."""
    started_at_ms: Annotated[int, Meta(ge=-INT64_MAX, le=INT64_MAX)]
    id: str


AnyPlace = TypeVar("AnyPlace", Place, RankedPlace)

NEWEST: Final = Place(INT64_MAX, "")
"""Before all others: where the first page begins."""


def encode_cursor(place: Place | RankedPlace) -> str:
    """The cursor of the page that begins after ``place``."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str) -> Place:
    """The place that a cursor of a list by time names.

    Raises:
        ProtocolError: it is none of ours.
    """
    return _decode(cursor, Place)


def decode_ranked_cursor(cursor: str) -> RankedPlace:
    """The place that a cursor of a list by relevance names.

    Raises:
        ProtocolError: it is none of ours, or of a list in another order.
    """
    return _decode(cursor, RankedPlace)


def _decode(cursor: str, kind: type[AnyPlace]) -> AnyPlace:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded.encode("ascii")), type=kind)
    except ValueError as error:  # not ASCII, not base64, not JSON, or other JSON
        raise ProtocolError(
            "this cursor is none of ours; use the next_cursor of the page before as it is",
            param="cursor",
        ) from error
