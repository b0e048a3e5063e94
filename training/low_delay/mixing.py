"""Speech and noise as a microphone gets them: the pairs that a denoiser learns from.

In: a seed, a count, a split. Out: what the microphone got, and what of it should be kept. Invariants: both have the
same length, level, microphone and delay; the same arguments in a new process give the same mixes. Thread: that of
``speech``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from . import noises, rooms, speech
from .shaping import RATE_HZ, Signal
from .splits import SPLITS, Split, families

FloatArray = npt.NDArray[np.float32]

FRAME_SAMPLES: Final = 480
"""Lengths are multiples of it: RNNoise takes 10 ms at a time."""

CLIPPED: Final = 0.03
"""How many microphones are overloaded, by 0.5 to 6 dB."""


class Mix(NamedTuple):
    """A pair, and how it was made."""

    clean: FloatArray
    """Float32 at 48 kHz: speech with its early reflections."""
    noisy: FloatArray
    """Float32 at 48 kHz: the speech with all of the room, and the noise."""
    speaker: str
    kind: str
    """``person`` or ``synthetic``."""
    family: str
    snr_db: float
    in_room: bool


class Recipe(NamedTuple):
    """What is fixed about a mix; all else is drawn."""

    split: Split
    family: str
    snr_db: float
    kind: str = "synthetic"
    seconds: float = 8.0
    lead_s: float = 0.5
    """Noise alone before the speech."""


def pairs(seed: int, count: int, split: Split, recordings: Path | None = None) -> Iterator[Mix]:
    """Mixes at random: noise of any family of the split at -5 to 20 dB; in one of 20 hardly any noise.

    Args:
        seed: the same seed gives the same mixes in a new process.
        count: how many.
        split: whose speakers, languages and noises.
        recordings: a folder that ``fetch`` filled; then two mixes in five have a person's voice.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    for _ in range(count):
        faint = rng.random() < 0.05
        recipe = Recipe(
            split,
            family=str(rng.choice(families(split))),
            snr_db=rng.uniform(25, 45) if faint else rng.uniform(-5, 20),
            kind="person" if recordings and rng.random() < 0.4 else "synthetic",
            lead_s=rng.uniform(0.1, 1.0),
        )
        yield mix(recipe, rng, recordings)


def mix(recipe: Recipe, rng: np.random.Generator, recordings: Path | None = None) -> Mix:
    """One mix: two in three in a room, through a microphone with its own curve, at -45 to -15 dBFS.

    Raises:
        FileNotFoundError: a person is wanted and ``recordings`` has none of this split.
    """
    length = int(recipe.seconds * RATE_HZ) // FRAME_SAMPLES * FRAME_SAMPLES
    lead = int(recipe.lead_s * RATE_HZ)
    said = _speech(recipe, random.Random(int(rng.integers(2**62))), length - lead, recordings)
    dry = np.concatenate([np.zeros(lead), said.samples])
    noise = noises.make(recipe.family, length, rng, recipe.split)
    in_room = bool(rng.random() < 2 / 3)
    wet = clean = dry
    if in_room:
        room = rooms.draw_room(rng)
        whole = rooms.response(room, 10 ** rng.uniform(-0.7, 0.4), rng)
        wet, clean = (fftconvolve(dry, h)[:length] for h in (whole, rooms.early_part(whole)))
        if rng.random() < 0.5:
            noise = fftconvolve(noise, rooms.response(room, rng.uniform(1, 4), rng))[:length]
    noise *= np.sqrt(active_power(wet) / 10 ** (recipe.snr_db / 10) / np.mean(noise**2))
    clean, noisy = _through_microphone(clean, wet + noise, rng)
    return Mix(clean, noisy, said.speaker, said.kind, recipe.family, float(recipe.snr_db), in_room)


def _speech(
    recipe: Recipe, rng: random.Random, length: int, recordings: Path | None
) -> speech.Spoken:
    if recipe.kind == "synthetic":
        return speech.synthetic(rng, recipe.split, length)
    if recordings is None:
        raise FileNotFoundError(
            "people need recordings; give the folder that `python -m low_delay.fetch` filled"
        )
    return speech.person(rng, recipe.split, length, recordings)


def active_power(samples: npt.NDArray[np.floating]) -> float:
    """Mean square of the 20 ms frames that are at most 40 dB below the loudest."""
    frames = samples[: samples.size // 960 * 960].reshape(-1, 960)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(power[power >= power.max() * 1e-4].mean())


def _through_microphone(
    clean: Signal, noisy: Signal, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Curve, level, self-noise, and now and then clipping."""
    curve = _curve(rng)
    clean, noisy = (fftconvolve(samples, curve)[: samples.size] for samples in (clean, noisy))
    gain = np.sqrt(10 ** (rng.uniform(-45, -15) / 10) / active_power(clean))
    loudest = float(np.abs(noisy).max())
    overload_db = rng.uniform(0.5, 6)
    ceiling = 10 ** (overload_db / 20) if rng.random() < CLIPPED else 0.98
    gain = ceiling / loudest if ceiling > 1 else min(gain, ceiling / loudest)
    noisy = noisy * gain + 10 ** (rng.uniform(-100, -75) / 20) * rng.standard_normal(noisy.size)
    return (clean * gain).astype(np.float32), np.clip(noisy, -1, 1).astype(np.float32)


def _curve(rng: np.random.Generator) -> Signal:
    """A causal response of 4 ms: a low cut, a tilt and three bumps, of minimum phase so that it adds no delay."""
    size = 2048
    hz = np.maximum(np.fft.rfftfreq(size, 1 / RATE_HZ), 10.0)
    octaves = np.log2(hz / 1000)
    level_db = rng.uniform(-1.5, 1.5) * octaves
    level_db -= 10 * np.log10(1 + (rng.uniform(20, 150) / hz) ** 4)
    for _ in range(3):
        bump = (octaves - rng.uniform(-3, 4)) / rng.uniform(0.2, 1.5)
        level_db += rng.uniform(-6, 6) * np.exp(-(bump**2))
    cepstrum = np.fft.irfft(level_db * np.log(10) / 20, size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:192]
    response[96:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(96) / 96)
    return response
