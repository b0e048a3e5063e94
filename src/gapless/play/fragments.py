"""Pieces of events put together again.

In: events of one question. Out: the same with as few pieces as can be. Invariants: pieces that overlap are two
events, as in a chord of one note twice, and stay so. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from gapless.play.pattern import Event
from gapless.play.time import Span


def defragment(events: Iterable[Event[Any]]) -> list[Event[Any]]:
    """Pieces of one event that touch become one piece, in the order of time; what is continuous stays as it is."""
    joined: list[Event[Any]] = []
    # Where pieces end, and of which events: the places in ``joined``.
    ends: dict[tuple[Span, Fraction], list[int]] = {}
    for event in sorted(events, key=lambda one: one.part):
        if event.whole is None:
            joined.append(event)
            continue
        waiting = ends.get((event.whole, event.part.begin), [])
        found = next((k for k in waiting if _same(joined[k], event)), None)
        if found is None:
            found = len(joined)
            joined.append(event)
        else:
            waiting.remove(found)
            part = Span(joined[found].part.begin, event.part.end)
            joined[found] = Event(event.whole, part, event.value, event.spans)
        if event.part.begin < event.part.end:
            ends.setdefault((event.whole, event.part.end), []).append(found)
    return joined


def _same(one: Event[Any], other: Event[Any]) -> bool:
    return bool(one.value == other.value) and one.spans == other.spans
