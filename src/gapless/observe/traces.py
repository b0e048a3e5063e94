"""Traces: where the time went, as spans that were measured.

In: beginnings and ends on the monotonic clock. Out: trees of spans, and the W3C header that says whose part they are.
Invariants: nothing here knows OpenTelemetry, so that who measures imports nothing (``trace_export`` does); a span is
made once it is over; no text of what was said, and no name of a person, is an attribute. Thread: any (immutable).

Source of the header: W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

Attribute: TypeAlias = str | int | float | bool

NO_ATTRIBUTES: Final[Mapping[str, Attribute]] = {}

MAX_HEADER_CHARS: Final = 256
"""Of a header that is looked at; versions to come may be longer than the 55 of version 00."""

# Versions to come may add fields behind these, but none in front; ff is no version, and zeros are no id.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)

SAMPLED: Final = 0x01


class Span(msgspec.Struct, frozen=True):
    """Something that took time, and is over."""

    name: str
    start_ns: int
    """Of ``time.monotonic_ns``."""
    end_ns: int
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    children: tuple[Span, ...] = ()
    """Within it, ascending by their beginning."""
    serves: bool = False
    """It answers somebody outside of this process."""
    error: str | None = None
    """The code of what went wrong."""


Record: TypeAlias = Callable[[Span], None]
"""Takes a span. Called from any thread; quick; does not raise."""


class Caller(msgspec.Struct, frozen=True):
    """The span of somebody else that what we do is a part of."""

    trace_id: int
    span_id: int
    sampled: bool
    """Whether that is recorded, which decides for ours too."""


def read_traceparent(header: str) -> Caller | None:
    """What the header ``traceparent`` says; None where it says nothing that can be used, which is no error."""
    if len(header) > MAX_HEADER_CHARS:
        return None
    found = _TRACEPARENT.fullmatch(header.strip())
    if found is None or (found["version"] == "00" and found["rest"]):
        return None
    return Caller(
        trace_id=int(found["trace"], 16),
        span_id=int(found["span"], 16),
        sampled=bool(int(found["flags"], 16) & SAMPLED),
    )


def count(span: Span) -> int:
    """Spans in the tree."""
    return 1 + sum(map(count, span.children))
