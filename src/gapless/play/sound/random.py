"""Numbers that look random, each a function of a seed and how many were drawn before.

In: seeds and counts. Out: numbers from -1 to 1, the same on every machine. Invariants: no state but the count; seeds
that differ give numbers that have nothing to do with each other. Thread: any.

Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.realtime.zone import zone

RANDOM: Final[list[tuple[Any, ...]]] = [("seed", "u8"), ("drawn", "u8")]
"""Fields of a record from whose seed numbers are drawn. The seed may be set before the record is first run."""

GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
SECOND: Final = np.uint64(0x94D049BB133111EB)
SHIFT_30: Final = np.uint64(30)
SHIFT_27: Final = np.uint64(27)
SHIFT_31: Final = np.uint64(31)
SHIFT_11: Final = np.uint64(11)
ODD: Final = np.uint64(0xD1342543DE82EF95)
ONE: Final = np.uint64(1)


def seeded(record: npt.NDArray[np.void], _rate_hz: float) -> None:
    """Give a record the seed that all have who are given no other."""
    record["seed"] = 1


@zone
def draw(seed: np.uint64, drawn: np.uint64) -> float:
    """Number ``drawn`` of a seed, from -1 up to 1."""
    mixed = (seed * ODD + drawn) * GAMMA
    mixed = (mixed ^ (mixed >> SHIFT_30)) * FIRST
    mixed = (mixed ^ (mixed >> SHIFT_27)) * SECOND
    mixed ^= mixed >> SHIFT_31
    return np.int64(mixed >> SHIFT_11) * 2.0**-52 - 1.0
