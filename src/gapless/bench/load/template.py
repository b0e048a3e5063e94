"""Requests that differ: ``{number}`` and ``{run}`` in a text become nine digits.

In: a text, the number of a request. Out: bytes. Invariants: what comes out always has the same length, so that headers
are made once. Thread: any (pure).

Nine digits, so that ``0.{number}`` is a number in JSON; no two requests of a run have the same ``{number}``, and no two
runs the same ``{run}``, however often a load is put on the same server.
"""

from __future__ import annotations

from typing import Final, final

DIGITS: Final = 9
NUMBERS: Final = 10**DIGITS
NUMBER: Final = b"{number}"
RUN: Final = b"{run}"


@final
class Template:
    """A text with numbers in it.

    Args:
        text: with or without them.
        run: what stands for ``{run}``.
        bodies: how many numbers there are; 0: a new one each time.
    """

    def __init__(self, text: bytes, *, run: int, bodies: int = 0) -> None:
        text = text.replace(RUN, b"%0*d" % (DIGITS, run % NUMBERS))
        self._parts: Final = text.split(NUMBER)
        self._bodies: Final = bodies or NUMBERS

    @property
    def is_constant(self) -> bool:
        """Whether all requests are the same."""
        return len(self._parts) == 1

    def make(self, number: int) -> bytes:
        """The text of a request."""
        if self.is_constant:
            return self._parts[0]
        return (b"%0*d" % (DIGITS, number % self._bodies)).join(self._parts)
