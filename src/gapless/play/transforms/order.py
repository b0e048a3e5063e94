"""Order: backwards, turned, and in parts.

In: patterns. Out: patterns. Thread: any (pure).

Source: TidalCycles 1.9, the reference page "Time". As there, ``iter``, ``palindrome`` and ``chunk`` play each cycle of
a longer pattern as often as they have forms, and then the next.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gapless.play.fragments import defragment
from gapless.play.pattern import Event, Pattern, silence, slowcat, stack
from gapless.play.time import Span, cycle_of, whole_cycle
from gapless.play.transforms.arguments import (
    CHANGE,
    INTEGER,
    TIME,
    count,
    parameters,
    patterned,
    time,
    whole,
)
from gapless.play.transforms.contract import Change, Transform


def _rev(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.rev()


def _palindrome(pattern: Pattern[Any]) -> Pattern[Any]:
    return slowcat([pattern, pattern.rev()])


def turned(pattern: Pattern[Any], steps: int, direction: int) -> Pattern[Any]:
    """Each cycle begins a step further on (1) or back (-1) than the last."""
    if steps <= 0:
        return silence()
    return slowcat([pattern.early(Fraction(direction * k, steps)) for k in range(steps)])


def _iter(steps: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: turned(pattern, many, 1), (count, steps))


def _iter_back(steps: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: turned(pattern, many, -1), (count, steps))


def rotated(pattern: Pattern[Any], steps: int) -> Pattern[Any]:
    """Each cycle's values moved to the left by so many events; the events stay."""

    def ask(span: Span) -> list[Event[Any]]:
        events = [one for one in pattern.ask(whole_cycle(span.begin)) if one.whole is not None]
        events = sorted(defragment(events), key=lambda one: (one.whole, one.part))
        found = []
        for k, event in enumerate(events):
            part = event.part.meet(span)
            if part is not None:
                giver = events[(k + steps) % len(events)]
                found.append(Event(event.whole, part, giver.value, giver.spans))
        return found

    return Pattern(ask).by_cycle()


def _rot(steps: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: rotated(pattern, many), (whole, steps))


def within(
    begin: Fraction, end: Fraction, changed: Pattern[Any], pattern: Pattern[Any]
) -> Pattern[Any]:
    """What begins in a part of the cycle from one pattern, the rest from another."""

    def there(event: Event[Any]) -> bool:
        at = (event.whole or event.part).begin
        return begin <= at - cycle_of(at) < end

    return stack([changed.keep(there), pattern.keep(lambda event: not there(event))])


def _within(
    begin: Pattern[Any], end: Pattern[Any], change: Change, pattern: Pattern[Any]
) -> Pattern[Any]:
    changed = change(pattern)
    return patterned(
        lambda first, last: within(first, last, changed, pattern), (time, begin), (time, end)
    )


def chunked(
    pattern: Pattern[Any], changed: Pattern[Any], parts: int, *, backwards: bool
) -> Pattern[Any]:
    """Another of so many parts is from the changed pattern each cycle."""
    many = abs(parts)
    pieces = [
        within(Fraction(k, many), Fraction(k + 1, many), changed, pattern) for k in range(many)
    ]
    return slowcat(pieces[::-1] if backwards != (parts < 0) else pieces)


def _chunk(parts: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    changed = change(pattern)
    return patterned(lambda many: chunked(pattern, changed, many, backwards=False), (count, parts))


def _chunk_back(parts: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    changed = change(pattern)
    return patterned(lambda many: chunked(pattern, changed, many, backwards=True), (count, parts))


_STEPS: Final = parameters(steps=INTEGER)
_PARTS: Final = parameters(parts=INTEGER, change=CHANGE)

FAMILY: Final = (
    Transform("rev", (), _rev, "Every cycle backwards."),
    Transform("palindrome", (), _palindrome, "Forwards one cycle, backwards the next."),
    Transform("iter", _STEPS, _iter, "Each cycle begins a step later than the last."),
    Transform("iter'", _STEPS, _iter_back, "Each cycle begins a step before the last."),
    Transform("rot", _STEPS, _rot, "The values of a cycle to the left by so many events."),
    Transform(
        "within",
        parameters(begin=TIME, end=TIME, change=CHANGE),
        _within,
        "A change only for what begins in a part of the cycle.",
    ),
    Transform("chunk", _PARTS, _chunk, "A change to one part each cycle, the first part first."),
    Transform("chunk'", _PARTS, _chunk_back, "A change to one part each cycle, the last first."),
)
