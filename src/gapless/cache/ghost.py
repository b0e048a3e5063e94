"""What was pushed out lately: keys without their values.

In: keys. Out: whether one was among the last that were added. Invariants: 8 bytes a place; a place holds the last key
that fell on it, so a ghost can be forgotten early (where two share a place) or, once in 2**32 questions, be seen where
none was; neither is worse than a value that is kept in another queue for a while. Thread: one at a time.
"""

from __future__ import annotations

from array import array
from typing import Final, final

_STAMP_BITS: Final = 32
_STAMP_MASK: Final = (1 << _STAMP_BITS) - 1
_LEAST_PLACES: Final = 1024

PLACES_PER_ENTRY: Final = 4
"""So that one in eight, on average, of the ghosts that count is lost to another."""


@final
class Ghost:
    """A table of fingerprints, each with the number of the push that left it."""

    def __init__(self) -> None:
        self._places = array("Q", bytes(8 * _LEAST_PLACES))
        self._mask = _LEAST_PLACES - 1
        # Far from 0, the stamp of an empty place.
        self._pushes = 1 << (_STAMP_BITS - 1)

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return 8 * len(self._places)

    def add(self, key: bytes) -> None:
        """A key was pushed out."""
        number = int.from_bytes(key[:8], "little")
        self._pushes = (self._pushes + 1) & _STAMP_MASK
        self._places[number & self._mask] = (number >> 32 << _STAMP_BITS) | self._pushes

    def take(self, key: bytes, last: int) -> bool:
        """Whether it is among the ``last`` that were added; it is not, from now on."""
        number = int.from_bytes(key[:8], "little")
        place = number & self._mask
        kept = self._places[place]
        if kept >> _STAMP_BITS != number >> 32 or not kept:
            return False
        if (self._pushes - kept) & _STAMP_MASK >= last:
            return False
        self._places[place] = 0
        return True

    def fit(self, entries: int) -> None:
        """Have places for as many entries; growing or shrinking forgets what there was."""
        wanted = _LEAST_PLACES
        while wanted < PLACES_PER_ENTRY * entries:
            wanted *= 2
        # Shrunk late, so that a number that goes up and down forgets nothing.
        if wanted > len(self._places) or 8 * wanted < len(self._places):
            self._places = array("Q", bytes(8 * wanted))
            self._mask = wanted - 1
