"""Every family of noise by its name.

In: a family, a length in samples at 48 kHz, a seeded generator, and the split whose voices a babble may have.
Out: float64 samples at a root mean square of 1. Invariants: ``splits`` says which families a split may hear.
Thread: that of ``speech``, for babble.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import numpy as np

from . import events, speech, steady, tones
from .shaping import Signal, coloured, unit
from .splits import Split

MAKERS: Final[dict[str, Callable[[int, np.random.Generator], Signal]]] = {
    "coloured": steady.colours,
    "hum": steady.hum,
    "fan": steady.fan,
    "keyboard": events.keyboard,
    "knocks": events.knocks,
    "hiss": steady.hiss,
    "traffic": steady.traffic,
    "music": tones.music,
    "rustle": events.rustle,
    "dishes": events.dishes,
    "rain": steady.rain,
    "siren": tones.siren,
    "drill": events.drill,
    "wind": steady.wind,
}
"""All but ``babble``, which needs speakers."""


def make(family: str, length: int, rng: np.random.Generator, split: Split) -> Signal:
    """Noise of a family."""
    if family == "babble":
        return babble(length, rng, split)
    return MAKERS[family](length, rng)


def babble(length: int, rng: np.random.Generator, split: Split) -> Signal:
    """Four to eight synthetic voices of the split at once, each at its own level, and the noise of a room."""
    voices = random.Random(int(rng.integers(2**62)))
    total = rng.uniform(0.05, 0.3) * coloured(length, 0.6, rng)
    for _ in range(rng.integers(4, 9)):
        total += unit(speech.synthetic(voices, split, length).samples) * rng.uniform(0.5, 1.5)
    return unit(total)
