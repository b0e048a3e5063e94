"""A priority queue that passes over what has left its line.

In: places, which are tuples that end in a row's number and its line. Out: the smallest whose row still waits.
Invariants: it holds numbers, never rows, so nobody's data is kept alive here; once places of rows that left are in the
majority they are swept out, so that it grows with what waits and not with what came. Thread: one at a time.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, Final, TypeAlias, final

Place: TypeAlias = tuple[Any, ...]

SLACK: Final = 64
"""So few places are not worth sweeping."""


@final
class LazyHeap:
    """See the module's head."""

    __slots__ = ("_places", "_sweep_at")

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._sweep_at = SLACK

    def push(self, place: Place) -> None:
        """Put in a place; the same one twice does no harm."""
        heappush(self._places, place)
        if len(self._places) > self._sweep_at:
            self._places = list({place for place in self._places if _waits(place)})
            heapify(self._places)
            self._sweep_at = 2 * len(self._places) + SLACK

    def head(self) -> Place | None:
        """The first place whose row still waits."""
        places = self._places
        while places:
            if _waits(places[0]):
                return places[0]
            heappop(places)
        return None

    def pop(self) -> None:
        """Take the head out."""
        heappop(self._places)


def _waits(place: Place) -> bool:
    return place[-2] in place[-1].waiting
