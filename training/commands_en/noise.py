"""Sounds that say nothing: coloured noise, hum, music and babble, all made here.

In: a random generator. Out: samples at 16 kHz with a root mean square of 1.
Invariants: the same generator gives the same samples. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from .features import SAMPLE_RATE

FloatArray = npt.NDArray[np.float32]

SLOPES: Final = {"white": 0.0, "pale": 0.25, "pink": 0.5, "rose": 0.75, "brown": 1.0}
"""Exponents of 1/f of the amplitude of each colour."""

SCALES: Final = [[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 3, 5, 6, 7, 10]]


def normalised(samples: npt.NDArray[np.floating]) -> FloatArray:
    """The samples at a root mean square of 1."""
    return (samples / max(1e-9, float(np.sqrt((samples**2).mean())))).astype(np.float32)


def coloured(length: int, slope: float, rng: np.random.Generator) -> FloatArray:
    """Noise whose amplitude falls with the frequency to the power of ``slope``, from 20 Hz."""
    hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[1:] /= hz[1:] ** slope
    spectrum[hz < 20] = 0
    return normalised(np.fft.irfft(spectrum, length))


def hum(length: int, rng: np.random.Generator) -> FloatArray:
    """Machines: harmonics of a mains frequency under noise that throbs. Kept for the test."""
    time_s = np.arange(length) / SAMPLE_RATE
    base_hz = rng.choice([50.0, 60.0, 100.0, 120.0])
    tone = sum(
        rng.uniform(0.2, 1) / k**0.7 * np.sin(2 * np.pi * base_hz * k * time_s + rng.uniform(0, 6))
        for k in range(1, 16)
    )
    throb = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(3, 17) * time_s)
    return normalised(normalised(np.asarray(tone)) + coloured(length, 0.4, rng) * throb)


def music(seconds: float, rng: np.random.Generator) -> FloatArray:
    """Pieces of 10 to 20 s one after the other; one in six is a telephone's hold or dial tone."""
    length = int(seconds * SAMPLE_RATE)
    out = np.zeros(length, np.float32)
    start = 0
    while start < length:
        count = int(rng.uniform(10, 20) * SAMPLE_RATE)
        piece = _tones(count, rng) if rng.random() < 1 / 6 else _piece(count, rng)
        piece = normalised(piece)[: length - start]
        out[start : start + piece.size] = piece
        start += count
    return normalised(out)


def babble(
    voices: list[Iterator[FloatArray]], seconds: float, rng: np.random.Generator
) -> FloatArray:
    """Everybody talks at once: each voice speaks without rest, at its own level."""
    length = int(seconds * SAMPLE_RATE)
    total = np.zeros(length, np.float32)
    for voice in voices:
        level = 10 ** (rng.uniform(-4, 4) / 20)
        start = 0
        while start < length:
            samples = normalised(next(voice))[: length - start] * level
            total[start : start + samples.size] += samples
            start += samples.size + int(rng.uniform(0, 0.2) * SAMPLE_RATE)
    return normalised(total)


def _piece(length: int, rng: np.random.Generator) -> FloatArray:
    """Chords, a tune, a bass and drums over one tempo; each part may be missing."""
    out = np.zeros(length, np.float32)
    beat_s = 60 / rng.uniform(60, 170)
    root = rng.integers(45, 58)
    scale = SCALES[rng.integers(len(SCALES))]
    has_chords, has_tune, has_bass, has_drums = rng.random(4) < (0.8, 0.8, 0.6, 0.6)
    if not (has_chords or has_drums):
        has_tune = True
    timbres = [_timbre(rng) for _ in range(3)]
    beats = int(length / SAMPLE_RATE / beat_s)
    degree = 0
    for beat in range(beats):
        at_s = beat * beat_s
        if beat % 4 == 0:
            degree = int(rng.integers(len(scale)))
            if has_chords:
                for third in (0, 2, 4):
                    note = root + _step(scale, degree + third)
                    _add(out, at_s, _note(note, 4 * beat_s, timbres[0], rng) * 0.5)
        if has_bass:
            _add(out, at_s, _note(root + _step(scale, degree) - 12, beat_s, timbres[1], rng) * 0.8)
        if has_tune:
            split = int(rng.choice([1, 1, 2, 4]))
            for part in range(split):
                if rng.random() < 0.8:
                    note = root + 12 + _step(scale, int(rng.integers(-3, 10)))
                    tone = _note(note, beat_s / split, timbres[2], rng)
                    _add(out, at_s + part * beat_s / split, tone)
        if has_drums:
            _add(out, at_s, _kick() if beat % 2 == 0 else _snare(rng))
            for half in (0.0, 0.5):
                _add(out, at_s + half * beat_s, _snare(rng, 0.03) * 0.3)
    return out


def _step(scale: list[int], degree: int) -> int:
    return scale[degree % len(scale)] + 12 * (degree // len(scale))


def _timbre(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], float, float, float]:
    """Strengths of harmonics, attack and decay in seconds, and depth of the vibrato."""
    partials = int(rng.integers(1, 14))
    strengths = rng.uniform(0.1, 1, partials) / np.arange(1, partials + 1) ** rng.uniform(0.3, 2)
    return (
        strengths,
        rng.uniform(0.002, 0.15),
        rng.uniform(0.1, 3),
        rng.choice([0, 0, rng.uniform(0, 0.01)]),
    )


def _note(
    midi: float,
    seconds: float,
    timbre: tuple[npt.NDArray[np.float64], float, float, float],
    rng: np.random.Generator,
) -> FloatArray:
    strengths, attack_s, decay_s, vibrato = timbre
    time_s = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hz = 440 * 2 ** ((midi - 69) / 12)
    phase = 2 * np.pi * hz * time_s + vibrato * hz / 5 * np.sin(2 * np.pi * 5 * time_s)
    tone = np.zeros(time_s.size)
    for harmonic, strength in enumerate(strengths, 1):
        if hz * harmonic < 7800:
            tone += strength * np.sin(harmonic * phase + rng.uniform(0, 6))
    release = np.minimum(1, (seconds - time_s) / 0.02)
    envelope = np.minimum(1, time_s / attack_s) * np.exp(-time_s / decay_s) * release
    return (tone * envelope).astype(np.float32)


def _kick() -> FloatArray:
    time_s = np.arange(int(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    return (
        2
        * np.sin(2 * np.pi * (50 * time_s + 6 * (1 - np.exp(-time_s * 30))))
        * np.exp(-time_s * 18)
    ).astype(np.float32)


def _snare(rng: np.random.Generator, decay_s: float = 0.08) -> FloatArray:
    time_s = np.arange(int(decay_s * 4 * SAMPLE_RATE)) / SAMPLE_RATE
    return (rng.standard_normal(time_s.size) * np.exp(-time_s / decay_s)).astype(np.float32)


def _tones(length: int, rng: np.random.Generator) -> FloatArray:
    """A telephone: two tones at once, steady or with a cadence."""
    time_s = np.arange(length) / SAMPLE_RATE
    first, second = rng.choice([350, 440, 480, 620, 697, 770, 852, 941, 1209, 1336, 1477], 2)
    tone = np.sin(2 * np.pi * first * time_s) + np.sin(2 * np.pi * second * time_s)
    on_s, period_s = rng.uniform(0.1, 2), rng.uniform(0.2, 5)
    keyed = np.where(np.mod(time_s, period_s) < on_s, 1.0, 0.0)
    return (tone * keyed).astype(np.float32)


def _add(out: FloatArray, at_s: float, sound: FloatArray) -> None:
    start = int(at_s * SAMPLE_RATE)
    sound = sound[: max(0, out.size - start)]
    out[start : start + sound.size] += sound
