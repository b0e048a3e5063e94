"""Masks and structure: when events begin, and which are heard.

In: patterns. Out: patterns. Thread: any (pure).

Source: TidalCycles 1.9, the reference pages "Alteration" and "Conditions".
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gapless.play.euclid import bjorklund
from gapless.play.pattern import Pattern, fastcat, pure, silence, stack
from gapless.play.transforms.arguments import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    PATTERN,
    TIME,
    count,
    factor,
    number,
    parameters,
    patterned,
    truth,
    whole,
)
from gapless.play.transforms.contract import Transform


def _true(pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.keep(lambda event: truth(event.value))


def _struct(beats: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return _true(beats).left(pattern, lambda _, value: value)


def _mask(heard: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern.left(_true(heard), lambda value, _: value)


def _sounding(pattern: Pattern[Any], pulses: int, steps: int, rotation: int = 0) -> Pattern[Any]:
    if steps <= 0:
        return silence()
    rhythm = [pattern if sounds else silence() for sounds in bjorklund(pulses, steps)]
    return fastcat(rhythm).early(Fraction(rotation, steps))


def _euclid(pulses: Pattern[Any], steps: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many, of: _sounding(pattern, many, of), (count, pulses), (count, steps))


def _inverted(pattern: Pattern[Any], pulses: int, steps: int) -> Pattern[Any]:
    # No pulses have no sign, so all steps are between them.
    return _sounding(pattern, -pulses or steps, steps)


def _euclid_inv(pulses: Pattern[Any], steps: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda many, of: _inverted(pattern, many, of), (count, pulses), (count, steps))


def _euclid_full(
    pulses: Pattern[Any], steps: Pattern[Any], hits: Pattern[Any], pattern: Pattern[Any]
) -> Pattern[Any]:
    return stack([_euclid(pulses, steps, hits), _euclid_inv(pulses, steps, pattern)])


def _euclid_off(
    pulses: Pattern[Any], steps: Pattern[Any], rotation: Pattern[Any], pattern: Pattern[Any]
) -> Pattern[Any]:
    return patterned(
        lambda many, of, by: _sounding(pattern, many, of, by),
        (count, pulses),
        (count, steps),
        (whole, rotation),
    )


def _segment(events: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(
        lambda many: pure(None).fast(many).left(pattern, lambda _, value: value), (factor, events)
    )


def _range(low: Pattern[Any], high: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def between(value: Any, ends: tuple[Any, Any]) -> float | None:
        share, first, last = number(value), number(ends[0]), number(ends[1])
        if share is None or first is None or last is None:
            return None
        return first + share * (last - first)

    ends = low.both(high, lambda first, last: (first, last))
    return pattern.left(ends, between).keep(lambda event: event.value is not None)


_RHYTHM: Final = parameters(pulses=INTEGER, steps=INTEGER)

FAMILY: Final = (
    Transform("struct", parameters(beats=BOOLEAN), _struct, "Events where the argument is true."),
    Transform("mask", parameters(heard=BOOLEAN), _mask, "Only what sounds while it is true."),
    Transform("euclid", _RHYTHM, _euclid, "Pulses spread evenly over the steps of a cycle."),
    Transform("euclidInv", _RHYTHM, _euclid_inv, "The steps between the pulses of euclid."),
    Transform(
        "euclidFull",
        parameters(pulses=INTEGER, steps=INTEGER, hits=PATTERN),
        _euclid_full,
        "The argument on the pulses, the pattern between them.",
    ),
    Transform(
        "euclidOff",
        parameters(pulses=INTEGER, steps=INTEGER, rotation=INTEGER),
        _euclid_off,
        "As euclid, turned to the left by so many steps.",
    ),
    Transform(
        "segment", parameters(events=TIME), _segment, "So many events a cycle, sampled there."
    ),
    Transform(
        "range",
        parameters(low=NUMBER, high=NUMBER),
        _range,
        "Values from 0 to 1 stretched to lie between two others.",
    ),
)
