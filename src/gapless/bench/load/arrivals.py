"""When requests are due: an open loop, whose requests do not wait for answers.

In: a rate, a seed. Out: times in ascending order. Invariants: the same seed gives the same times; the parts of several
processes together are the whole (for Poisson arrivals: as random as the whole). Thread: any (pure functions).

Real callers do not know of each other: a server that stalls for a second meets all who come in that second. Whoever
only asks again when the last answer is there (a closed loop) asks once in it, and hardly notices.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Literal, TypeAlias

import msgspec

Pattern: TypeAlias = Literal["poisson", "constant"]
"""``poisson``: as callers come who do not know of each other; ``constant``: like a metronome."""


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """How requests come, in all processes together."""

    rate_per_s: float
    pattern: Pattern = "poisson"
    seed: int = 0


class Part(msgspec.Struct, frozen=True):
    """What one of several processes does."""

    number: int = 0
    """From 0."""
    of: int = 1


def schedule(arrivals: Arrivals, part: Part, begin_s: float, end_s: float) -> Iterator[float]:
    """The times of one part from ``begin_s`` on, before ``end_s``.

    A constant rate is dealt out in turn; of Poisson arrivals each part has its own at a share of the rate, for the sum
    of such is again one.
    """
    if arrivals.pattern == "constant":
        yield from _constant(arrivals, part, begin_s, end_s)
    else:
        yield from _poisson(arrivals, part, begin_s, end_s)


def _constant(arrivals: Arrivals, part: Part, begin_s: float, end_s: float) -> Iterator[float]:
    # From the number, not from the last time: errors of rounding do not add up.
    for number in count(part.number, part.of):
        due = begin_s + number / arrivals.rate_per_s
        if due >= end_s:
            return
        yield due


def _poisson(arrivals: Arrivals, part: Part, begin_s: float, end_s: float) -> Iterator[float]:
    # A text as seed: `hash` of it is not asked, so that all processes agree.
    chance = random.Random(f"{arrivals.seed}/{part.number}")
    rate = arrivals.rate_per_s / part.of
    due = begin_s
    while (due := due + chance.expovariate(rate)) < end_s:
        yield due
