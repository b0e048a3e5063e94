"""What all families of noise are made of: coloured noise, slow changes of level, sounds at random times.

In: a seeded generator. Out: float64 samples at 48 kHz. Invariants: the same generator gives the same samples.
Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len

Signal = npt.NDArray[np.float64]

RATE_HZ: Final = 48000


def unit(samples: npt.NDArray[np.floating]) -> Signal:
    """The samples at a root mean square of 1; silence stays silence."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return np.asarray(samples, np.float64) / (level or 1.0)


def shaped(length: int, response: Callable[[Signal], Signal], rng: np.random.Generator) -> Signal:
    """Noise with the amplitudes that ``response`` gives for frequencies in Hz, at a root mean square of 1."""
    size = next_fast_len(length + length % 2, real=True)
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    hz[0] = hz[1]
    spectrum = rng.standard_normal(hz.size) + 1j * rng.standard_normal(hz.size)
    gains = response(hz)
    gains[0] = 0
    return unit(irfft(spectrum * gains, size)[:length])


def coloured(length: int, slope: float, rng: np.random.Generator) -> Signal:
    """Noise whose amplitude goes with the frequency to the power of ``-slope``, from 20 Hz up."""
    return shaped(length, lambda hz: np.maximum(hz, 20.0) ** -slope, rng)


def swell(length: int, rate_hz: float, depth_db: float, rng: np.random.Generator) -> Signal:
    """A factor that wanders: a random curve with ``rate_hz`` turns a second and a spread of ``depth_db``."""
    points = max(2, int(length / RATE_HZ * rate_hz) + 2)
    curve = np.interp(
        np.linspace(0, points - 1, length), np.arange(points), rng.standard_normal(points)
    )
    return 10 ** (depth_db * curve / 20)


def times(seconds: float, per_second: float, rng: np.random.Generator) -> Signal:
    """Moments in seconds, as many as ``per_second`` says on average, independent of each other."""
    return np.sort(rng.uniform(0, seconds, rng.poisson(seconds * per_second)))


def seconds_of(length: int) -> Signal:
    """The time of each sample in seconds."""
    return np.arange(length) / RATE_HZ


def add_at(out: Signal, at_s: float, sound: Signal) -> None:
    """Mix a sound in; what goes past the end is lost."""
    start = int(at_s * RATE_HZ)
    sound = sound[: max(0, out.size - start)]
    out[start : start + sound.size] += sound


def ringing(
    length: int, hz: Signal, decays_s: Signal, levels: Signal, rng: np.random.Generator
) -> Signal:
    """A struck body: a sum of sines that die away."""
    time_s = seconds_of(length)[:, None]
    phases = rng.uniform(0, 2 * np.pi, hz.size)
    return (levels * np.exp(-time_s / decays_s) * np.sin(2 * np.pi * hz * time_s + phases)).sum(
        axis=1
    )


def harmonics(time_s: Signal, base_hz: float, levels: Signal, rng: np.random.Generator) -> Signal:
    """A steady tone: its harmonics from the first, at random phases."""
    # One period, read as often as needed: a sine of every sample costs ten times as much.
    steps = 4096
    angle = 2 * np.pi * np.arange(steps) / steps
    phases = rng.uniform(0, 2 * np.pi, levels.size)
    numbers = np.arange(1, levels.size + 1)
    period = (levels * np.sin(np.outer(angle, numbers) + phases)).sum(axis=1)
    position = np.mod(time_s * base_hz, 1.0) * steps
    return np.interp(position, np.arange(steps + 1), np.append(period, period[0]))
