"""The close codes of the native stream, and what they tell a client (RFC 6455, section 7.4, and IANA's registry).

1001, 1011, 1012 and 1013 are those after which clients of the OpenAI kind connect again by themselves; 1008 and 1003
are those after which it would be of no use. Thread: any (constants and a pure function).
"""

from __future__ import annotations

from typing import Final

from gapless.errors import AudioError, GaplessError, OverloadError
from gapless.serve.problem import problem_of

DONE: Final = 1000
"""Everything has been answered."""

BAD_FORMAT: Final = 1003
"""The audio cannot be decoded."""

LOST: Final = 1006
"""Never sent: the connection ended without a word."""

POLICY: Final = 1008
"""What was asked for is not to be had, and will not be."""

TOO_BIG: Final = 1009
"""A frame over the limit."""

INTERNAL: Final = 1011
"""Something broke inside the server."""

RESTART: Final = 1012
"""The server stops."""

OVERLOADED: Final = 1013
"""Too much at a time: audio that comes too fast, or a client that does not read."""

GOODBYES: Final = frozenset({DONE, 1001})
"""Codes with which a client means to leave: it will not resume."""


def close_code_of(error: GaplessError) -> int:
    """The code that says the same as ``error``."""
    if isinstance(error, AudioError):
        return BAD_FORMAT
    if isinstance(error, OverloadError):
        return OVERLOADED
    return POLICY if problem_of(error).status < 500 else INTERNAL
