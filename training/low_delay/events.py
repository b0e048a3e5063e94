"""Noises that strike: keys, knocks, paper, dishes, a drill.

In: a length in samples at 48 kHz and a seeded generator, from which every parameter is drawn. Out: float64 samples at a
root mean square of 1. Invariants: the same generator gives the same samples. Thread: any.
"""

from __future__ import annotations

import numpy as np

from .shaping import RATE_HZ, Signal, add_at, coloured, ringing, seconds_of, shaped, times, unit


def keyboard(length: int, rng: np.random.Generator) -> Signal:
    """Typing: each key goes down, strikes and comes back; a body of the table under it."""
    out = 0.02 * coloured(length, 0.7, rng)
    key_hz, body_hz = rng.uniform(1800, 5000), rng.uniform(90, 350)
    click_s, body = 10 ** rng.uniform(-3.2, -2.5), rng.uniform(0.1, 1)
    time_s = seconds_of(int(0.03 * RATE_HZ))
    at_s, gap_s = rng.uniform(0, 0.5), rng.uniform(0.06, 0.2)
    while at_s < length / RATE_HZ:
        for offset_s, level in (
            (0.0, 0.5),
            (rng.uniform(0.003, 0.012), 1.0),
            (rng.uniform(0.06, 0.12), 0.4),
        ):
            noise = rng.standard_normal(time_s.size) * np.exp(-time_s / click_s)
            hz = key_hz * rng.uniform(0.8, 1.25)
            ring = np.sin(2 * np.pi * hz * time_s) * np.exp(-time_s / 0.003)
            thud = np.sin(2 * np.pi * body_hz * time_s) * np.exp(-time_s / 0.008)
            sound = noise + 0.6 * ring + body * thud
            add_at(out, at_s + offset_s, sound * level * rng.uniform(0.5, 1.3))
        at_s += (
            0.05 + rng.exponential(gap_s) + (rng.uniform(0.3, 1.5) if rng.random() < 0.06 else 0)
        )
    return unit(out)


def knocks(length: int, rng: np.random.Generator) -> Signal:
    """Wood and doors: groups of one to five blows, each a few low tones that die away."""
    out = 0.02 * coloured(length, 1.0, rng)
    for group_s in times(length / RATE_HZ, rng.uniform(0.4, 1.2), rng):
        modes = int(rng.integers(3, 8))
        hz = rng.uniform(60, 300) * np.cumprod(rng.uniform(1.1, 1.9, modes))
        decays_s = rng.uniform(0.01, 0.08, modes)
        gap_s = rng.uniform(0.1, 0.35)
        for blow in range(int(rng.integers(1, 6))):
            sound = ringing(int(0.25 * RATE_HZ), hz, decays_s, rng.uniform(0.2, 1, modes), rng)
            attack = rng.standard_normal(sound.size) * np.exp(-seconds_of(sound.size) / 0.002)
            add_at(out, group_s + blow * gap_s, (sound + attack) * rng.uniform(0.4, 1.2))
    return unit(out)


def rustle(length: int, rng: np.random.Generator) -> Signal:
    """Paper, bags and clothes: crackles crowded into movements of 0.1 to 1 s."""
    out = 0.01 * coloured(length, 0.3, rng)
    low_hz = 10 ** rng.uniform(2.8, 3.6)
    grains = [
        shaped(int(size * RATE_HZ), lambda hz: 1 / (1 + (low_hz / hz) ** 2), rng)
        for size in (0.001, 0.002, 0.004, 0.008)
    ]
    grains = [grain * np.hanning(grain.size) for grain in grains]
    for at_s in times(length / RATE_HZ, rng.uniform(0.8, 2.5), rng):
        lasts_s = rng.uniform(0.1, 1)
        level = rng.uniform(0.3, 1)
        for crackle_s in times(lasts_s, 10 ** rng.uniform(1.7, 2.7), rng):
            grain = grains[rng.integers(len(grains))]
            add_at(out, at_s + crackle_s, grain * level * rng.exponential(1.0))
    return unit(out)


def dishes(length: int, rng: np.random.Generator) -> Signal:
    """Plates, cups and cutlery: high tones that ring for 20 to 300 ms, one or several at a time."""
    out = 0.02 * coloured(length, 0.5, rng)
    for at_s in times(length / RATE_HZ, rng.uniform(1, 4), rng):
        modes = int(rng.integers(4, 12))
        hz = np.minimum(rng.uniform(700, 4000) * np.cumprod(rng.uniform(1.05, 1.5, modes)), 20000)
        sound = ringing(
            int(0.4 * RATE_HZ),
            hz,
            10 ** rng.uniform(-2, -0.9, modes),
            rng.uniform(0.1, 1, modes),
            rng,
        )
        click = rng.standard_normal(sound.size) * np.exp(-seconds_of(sound.size) / 0.0008)
        for again_s in (0.0, *rng.uniform(0.02, 0.2, rng.integers(0, 3))):
            add_at(out, at_s + again_s, (sound + click) * rng.uniform(0.1, 1))
    return unit(out)


def drill(length: int, rng: np.random.Generator) -> Signal:
    """A hammer drill behind a wall: a motor that runs up and down, and blows at a steady rate."""
    time_s = seconds_of(length)
    out = 0.02 * coloured(length, 0.8, rng)
    start_s = rng.uniform(0, 0.5)
    while start_s < length / RATE_HZ:
        lasts_s = rng.uniform(0.8, 4)
        inside = (time_s >= start_s) & (time_s < start_s + lasts_s)
        since_s = time_s[inside] - start_s
        speed = np.minimum(1, since_s / 0.3) * np.minimum(1, (lasts_s - since_s) / 0.3 + 0.2)
        motor_hz = rng.uniform(250, 700) * speed
        phase = 2 * np.pi * np.cumsum(motor_hz) / RATE_HZ
        motor = sum(rng.uniform(0.1, 1) / k**0.5 * np.sin(k * phase) for k in range(1, 15))
        blows = np.maximum(0, np.sin(phase * rng.uniform(0.05, 0.12))) ** 8
        grit = coloured(since_s.size, rng.uniform(0, 0.5), rng) * (0.2 + 2 * blows)
        out[inside] += (0.4 * np.asarray(motor) + grit) * speed
        start_s += lasts_s + rng.uniform(0.2, 1.5)
    return unit(out)
