"""What the microphone of a bench hears: speech that comes with Gapless, a voice that never pauses, and noises.

In: lengths and levels. Out: float32 mono at 48 kHz. Invariants: always the same samples. Thread: any.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.bench.speech import read_utterances, stream_of

RATE_HZ: Final = 48_000
SEED: Final = 3

Curve: TypeAlias = npt.NDArray[np.float64]
Noise: TypeAlias = Literal["white", "pink", "hum and clicks"]
NOISES: Final[tuple[Noise, ...]] = get_args(Noise)

VOWEL_S: Final = 10
HARMONICS: Final = 39
CLICKS_PER_S: Final = 4
CLICK_SAMPLES: Final = 48


def speech(seconds: float, *, noise_db: float | None = None) -> Samples:
    """Speech that comes with Gapless, from its begin.

    It was made at 16 kHz: there is nothing over 8 kHz but noise.

    Args:
        seconds: length; where there is no more speech, it is less.
        noise_db: level of white noise over it, below full scale; None: none.
    """
    import soxr

    parts: list[Samples] = []
    missing = round(seconds * LISTEN_RATE_HZ)
    for utterance in read_utterances():
        if missing <= 0:
            break
        parts.append((utterance[:missing] / 32_768).astype(np.float32))
        missing -= len(parts[-1])
    said: Samples = soxr.resample(np.concatenate(parts), LISTEN_RATE_HZ, RATE_HZ)
    if noise_db is not None:
        said = said + noise("white", len(said)) * np.float32(10 ** (noise_db / 20))
    return said.astype(np.float32)


def speech_with_pauses(seconds: float) -> Samples:
    """Speech that comes with Gapless, with pauses between the utterances, in which one hears what is left of noise.

    Args:
        seconds: length; a single utterance may make it longer.
    """
    import soxr

    said = stream_of(SEED, read_utterances(), seconds).astype(np.float32) / np.float32(32_768)
    resampled: Samples = soxr.resample(said, LISTEN_RATE_HZ, RATE_HZ)
    return resampled.astype(np.float32)


def vowel() -> Samples:
    """Ten seconds of a voice that glides through vowels and never pauses; denoisers take it for speech.

    Played again and again it has no seam: all its periods fit into ten seconds.
    """
    time_s = np.arange(VOWEL_S * RATE_HZ) / RATE_HZ

    def sway(hz: float, phase: float = 0.0) -> Curve:
        curve: Curve = np.sin(2 * np.pi * hz * time_s + phase)
        return curve

    pitch_hz = 130 + 25 * sway(0.7) + 10 * sway(2.3)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants = (
        (1.0, 500 + 200 * sway(1.3), 80),
        (0.5, 1500 + 500 * sway(1.9, 1.0), 120),
        (0.25, 2500 + 200 * sway(0.9), 160),
    )
    voice = np.zeros(len(time_s))
    for k in range(1, HARMONICS + 1):
        level = np.full(len(time_s), 0.01)
        for share, centre_hz, width_hz in formants:
            level += share / (1 + ((k * pitch_hz - centre_hz) / width_hz) ** 2)
        voice += level * np.sin(k * phase)
    voice *= 0.6 + 0.4 * sway(4)
    return np.asarray(0.1 * voice / np.sqrt(np.mean(voice**2)), np.float32)


def noise(kind: Noise, n_samples: int) -> Samples:
    """Noise whose root mean square is 1: float32 [n_samples].

    Args:
        kind: "white"; "pink": as much in every octave; "hum and clicks": mains and what a bad contact does.
        n_samples: at least one.
    """
    chance = np.random.default_rng(SEED)
    made = chance.standard_normal(n_samples)
    if kind == "pink":
        hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
        made = np.fft.irfft(np.fft.rfft(made) / np.sqrt(np.maximum(hz, 20)), n_samples)
    elif kind == "hum and clicks":
        time_s = np.arange(n_samples) / RATE_HZ
        hum = np.sum([np.sin(2 * np.pi * 50 * k * time_s) / k for k in (1, 2, 3, 5, 7)], axis=0)
        fall = np.exp(-np.arange(CLICK_SAMPLES) / 8)
        clicks = np.zeros(n_samples + CLICK_SAMPLES)
        for start in chance.integers(0, n_samples, 1 + n_samples * CLICKS_PER_S // RATE_HZ):
            clicks[start : start + CLICK_SAMPLES] += 3 * chance.choice([-1, 1]) * fall
        made = hum + clicks[:n_samples] + 0.05 * made
    return np.asarray(made / np.sqrt(np.mean(made**2)), np.float32)
