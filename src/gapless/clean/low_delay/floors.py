"""What the noise is, by two opinions: RNNoise's gains, and the quietest moment of the last second.

In: band energies; gains, when they come. Out: the state's floors. Invariants: without gains the first opinion
drifts to the second within a fifth of a second; gains are compared with the energies of the moment that they were
made for, however late they come. Thread: the callback's.

Source of the second: R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
statistics", IEEE Transactions on Speech and Audio Processing 9, 2001, in its simplest form.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.bands import BANDS, HOP_SAMPLES
from gapless.clean.low_delay.state import ENERGY_HOPS, QUIET_PARTS, State
from gapless.realtime.zone import zone

KEPT: Final = np.float32(0.95)
"""Of the floor, at each frame of gains: a time constant of 0.2 s."""
EARLY_FRAMES: Final = 20
"""The floor is the mean of what it heard so far until there are so many."""
SMOOTH: Final = np.float32(0.967)
"""Of the smoothed energies, at each hop: a time constant of 60 ms."""
PART_HOPS: Final = 75
"""0.15 s; eight of them are 1.2 s."""
BIAS: Final = np.float32(1.6)
"""Mean of a noise, as a multiple of its minimum over that time."""
DRIFT: Final = np.float32(0.02)
"""From the first opinion to the second, at each hop without gains."""
GAINS_KEPT_SAMPLES: Final = 1920
"""40 ms: older gains are as good as none."""


@zone
def set_gains(state: State, gains: npt.NDArray[np.float32], vad: float, position: int) -> None:
    """Hear what RNNoise thought of the audio up to a moment.

    Args:
        state: a record of ``STATE``.
        gains: float32 [BANDS], 0..1.
        vad: its probability of speech, 0..1.
        position: samples of this stream that it had heard then, counted from 0. A moment that is not after that of
            the last call, or that the stream has not reached, is not taken.
    """
    hop = position // HOP_SAMPLES - 1
    if position <= state["position"] or hop >= state["hops"] or hop < 0:
        return
    held = state["gains"]
    for b in range(BANDS):
        held[1, b] = held[0, b]
        held[0, b] = min(max(gains[b], np.float32(0.0)), np.float32(1.0))
    state["vad"] = min(max(vad, 0.0), 1.0)
    state["position"] = position
    state["frames"] += 1
    if state["hops"] - hop > ENERGY_HOPS:
        return
    energies = state["energies"][hop % ENERGY_HOPS]
    floor = state["floor"]
    count = state["floor_frames"]
    kept = KEPT
    if count < EARLY_FRAMES:
        kept = min(kept, np.float32(1.0) - np.float32(1.0) / np.float32(count + 1.5))
    for b in range(BANDS):
        speech = held[0, b] * held[0, b]
        a = kept + (np.float32(1.0) - kept) * speech
        floor[b] = a * floor[b] + (np.float32(1.0) - a) * (np.float32(1.0) - speech) * energies[b]
    state["floor_frames"] = count + 1


@zone
def age_samples(state: State) -> int:
    """How far the newest gains lie behind the newest hop's end; ``GAINS_KEPT_SAMPLES`` or more if there are none."""
    if state["frames"] == 0:
        return GAINS_KEPT_SAMPLES
    age: int = state["hops"] * HOP_SAMPLES - state["position"]
    return age


@zone
def follow_quiet(state: State) -> None:
    """Take note of the newest hop's energies."""
    hop = state["hops"] - 1
    energies = state["energies"][hop % ENERGY_HOPS]
    smooth, quiet = state["smooth"], state["quiet"]
    least, floor = state["quiet_floor"], state["floor"]
    if hop == 0:
        for b in range(BANDS):
            smooth[b] = energies[b]
            floor[b] = energies[b]
            for part in range(QUIET_PARTS):
                quiet[part, b] = energies[b]
    part = (hop // PART_HOPS) % QUIET_PARTS
    begins = hop % PART_HOPS == 0
    for b in range(BANDS):
        smooth[b] = SMOOTH * smooth[b] + (np.float32(1.0) - SMOOTH) * energies[b]
        if begins or smooth[b] < quiet[part, b]:
            quiet[part, b] = smooth[b]
    for b in range(BANDS):
        minimum = quiet[0, b]
        for p in range(1, QUIET_PARTS):
            minimum = min(minimum, quiet[p, b])
        least[b] = BIAS * minimum
    if age_samples(state) >= GAINS_KEPT_SAMPLES:
        state["frames"] = 0
        for b in range(BANDS):
            floor[b] += DRIFT * (least[b] - floor[b])
