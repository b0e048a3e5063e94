"""How loud a voice is from sample to sample: attack, decay, sustain, release, and the fade of one that has to go.

In: a row of samples. Out: the row, multiplied. Invariants: the envelope is a function of the voice's age alone, so its
corners lie on their samples, and nothing adds up; it is 0 before the voice begins, and from the end of the release on.
Thread: the callback's.

All parts begin and end level, so that even a short one makes no click. Attack and fade are x^2 (3 - 2 x); decay and
release are x^3 (4 - 3 x), which falls soon, as what is plucked or struck does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gapless.play.sound.bank.vector import (
    LANES,
    Vector,
    greater,
    lesser,
    load,
    ramp,
    splat,
    store,
)
from gapless.play.sound.unit import QUANTUM, Record
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]


@zone
def apply_envelope(  # noqa: PLR0917  compiled code takes its arguments by position
    own: Record, slot: int, row: Floats, at: int, fade: float, vanish: float
) -> None:
    """Multiply ``row[at : at + QUANTUM]`` by the voice's envelope and by what is left of it, ``fade``."""
    age = own.age[slot]
    # Each of them per sample, and at the first one.
    rise, fall, ebb = own.rise[slot], own.fall[slot], own.ebb[slot]
    attack = (age + 1) * rise if rise > 0 else 1.0
    decay = 1 - (age + 1 - own.attack[slot]) * fall
    release = 1 - (age - own.hold[slot]) * ebb
    sustain = own.sustain[slot]
    above = splat(np.float32(1) - sustain)
    for n in range(0, QUANTUM, LANES):
        level = swell(_line(attack + n * rise, rise)) * swell(_line(fade - n * vanish, -vanish))
        level = level * _fall(_line(release - n * ebb, -ebb))
        level = level * (splat(sustain) + above * _fall(_line(decay - n * fall, -fall)))
        store(row, at + n, load(row, at + n) * level)


@zone
def is_steady(own: Record, slot: int) -> bool:
    """Whether the envelope is at ``sustain`` for the whole quantum, and the voice does not have to go."""
    age = own.age[slot]
    settled: bool = age >= own.settled[slot] and age + QUANTUM <= own.released[slot]
    return settled and own.vanish[slot] == 0


@zone
def swell(x: Vector) -> Vector:
    """From 0 to 1, for ``x`` from 0 to 1; what lies beyond counts as 0 and 1."""
    x = lesser(greater(x, splat(np.float32(0))), splat(np.float32(1)))
    return x * x * (splat(np.float32(3)) - x - x)


@zone
def _fall(x: Vector) -> Vector:
    """The same, but soon quiet when ``x`` falls."""
    x = lesser(greater(x, splat(np.float32(0))), splat(np.float32(1)))
    return x * x * x * (splat(np.float32(4)) - x - x - x)


@zone
def _line(start: float, step: float) -> Vector:
    """Sixteen points of a line; far from 0 .. 1 they lie closer than float32 tells, and do not matter."""
    return ramp(np.float32(start), np.float32(step))
