"""Makers: patterns of numbers, and patterns of others one after the other.

In: patterns. Out: patterns. Thread: any (pure).

Source: TidalCycles 1.9, the reference pages "Concatenation", "Accumulation" and "Randomness".
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from gapless.play.chance import random_at
from gapless.play.pattern import Event, Pattern, fastcat, pure, silence, slowcat, stack, timecat
from gapless.play.time import Span, cycle_of
from gapless.play.transforms.arguments import (
    INTEGER,
    NUMBER,
    PATTERN,
    REMEMBERED,
    TIME,
    count,
    number,
    parameters,
    patterned,
    time,
)
from gapless.play.transforms.contract import Parameter, Transform
from gapless.play.transforms.signals import SEED, SIGNALS


@lru_cache(maxsize=REMEMBERED)
def _counted(below: int) -> Pattern[int]:
    return fastcat([pure(k) for k in range(below)])


def _run(below: Pattern[Any]) -> Pattern[Any]:
    return below.map(lambda value: _counted(count(value) or 0)).join()


def _scan(most: Pattern[Any]) -> Pattern[Any]:
    def counts(value: Any) -> Pattern[Any]:
        many = count(value) or 0
        if many <= 0:
            return silence()
        return by_cycle_of(lambda cycle: (_counted(cycle % many + 1), cycle))

    return most.map(counts).join()


def by_cycle_of(choose: Callable[[int], tuple[Pattern[Any], int]]) -> Pattern[Any]:
    """Each cycle is a cycle of some pattern: which, and which of its cycles, for a cycle's number."""

    def ask(span: Span) -> list[Event[Any]]:
        cycle = cycle_of(span.begin)
        pattern, own = choose(cycle)
        return pattern.late(cycle - own).ask(span)

    return Pattern(ask).by_cycle()


def _randcat(patterns: Sequence[Pattern[Any]]) -> Pattern[Any]:
    many = len(patterns)

    def choose(cycle: int) -> tuple[Pattern[Any], int]:
        turn = cycle + math.floor(random_at(cycle + Fraction(1, 2), SEED) * many)
        return patterns[turn % many], turn // many

    return by_cycle_of(choose) if patterns else silence()


def _ncat(counts: Sequence[Pattern[Any]], patterns: Sequence[Pattern[Any]]) -> Pattern[Any]:
    def make(*cycles: int) -> Pattern[Any]:
        lengths = [max(0, many) for many in cycles]
        ends = list(accumulate(lengths))
        if not ends or ends[-1] == 0:
            return silence()

        def choose(cycle: int) -> tuple[Pattern[Any], int]:
            turn, place = divmod(cycle, ends[-1])
            which = bisect_right(ends, place)
            begin = ends[which] - lengths[which]
            return patterns[which], turn * lengths[which] + place - begin

        return by_cycle_of(choose)

    pairs = list(zip(counts, patterns, strict=False))
    return patterned(make, *((count, many) for many, _ in pairs)) if pairs else silence()


def _time_cat(weights: Sequence[Pattern[Any]], patterns: Sequence[Pattern[Any]]) -> Pattern[Any]:
    def make(*lengths: Fraction) -> Pattern[Any]:
        return timecat(list(zip(lengths, patterns, strict=False)))

    pairs = list(zip(weights, patterns, strict=False))
    return patterned(make, *((time, weight) for weight, _ in pairs)) if pairs else silence()


def _choose(patterns: Sequence[Pattern[Any]]) -> Pattern[Any]:
    if not patterns:
        return silence()
    many = len(patterns)
    return SIGNALS["rand"].map(lambda value: patterns[math.floor(value * many)]).outer_join()


def _wchoose(patterns: Sequence[Pattern[Any]], weights: Sequence[Pattern[Any]]) -> Pattern[Any]:
    def make(*shares: float) -> Pattern[Any]:
        ends = list(accumulate(max(0.0, share) for share in shares))
        if ends[-1] <= 0:
            return silence()
        return (
            SIGNALS["rand"]
            .map(lambda value: patterns[min(bisect_right(ends, value * ends[-1]), len(ends) - 1)])
            .outer_join()
        )

    pairs = list(zip(patterns, weights, strict=False))
    return patterned(make, *((number, weight) for _, weight in pairs)) if pairs else silence()


_PATTERNS: Final = (Parameter("patterns", PATTERN, many=True),)

FAMILY: Final = (
    Transform(
        "run",
        parameters(below=INTEGER),
        _run,
        "Whole numbers from 0 and below the argument.",
        changes=False,
    ),
    Transform(
        "scan",
        parameters(most=INTEGER),
        _scan,
        "run 1, then run 2 ... up to the argument, one a cycle.",
        changes=False,
    ),
    Transform("stack", _PATTERNS, stack, "All at once.", changes=False),
    Transform("cat", _PATTERNS, slowcat, "One a cycle, in turn.", changes=False),
    Transform("slowcat", _PATTERNS, slowcat, "One a cycle, in turn.", changes=False),
    Transform("fastcat", _PATTERNS, fastcat, "All within a cycle, in turn.", changes=False),
    Transform("randcat", _PATTERNS, _randcat, "One a cycle, at random.", changes=False),
    Transform(
        "ncat",
        (Parameter("cycles", INTEGER, many=True), *_PATTERNS),
        _ncat,
        "Each for its number of cycles, in turn.",
        changes=False,
    ),
    Transform(
        "timeCat",
        (Parameter("weights", TIME, many=True), *_PATTERNS),
        _time_cat,
        "All within a cycle, each as long as its weight says.",
        changes=False,
    ),
    Transform("choose", _PATTERNS, _choose, "One at random, another at every time.", changes=False),
    Transform(
        "wchoose",
        (*_PATTERNS, Parameter("weights", NUMBER, many=True)),
        _wchoose,
        "One at random, as often as its weight says.",
        changes=False,
    ),
)
