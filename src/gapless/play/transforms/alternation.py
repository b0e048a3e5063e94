"""Alternation: a change in some cycles.

In: patterns and changes. Out: patterns. Thread: any (pure). Source: TidalCycles 1.9, the reference page "Conditions".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, Final

from gapless.play.pattern import Event, Pattern, fastcat, silence
from gapless.play.time import Span, cycle_of
from gapless.play.transforms.arguments import (
    CHANGE,
    INTEGER,
    TIME,
    parameters,
    patterned,
    time,
    whole,
)
from gapless.play.transforms.contract import Change, Parameter, Transform


def when(test: Callable[[int], bool], changed: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    """One pattern in the cycles that pass, another in the others."""

    def ask(span: Span) -> list[Event[Any]]:
        return (changed if test(cycle_of(span.begin)) else pattern).ask(span)

    return Pattern(ask).by_cycle()


def _every(cycles: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    changed = change(pattern)

    def make(many: int) -> Pattern[Any]:
        return when(lambda cycle: cycle % many == 0, changed, pattern) if many > 0 else pattern

    return patterned(make, (whole, cycles))


def _every_from(
    cycles: Pattern[Any], offset: Pattern[Any], change: Change, pattern: Pattern[Any]
) -> Pattern[Any]:
    changed = change(pattern)

    def make(many: int, at: int) -> Pattern[Any]:
        return when(lambda cycle: cycle % many == at, changed, pattern) if many > 0 else pattern

    return patterned(make, (whole, cycles), (whole, offset))


def _fold_every(
    cycles: Sequence[Pattern[Any]], change: Change, pattern: Pattern[Any]
) -> Pattern[Any]:
    return reduce(lambda inner, many: _every(many, change, inner), reversed(cycles), pattern)


def _whenmod(
    length: Pattern[Any], least: Pattern[Any], change: Change, pattern: Pattern[Any]
) -> Pattern[Any]:
    changed = change(pattern)

    def make(many: Fraction, at: Fraction) -> Pattern[Any]:
        return when(lambda cycle: cycle % many >= at, changed, pattern) if many > 0 else pattern

    return patterned(make, (time, length), (time, least))


def _brak(pattern: Pattern[Any]) -> Pattern[Any]:
    broken = fastcat([pattern, silence()]).late(Fraction(1, 4))
    return when(lambda cycle: cycle % 2 == 1, broken, pattern)


FAMILY: Final = (
    Transform(
        "every",
        parameters(cycles=INTEGER, change=CHANGE),
        _every,
        "A change in the first of every so many cycles.",
    ),
    Transform(
        "every'",
        parameters(cycles=INTEGER, offset=INTEGER, change=CHANGE),
        _every_from,
        "A change in one of every so many cycles, counted from 0.",
    ),
    Transform(
        "foldEvery",
        (Parameter("cycles", INTEGER, many=True), Parameter("change", CHANGE)),
        _fold_every,
        "A change in the first of every so many cycles, for each of several counts.",
    ),
    Transform(
        "whenmod",
        parameters(length=TIME, least=TIME, change=CHANGE),
        _whenmod,
        "A change in cycles whose number, modulo the first argument, is at least the second.",
    ),
    Transform("brak", (), _brak, "Every other cycle in half the time and a quarter late."),
)
