"""What the network hears in a hop.

In: the state after ``analyse`` and ``follow_quiet``. Out: its features, all of them small numbers. Invariants:
levels are relative to the noise, but for one; gains that are missing are zeros, and a feature says so. Thread: the
callback's.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gapless.clean.low_delay.bands import BANDS
from gapless.clean.low_delay.floors import GAINS_KEPT_SAMPLES, age_samples
from gapless.clean.low_delay.state import ENERGY_HOPS, State
from gapless.realtime.zone import zone

LEAST: Final = -2.0
MOST: Final = 4.0
"""Powers of ten between which a ratio of energies says anything."""


@zone
def describe(state: State) -> None:
    """Write the state's features."""
    features = state["features"]
    energies = state["energies"][(state["hops"] - 1) % ENERGY_HOPS]
    short, floor, quiet = state["short_energies"], state["floor"], state["quiet_floor"]
    gains = state["gains"]
    age = age_samples(state)
    present = age < GAINS_KEPT_SAMPLES
    first = np.float32(1.0) if present else np.float32(0.0)
    second = np.float32(1.0) if present and state["frames"] > 1 else np.float32(0.0)
    total = 0.0
    for b in range(BANDS):
        noise = math.log10(floor[b] + np.float32(1e-12))
        features[b] = first * gains[0, b]
        features[BANDS + b] = second * gains[1, b]
        features[2 * BANDS + b] = min(max(math.log10(energies[b]) - noise, LEAST), MOST)
        features[3 * BANDS + b] = min(max(math.log10(short[b]) - noise, LEAST), MOST)
        features[4 * BANDS + b] = min(max(math.log10(quiet[b]) - noise, LEAST), MOST)
        total += energies[b]
    features[5 * BANDS] = first * np.float32(state["vad"])
    features[5 * BANDS + 1] = first
    features[5 * BANDS + 2] = second
    features[5 * BANDS + 3] = np.float32(min(age, GAINS_KEPT_SAMPLES)) / np.float32(480.0)
    features[5 * BANDS + 4] = math.log10(total)
