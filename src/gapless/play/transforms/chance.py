"""Chance: events and cycles that are left out, changed or moved at random.

In: patterns. Out: patterns. Invariants: what happens is a function of the time alone; events that begin and end
together share their fate, as in TidalCycles. Thread: any (pure). Source: TidalCycles 1.9, the reference page
"Randomness".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from gapless.play.chance import random_at
from gapless.play.pattern import Event, Pattern, silence, stack
from gapless.play.time import Span, cycle_of
from gapless.play.transforms.alternation import when
from gapless.play.transforms.arguments import (
    CHANGE,
    INTEGER,
    NUMBER,
    count,
    number,
    parameters,
    patterned,
)
from gapless.play.transforms.contract import Change, Transform
from gapless.play.transforms.signals import SEED

ORDER_SEED: Final = 0x5EED
"""The first of as many seeds as ``shuffle`` has parts."""
HALF: Final = 0.5


def _fate(event: Event[Any]) -> float:
    held = event.whole or event.part
    return random_at((held.begin + held.end) / 2, SEED)


def degraded(pattern: Pattern[Any], amount: float) -> Pattern[Any]:
    """That share of the events left out."""
    return pattern.keep(lambda event: _fate(event) >= amount)


def undegraded(pattern: Pattern[Any], amount: float) -> Pattern[Any]:
    """Only the events that ``degraded`` leaves out."""
    return pattern.keep(lambda event: _fate(event) < amount)


def _degrade_by(amount: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda share: degraded(pattern, share), (number, amount))


def _undegrade_by(amount: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda share: undegraded(pattern, share), (number, amount))


def _sometimes_by(amount: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(
        lambda share: stack([degraded(pattern, share), change(undegraded(pattern, share))]),
        (number, amount),
    )


def _sometimes(share: float) -> Callable[[Change, Pattern[Any]], Pattern[Any]]:
    def apply(change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
        return stack([degraded(pattern, share), change(undegraded(pattern, share))])

    return apply


def _always(change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return change(pattern)


def _never(_change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    return pattern


def _some_cycles_by(amount: Pattern[Any], change: Change, pattern: Pattern[Any]) -> Pattern[Any]:
    changed = change(pattern)

    def make(share: float) -> Pattern[Any]:
        return when(lambda cycle: random_at(Fraction(cycle), SEED) < share, changed, pattern)

    return patterned(make, (number, amount))


def rearranged(
    pattern: Pattern[Any], parts: int, choose: Callable[[int, int], int]
) -> Pattern[Any]:
    """Each cycle in so many parts, each of them one of that cycle's.

    Args:
        pattern: is asked for the cycle's parts.
        parts: of a cycle; silence for none.
        choose: of a cycle's number and the part's in it, the number of the part to be heard.
    """
    if parts <= 0:
        return silence()

    def ask(span: Span) -> list[Event[Any]]:
        cycle = cycle_of(span.begin)
        events = []
        for slot in span.map(lambda t: t * parts).cycles():
            place = cycle_of(slot.begin) - cycle * parts
            away = Fraction(choose(cycle, place) - place, parts)
            events += pattern.early(away).ask(slot.map(lambda t: t / parts))
        return events

    return Pattern(ask).by_cycle()


def _shuffle(parts: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(many: int) -> Pattern[Any]:
        @lru_cache(maxsize=4)
        def order(cycle: int) -> list[int]:
            at = Fraction(cycle)
            return sorted(range(many), key=lambda k: random_at(at, ORDER_SEED + k))

        return rearranged(pattern, many, lambda cycle, place: order(cycle)[place])

    return patterned(make, (count, parts))


def _scramble(parts: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(many: int) -> Pattern[Any]:
        def choose(cycle: int, place: int) -> int:
            middle = cycle + Fraction(2 * place + 1, 2 * many)
            return math.floor(random_at(middle, SEED) * many)

        return rearranged(pattern, many, choose)

    return patterned(make, (count, parts))


def _degrade(pattern: Pattern[Any]) -> Pattern[Any]:
    return degraded(pattern, HALF)


def _undegrade(pattern: Pattern[Any]) -> Pattern[Any]:
    return undegraded(pattern, HALF)


_AMOUNT: Final = parameters(amount=NUMBER)
_CHANGE: Final = parameters(change=CHANGE)
_CHANCE: Final = parameters(amount=NUMBER, change=CHANGE)
_PARTS: Final = parameters(parts=INTEGER)

FAMILY: Final = (
    Transform("degrade", (), _degrade, "Half of the events left out."),
    Transform("degradeBy", _AMOUNT, _degrade_by, "A share of the events left out, 0 to 1."),
    Transform("undegrade", (), _undegrade, "Only what degrade leaves out."),
    Transform("undegradeBy", _AMOUNT, _undegrade_by, "Only what degradeBy leaves out."),
    Transform("unDegradeBy", _AMOUNT, _undegrade_by, "Only what degradeBy leaves out."),
    Transform("sometimesBy", _CHANCE, _sometimes_by, "A change to a share of the events, 0 to 1."),
    Transform("sometimes", _CHANGE, _sometimes(HALF), "A change to half of the events."),
    Transform("often", _CHANGE, _sometimes(0.75), "A change to three in four events."),
    Transform("rarely", _CHANGE, _sometimes(0.25), "A change to one in four events."),
    Transform("almostAlways", _CHANGE, _sometimes(0.9), "A change to nine in ten events."),
    Transform("almostNever", _CHANGE, _sometimes(0.1), "A change to one in ten events."),
    Transform("always", _CHANGE, _always, "A change to all events."),
    Transform("never", _CHANGE, _never, "No change."),
    Transform("someCyclesBy", _CHANCE, _some_cycles_by, "A change in a share of the cycles."),
    Transform("shuffle", _PARTS, _shuffle, "The parts of each cycle in another order."),
    Transform("scramble", _PARTS, _scramble, "Each part of a cycle replaced by any of them."),
)
