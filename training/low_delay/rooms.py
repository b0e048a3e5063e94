"""Rooms: impulse responses at 48 kHz by the image-source method, with a statistical tail.

In: a seeded generator. Out: responses of places in one box-shaped room, and which part of one is early.
Invariants: the direct sound arrives at sample 0 with an amplitude of 1. Thread: any.

Source: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", 1979. Images are
placed on whole samples; after 80 ms, where they crowd, noise that decays as they do takes over.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from .shaping import RATE_HZ, Signal, shaped

SOUND_M_S: Final = 343.0
IMAGES_S: Final = 0.08
"""For how long each image is computed."""

EARLY_S: Final = 0.05
"""Reflections until then help to understand speech; they are part of what the denoiser should keep."""

FADE_S: Final = 0.01


class Room(NamedTuple):
    """A box of air, where the microphone is in it, and how much sound its walls reflect."""

    size_m: Signal
    microphone_m: Signal
    reflection: float
    """Amplitude that a wall gives back."""
    rt60_s: float


def draw_room(rng: np.random.Generator) -> Room:
    """A room of 2 to 9 m with a reverberation time of 0.1 to 0.7 s."""
    size_m = rng.uniform([2.5, 2.0, 2.2], [9.0, 7.0, 3.5])
    rt60_s = rng.uniform(0.1, 0.7)
    width, depth, height = size_m
    surface = 2 * (width * depth + width * height + depth * height)
    # Eyring's formula: the share of energy that the walls must take for this time.
    absorbed = 1 - np.exp(-0.161 * width * depth * height / (surface * rt60_s))
    return Room(
        size_m, size_m * rng.uniform(0.2, 0.8, 3), float(np.sqrt(1 - absorbed)), float(rt60_s)
    )


def response(room: Room, distance_m: float, rng: np.random.Generator) -> Signal:
    """From a place about ``distance_m`` from the microphone: float64 [samples] with the direct sound first."""
    direction = rng.standard_normal(3) * [1, 1, 0.3]
    source_m = room.microphone_m + distance_m * direction / np.linalg.norm(direction)
    source_m = np.clip(source_m, 0.1, room.size_m - 0.1)
    direct_m = max(0.1, float(np.linalg.norm(source_m - room.microphone_m)))
    early = _images(room, source_m, direct_m)
    length = int((IMAGES_S + 0.7 * room.rt60_s) * RATE_HZ)
    out = np.zeros(length)
    out[: early.size] = early
    return out + _tail(room, early, length, rng)


def _images(room: Room, source_m: Signal, direct_m: float) -> Signal:
    reach_m = direct_m + IMAGES_S * SOUND_M_S
    axes, bounces = [], []
    for size, source, microphone in zip(room.size_m, source_m, room.microphone_m, strict=True):
        order = int(reach_m / (2 * size)) + 1
        n = np.arange(-order, order + 1)
        axes.append(np.concatenate([2 * n * size + source, 2 * n * size - source]) - microphone)
        bounces.append(np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)]))
    x, y, z = (axis**2 for axis in axes)
    distance_m = np.sqrt(x[:, None, None] + y[None, :, None] + z[None, None, :])
    count = bounces[0][:, None, None] + bounces[1][None, :, None] + bounces[2][None, None, :]
    near = distance_m < reach_m
    late = np.maximum(0, distance_m[near] - direct_m) / SOUND_M_S
    level = room.reflection ** count[near] * direct_m / np.maximum(distance_m[near], direct_m)
    samples = int(IMAGES_S * RATE_HZ)
    at = np.minimum((late * RATE_HZ).astype(np.int64), samples - 1)
    out = np.bincount(at, level, samples)
    out[-1] = 0  # what did not fit
    # Walls take more of the high notes: later sound is duller.
    dull = np.convolve(out, [0.25, 0.5, 0.25], mode="same")
    mix = np.minimum(1, np.arange(samples) / samples)
    out[1:] = (out * (1 - mix) + dull * mix)[1:]
    out[0] = 1.0
    return out


def _tail(room: Room, early: Signal, length: int, rng: np.random.Generator) -> Signal:
    """Noise that goes on where the images end, with their power and a cut that depends on the room."""
    window = early[early.size // 2 :]
    corner_hz = rng.uniform(3000, 9000)
    noise = shaped(length, lambda hz: 1 / np.sqrt(1 + (hz / corner_hz) ** 2), rng)
    time_s = np.arange(length) / RATE_HZ - 0.75 * IMAGES_S
    decay = 10 ** (-3 * time_s / room.rt60_s)
    rise = np.clip((time_s - 0.05 * IMAGES_S) / (0.2 * IMAGES_S), 0, 1)
    return noise * decay * np.sqrt(np.mean(window**2)) * rise


def early_part(whole: Signal) -> Signal:
    """The first 50 ms of a response, which fade out over 10 ms more."""
    keep, fade = int(EARLY_S * RATE_HZ), int(FADE_S * RATE_HZ)
    out = whole[: keep + fade].copy()
    out[keep:] *= np.linspace(1, 0, out.size - keep)
    return out
