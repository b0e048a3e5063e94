"""Continuous patterns: waves and chance, from 0 to 1.

In: nothing. Out: patterns whose events have no whole. Thread: any (pure). Source: TidalCycles 1.9, the reference page
"Oscillators"; ``perlin`` is K. Perlin's smoother step between one random number a cycle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from gapless.play.chance import random_at
from gapless.play.pattern import Pattern, signal, silence
from gapless.play.time import cycle_of
from gapless.play.transforms.arguments import INTEGER, count, parameters, patterned
from gapless.play.transforms.contract import Transform

SEED: Final = 0
"""Of ``rand`` and of all that is said to be decided by it."""


def _phase(time: Fraction) -> float:
    return float(time - cycle_of(time))


def _sine(time: Fraction) -> float:
    return (math.sin(2 * math.pi * _phase(time)) + 1) / 2


def _cosine(time: Fraction) -> float:
    # A quarter of a cycle late, which is what TidalCycles calls by this name.
    return _sine(time - Fraction(1, 4))


def _inverse_saw(time: Fraction) -> float:
    return 1 - _phase(time)


def _triangle(time: Fraction) -> float:
    return 1 - abs(1 - 2 * _phase(time))


def _square(time: Fraction) -> float:
    return float(_phase(time) >= 0.5)


def _random(time: Fraction) -> float:
    return random_at(time, SEED)


def _perlin(time: Fraction) -> float:
    cycle = cycle_of(time)
    along = _phase(time)
    smooth = along**3 * (along * (6 * along - 15) + 10)
    first = random_at(Fraction(cycle), SEED)
    return first + smooth * (random_at(Fraction(cycle + 1), SEED) - first)


SIGNALS: Final[Mapping[str, Pattern[float]]] = MappingProxyType(
    {
        "sine": signal(_sine),
        "cosine": signal(_cosine),
        "saw": signal(_phase),
        "isaw": signal(_inverse_saw),
        "tri": signal(_triangle),
        "square": signal(_square),
        "rand": signal(_random),
        "perlin": signal(_perlin),
    }
)
"""By name, once a cycle, from 0 to 1."""


def _rand() -> Pattern[float]:
    return SIGNALS["rand"]


def _perlin_noise() -> Pattern[float]:
    return SIGNALS["perlin"]


def _irand(below: Pattern[Any]) -> Pattern[Any]:
    def make(many: int) -> Pattern[int]:
        if many <= 0:
            return silence()
        return SIGNALS["rand"].map(lambda value: math.floor(value * many))

    return patterned(make, (count, below))


FAMILY: Final = (
    Transform(
        "rand", (), _rand, "Random numbers from 0 to 1, another at every time.", changes=False
    ),
    Transform(
        "irand",
        parameters(below=INTEGER),
        _irand,
        "Random whole numbers from 0 and below the argument.",
        changes=False,
    ),
    Transform("perlin", (), _perlin_noise, "Smooth chance from 0 to 1.", changes=False),
)
