"""Noises that go on: colours, machines, streets, weather.

In: a length in samples at 48 kHz and a seeded generator, from which every parameter is drawn. Out: float64 samples at a
root mean square of 1. Invariants: the same generator gives the same samples. Thread: any.
"""

from __future__ import annotations

import numpy as np

from .shaping import (
    RATE_HZ,
    Signal,
    add_at,
    coloured,
    harmonics,
    seconds_of,
    shaped,
    swell,
    times,
    unit,
)


def colours(length: int, rng: np.random.Generator) -> Signal:
    """White, pink, brown, blue or anything between, with a bump or a notch; one in two wanders in level."""
    slope = rng.choice([0.0, 0.5, 1.0, -0.5, rng.uniform(-0.5, 1.2)])
    centre_hz, width, bump_db = 10 ** rng.uniform(2, 4.1), rng.uniform(0.1, 1), rng.uniform(-12, 12)

    def response(hz: Signal) -> Signal:
        distance = np.log2(hz / centre_hz) / width
        return np.maximum(hz, 20.0) ** -slope * 10 ** (bump_db / 20 * np.exp(-(distance**2)))

    noise = shaped(length, response, rng)
    if rng.random() < 0.5:
        noise *= swell(length, rng.uniform(0.2, 8), rng.uniform(1, 6), rng)
    return unit(noise)


def hum(length: int, rng: np.random.Generator) -> Signal:
    """A mains frequency with up to 30 harmonics, under noise that may throb."""
    time_s = seconds_of(length)
    base_hz = rng.choice([50.0, 60.0, 100.0, 120.0]) * rng.uniform(0.995, 1.005)
    fall = rng.uniform(0.3, 1.5)
    count = int(rng.integers(5, 31))
    levels = rng.uniform(0.1, 1, count) / np.arange(1, count + 1) ** fall
    tone = harmonics(time_s, base_hz, levels, rng)
    throb = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * rng.uniform(2, 20) * time_s)
    noise = coloured(length, rng.uniform(0.2, 1), rng) * throb
    return unit(unit(tone) + rng.uniform(0.1, 1) * noise)


def fan(length: int, rng: np.random.Generator) -> Signal:
    """Air behind a low-pass, breathing slowly, with the tones of blades and motor."""
    corner_hz, steep = rng.uniform(150, 1500), rng.uniform(0.5, 1.2)
    air = shaped(length, lambda hz: (1 + (hz / corner_hz) ** 2) ** -steep, rng)
    time_s = seconds_of(length)
    depth, breath_hz = rng.uniform(0, 0.3), rng.uniform(0.3, 4)
    air *= 1 + depth * np.sin(2 * np.pi * breath_hz * time_s)
    blade_hz = rng.uniform(40, 300)
    for multiple in (1.0, 1.5, 2.0, 3.0, 4.0, rng.uniform(5, 20)):
        level = rng.uniform(0, 0.5) / np.sqrt(multiple)
        air += level * np.sin(2 * np.pi * blade_hz * multiple * time_s + rng.uniform(0, 6))
    return unit(air)


def hiss(length: int, rng: np.random.Generator) -> Signal:
    """Bursts of steam or breath, 30 ms to 1 s, over faint noise."""
    out = 0.1 * coloured(length, rng.uniform(0, 0.5), rng)
    for at_s in times(length / RATE_HZ, rng.uniform(0.5, 3), rng):
        size = int(rng.uniform(0.03, 1) * RATE_HZ)
        low_hz = 10 ** rng.uniform(2.7, 3.7)
        burst = shaped(size, lambda hz, low=low_hz: 1 / (1 + (low / hz) ** 4), rng)
        rise = np.minimum(1, np.arange(size) / (rng.uniform(0.002, 0.05) * RATE_HZ))
        end = np.minimum(1, np.arange(size)[::-1] / (rng.uniform(0.01, 0.2) * RATE_HZ))
        add_at(out, at_s, burst * rise * end * rng.uniform(0.3, 1))
    return unit(out)


def traffic(length: int, rng: np.random.Generator) -> Signal:
    """A road: rumble, and vehicles that come and go."""
    seconds = length / RATE_HZ
    time_s = seconds_of(length)
    out = rng.uniform(0.1, 0.6) * coloured(length, rng.uniform(0.8, 1.2), rng)
    for at_s in times(seconds + 4, rng.uniform(0.15, 0.6), rng) - 2:
        near = 1 / (1 + ((time_s - at_s) / rng.uniform(0.4, 2)) ** 2)
        corner_hz = rng.uniform(300, 2000)
        tyres = shaped(
            length, lambda hz, corner=corner_hz: 1 / (1 + (hz / corner) ** 2) ** 0.6, rng
        )
        engine = harmonics(
            time_s, rng.uniform(30, 120), rng.uniform(0, 1, 8) / np.arange(1, 9), rng
        )
        out += rng.uniform(0.4, 1) * near * (tyres + rng.uniform(0, 0.7) * engine)
    return unit(out)


def rain(length: int, rng: np.random.Generator) -> Signal:
    """A bed of noise with hundreds of drops a second; each drop is a click and a note of a bubble."""
    out = rng.uniform(0.1, 0.5) * coloured(length, rng.uniform(-0.1, 0.4), rng)
    time_s = seconds_of(int(0.02 * RATE_HZ))
    drops = []
    for _ in range(24):
        bubble_hz, decay_s = 10 ** rng.uniform(3, 4.1), 10 ** rng.uniform(-3.5, -2.3)
        note = np.sin(2 * np.pi * bubble_hz * time_s) * np.exp(-time_s / decay_s)
        click = rng.standard_normal(time_s.size) * np.exp(-time_s / 0.0006)
        drops.append(note * rng.uniform(0, 1) + click * rng.uniform(0.1, 1))
    for at_s in times(length / RATE_HZ, 10 ** rng.uniform(1.5, 2.7), rng):
        add_at(out, at_s, drops[rng.integers(len(drops))] * rng.exponential(1.0))
    return unit(out)


def wind(length: int, rng: np.random.Generator) -> Signal:
    """Gusts on a microphone: low rumble, and whistling whose pitch follows the strength."""
    gusts = swell(length, rng.uniform(0.5, 3), rng.uniform(4, 9), rng)
    rumble = coloured(length, rng.uniform(1.0, 1.6), rng) * gusts
    strength = np.clip(gusts, 0.2, 4)
    whistle_hz = rng.uniform(200, 700) * strength**0.4
    phase = 2 * np.pi * np.cumsum(whistle_hz) / RATE_HZ + 0.4 * np.cumsum(
        coloured(length, 1.0, rng)
    ) / np.sqrt(RATE_HZ)
    leaves = coloured(length, rng.uniform(0, 0.6), rng) * gusts
    return unit(
        rumble + rng.uniform(0, 0.4) * np.sin(phase) * gusts + rng.uniform(0.05, 0.4) * leaves
    )
