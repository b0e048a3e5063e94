"""Cutting of samples: pieces of them, and samples that fit the cycle.

In: patterns of controls. Out: the same, with ``begin``, ``end``, ``speed`` and ``unit``. Thread: any (pure).

Source: TidalCycles 1.9, the reference page "Sampling".
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

from gapless.play.pattern import Event, Pattern, fastcat, silence
from gapless.play.time import Span
from gapless.play.transforms.arguments import (
    INTEGER,
    NUMBER,
    TIME,
    count,
    factor,
    number,
    parameters,
    patterned,
    whole,
)
from gapless.play.transforms.contract import Transform
from gapless.play.transforms.controls import given, played_part, read, scaled


def _chopped(event: Event[Any], pieces: int) -> list[Event[Any]]:
    if event.whole is None or event.whole.begin == event.whole.end:
        return []
    begin = event.whole.begin
    step = (event.whole.end - begin) / pieces
    found = []
    # Only the pieces that the part can meet.
    first = max(0, math.floor((event.part.begin - begin) / step))
    last = min(pieces, math.ceil((event.part.end - begin) / step) + 1)
    for k in range(first, last):
        held = Span(begin + k * step, begin + (k + 1) * step)
        part = event.part.meet(held)
        if part is not None:
            value = played_part(k / pieces, (k + 1) / pieces)(event.value)
            found.append(Event(held, part, value, event.spans))
    return found


def chopped(pattern: Pattern[Any], pieces: int) -> Pattern[Any]:
    """Each event as so many, one after the other, each a piece of its sample."""
    if pieces <= 0:
        return silence()
    return Pattern(
        lambda span: [one for event in pattern.ask(span) for one in _chopped(event, pieces)]
    )


def _chop(pieces: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: chopped(pattern, many), (count, pieces))


def _striate(pieces: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(many: int) -> Pattern[Any]:
        return fastcat([pattern.map(played_part(k / many, (k + 1) / many)) for k in range(many)])

    return patterned(make, (count, pieces))


def _piece(index: Any, pieces: Any) -> dict[str, float] | None:
    which, many = whole(index), count(pieces)
    if which is None or many is None or many <= 0:
        return None
    begin = (which % many) / many
    return {"begin": begin, "end": begin + 1 / many}


def _slice(pieces: Pattern[Any], index: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def cut(piece: dict[str, float] | None, value: Any) -> Any:
        return {**(piece or {}), **value} if isinstance(value, dict) else value

    ranges = index.left(pieces, _piece).keep(lambda event: event.value is not None)
    return ranges.left(pattern, cut)


def _splice(pieces: Pattern[Any], index: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def fitted(event: Event[Any], many: int) -> Event[Any]:
        held = event.whole or event.part
        length = held.end - held.begin
        if not isinstance(event.value, dict) or length == 0:
            return event
        speed = read(event.value, "speed", 1.0) * float(Fraction(1, many) / length)
        return event.with_value({**event.value, "speed": speed, "unit": "c"})

    def make(many: int) -> Pattern[Any]:
        if many <= 0:
            return silence()
        cut = _slice(pieces, index, pattern)
        return cut.map_events(lambda event: fitted(event, many))

    return patterned(make, (count, pieces))


def _loop_at(cycles: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(by: Fraction) -> Pattern[Any]:
        if by == 0:
            return silence()
        fit = scaled(speed=float(1 / by))
        return pattern.slow(by).map(lambda value: given(unit="c")(fit(value)))

    return patterned(make, (factor, cycles))


def _hurry(by: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many: pattern.fast(many).map(scaled(speed=float(many))), (factor, by))


def _legato(share: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def held(value: Any, much: Any) -> Any:
        length = number(much)
        return value if length is None else given(legato=length)(value)

    return pattern.left(share, held)


_PIECES: Final = parameters(pieces=INTEGER)
_INDEXED: Final = parameters(pieces=INTEGER, index=INTEGER)

FAMILY: Final = (
    Transform("chop", _PIECES, _chop, "Each event as so many pieces of its sample, in place."),
    Transform("striate", _PIECES, _striate, "The first pieces of all samples, then the second."),
    Transform("slice", _INDEXED, _slice, "Pieces of a sample in the order of a pattern."),
    Transform("splice", _INDEXED, _splice, "As slice, each piece as fast as fills its event."),
    Transform("loopAt", parameters(cycles=TIME), _loop_at, "A sample that lasts so many cycles."),
    Transform(
        "hurry", parameters(factor=TIME), _hurry, "Events and samples so many times as fast."
    ),
    Transform(
        "legato",
        parameters(share=NUMBER),
        _legato,
        "Voices that last so many times as long as their events.",
    ),
)
