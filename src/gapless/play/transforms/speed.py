"""Speed and time: faster, sooner, a part of each cycle.

In: patterns. Out: patterns. Thread: any (pure).

Source: TidalCycles 1.9, the reference pages "Time" and "Harmony and melody"; ``linger`` stays within its cycle.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from operator import add
from typing import Any, Final

from gapless.play.pattern import Event, Pattern, silence
from gapless.play.time import Span, cycle_of
from gapless.play.transforms.arguments import (
    CHANGE,
    MOST,
    TIME,
    factor,
    inverse_factor,
    parameters,
    patterned,
    time,
)
from gapless.play.transforms.contract import Change, Transform

FURTHEST_NUDGE: Final = Fraction(1)
"""In cycles, either way."""


def _fast(by: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.fast, (factor, by))


def _slow(by: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.fast, (inverse_factor, by))


def _fast_gap(by: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: pattern.fast_gap(many) if many > 0 else silence(), (factor, by))


def _early(shift: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.early, (time, shift))


def _late(shift: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.late, (time, shift))


def _nudge(shift: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    """Each event by what the argument is where it begins, unlike ``late``."""

    def ask(span: Span) -> list[Event[Any]]:
        events = []
        wide = Span(span.begin - FURTHEST_NUDGE, span.end + FURTHEST_NUDGE)
        for event in pattern.ask(wide):
            begin = (event.whole or event.part).begin
            said = next((time(one.value) for one in shift.query(begin, begin)), None) or Fraction(0)
            by = max(-FURTHEST_NUDGE, min(FURTHEST_NUDGE, said))
            moved = event.with_time(partial(add, by))
            part = moved.part.meet(span)
            if part is not None:
                events.append(Event(moved.whole, part, event.value, event.spans))
        return events

    return Pattern(ask)


def inside(by: Fraction, change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    """What a change does to ``1 / by`` of a cycle at a time; silence unless ``by`` is positive."""
    return change(pattern.slow(by)).fast(by) if by > 0 else silence()


def _inside(by: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: inside(many, change, pattern), (factor, by))


def _outside(by: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: inside(many, change, pattern), (inverse_factor, by))


def _zoom(begin: Pattern[Any], end: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.zoom, (time, begin), (time, end))


def _compress(begin: Pattern[Any], end: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(pattern.compress, (time, begin), (time, end))


def truncated(pattern: Pattern[Any], length: Fraction) -> Pattern[Any]:
    """The beginning of each cycle."""
    if length >= 1:
        return pattern
    return pattern.zoom(0, length).compress(0, length) if length > 0 else silence()


def _trunc(length: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda part: truncated(pattern, part), (time, length))


def lingering(pattern: Pattern[Any], length: Fraction) -> Pattern[Any]:
    """A part of each cycle again and again; of a negative length, the last part."""
    if length == 0:
        return silence()
    if abs(length) >= 1:
        return pattern
    begin = Fraction(0) if length > 0 else 1 + length
    size = max(abs(length), Fraction(1, MOST))
    part = pattern.zoom(begin, begin + size)

    def turn(piece: Span, cycle: int) -> list[Event[Any]]:
        # Every turn is the zoomed part of this very cycle.
        away = cycle - cycle_of(piece.begin)
        events = part.ask(piece.map(lambda t: t + away))
        return [event.with_time(lambda t: (t - away) * size + cycle) for event in events]

    def ask(span: Span) -> list[Event[Any]]:
        cycle = cycle_of(span.begin)
        turns = span.map(lambda t: (t - cycle) / size).cycles()
        return [event for piece in turns for event in turn(piece, cycle)]

    return Pattern(ask).by_cycle()


def _linger(length: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda part: lingering(pattern, part), (time, length))


_BY: Final = parameters(factor=TIME)
_SHIFT: Final = parameters(cycles=TIME)
_PART: Final = parameters(begin=TIME, end=TIME)
_NESTED: Final = parameters(factor=TIME, change=CHANGE)

FAMILY: Final = (
    Transform("fast", _BY, _fast, "So many times as fast; backwards if negative, silence for 0."),
    Transform("slow", _BY, _slow, "So many times as slow; backwards if negative, silence for 0."),
    Transform("fastGap", _BY, _fast_gap, "Each cycle so many times as fast, then silence."),
    Transform("early", _SHIFT, _early, "Sooner by so many cycles."),
    Transform("late", _SHIFT, _late, "Later by so many cycles."),
    Transform("rotL", _SHIFT, _early, "Sooner by so many cycles; the same as early."),
    Transform("rotR", _SHIFT, _late, "Later by so many cycles; the same as late."),
    Transform("nudge", _SHIFT, _nudge, "Each event later by what holds where it begins; up to 1."),
    Transform("inside", _NESTED, _inside, "A change to each of so many parts of a cycle."),
    Transform("outside", _NESTED, _outside, "A change to so many cycles as if they were one."),
    Transform("zoom", _PART, _zoom, "A part of each cycle, stretched to the whole of it."),
    Transform("compress", _PART, _compress, "Each cycle squeezed into a part of it."),
    Transform("trunc", parameters(length=TIME), _trunc, "Only the beginning of each cycle."),
    Transform(
        "linger",
        parameters(length=TIME),
        _linger,
        "The beginning of each cycle again and again; if negative, its end.",
    ),
)
