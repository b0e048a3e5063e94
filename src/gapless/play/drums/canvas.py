"""What drums are made of: decays, sines that glide, noise, squares, filters.

In: lengths, frequencies, a seed. Out: float64 waves at one rate. Invariants: the same seed gives the same; nothing
above half the rate is made, so nothing is mirrored back: squares end with their last harmonic below it, and filters
are the responses of analogue ones, multiplied in the frequency domain. Thread: any (each has its own).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

Wave: TypeAlias = npt.NDArray[np.float64]
Drum: TypeAlias = npt.NDArray[np.float32]
"""What is ready to be played, mono."""

LN_1000: Final = math.log(1000)
HIGHEST: Final = 0.45
"""Of the rate: filters' frequencies are bounded there, and tones above it are silent."""
TABLE: Final = 4096
"""Samples of one period of a square, between which is interpolated."""
FRACTION_BITS: Final = 20
"""Of a phase of 32 bits: what is left below the place in the table."""
RING_S: Final = 0.2
"""How long the filters used here sound on, at most; silence that keeps the end from wrapping to the begin."""
GRAIN: Final = 4096
"""Transforms are multiples of it, which makes them quick."""

PEAK: Final = 10 ** (-6 / 20)
"""-3 dBFS."""
LOWEST_HZ: Final = 20.0
FADE_IN_S: Final = 0.0003
FADE_OUT_S: Final = 0.01


@final
class Canvas:
    """The time in which one drum sounds.

    Args:
        length_s: of all of it.
        rate_hz: of the samples.
        seed: of its noise.
    """

    def __init__(self, length_s: float, rate_hz: float, seed: int) -> None:
        self.rate_hz: Final = rate_hz
        self.time: Final[Wave] = np.arange(round(length_s * rate_hz)) / rate_hz
        """Seconds."""
        self.random: Final = np.random.default_rng(seed)
        self._analysed: Wave | None = None
        self._spectrum: npt.NDArray[np.complex128] = np.empty(0, np.complex128)

    def decay(self, t60_s: float, *, start_s: float = 0.0) -> Wave:
        """1 at ``start_s``, 0 before it, 60 dB less ``t60_s`` later."""
        silent = min(round(start_s * self.rate_hz), len(self.time))
        wave = np.zeros_like(self.time)
        np.exp(self.time[: len(wave) - silent] * (-LN_1000 / t60_s), out=wave[silent:])
        return wave

    def glide(self, hz: float, *parts: tuple[float, float]) -> Wave:
        """A frequency that falls to ``hz``; each part: how much higher it begins, and its time constant in seconds."""
        above = sum((by * np.exp(-self.time / time_s) for by, time_s in parts), np.zeros(1))
        return hz * (1 + above * np.ones_like(self.time))

    def tone(self, hz: float | Wave) -> Wave:
        """A sine from phase 0; silent where its frequency is too high for the rate."""
        frequency = np.broadcast_to(np.asarray(hz, np.float64), self.time.shape)
        phase = np.cumsum(frequency) - frequency
        wave: Wave = np.sin(phase * (2 * math.pi / self.rate_hz))
        wave[frequency > HIGHEST * self.rate_hz] = 0.0
        return wave

    def modes(self, hz: float | Wave, *modes: tuple[float, float, float]) -> Wave:
        """Sines that die away: each of a ratio to ``hz``, a level, and the seconds until it has lost 60 dB."""
        wave = np.zeros_like(self.time)
        for ratio, level, t60_s in modes:
            wave += level * self.tone(ratio * hz) * self.decay(t60_s)
        return wave

    def noise(self) -> Wave:
        """White, of variance 1."""
        return self.random.standard_normal(len(self.time))

    def squares(self, frequencies_hz: Sequence[float]) -> Wave:
        """Square waves together, each from a phase of its own."""
        wave = np.zeros(len(self.time), np.float32)
        count = np.arange(len(self.time), dtype=np.uint32)
        for hz in frequencies_hz:
            # A period is 2^32, so that a phase wraps by itself.
            step, start = (
                np.uint32(round(periods * 2**32))
                for periods in (hz / self.rate_hz, self.random.random())
            )
            phase = count * step + start
            place = (phase >> FRACTION_BITS).astype(np.intp)
            between = (phase & (2**FRACTION_BITS - 1)).astype(np.float32) * np.float32(
                2.0**-FRACTION_BITS
            )
            table = square_period(int(HIGHEST * self.rate_hz / hz))
            low = table[place]
            wave += low + between * (table[place + 1] - low)
        return wave.astype(np.float64)

    def low_pass(self, wave: Wave, hz: float, q: float = math.sqrt(0.5)) -> Wave:
        """Of second order."""
        return self._filtered(wave, hz, q, (1, 0, 0))

    def band_pass(self, wave: Wave, hz: float, q: float = 1.0) -> Wave:
        """Of second order, 1 at its middle."""
        return self._filtered(wave, hz, q, (0, 1 / q, 0))

    def high_pass(self, wave: Wave, hz: float, q: float = math.sqrt(0.5)) -> Wave:
        """Of second order."""
        return self._filtered(wave, hz, q, (0, 0, 1))

    def _filtered(self, wave: Wave, hz: float, q: float, above: tuple[float, float, float]) -> Wave:
        needed = len(wave) + round(RING_S * self.rate_hz)
        size = -(-needed // GRAIN) * GRAIN
        s = 1j * np.fft.rfftfreq(size, 1 / self.rate_hz) / min(hz, HIGHEST * self.rate_hz)
        response = (above[0] + above[1] * s + above[2] * s * s) / (1 + s / q + s * s)
        # Several bands of one wave, which nobody changes in between, take one transform.
        if wave is not self._analysed:
            self._analysed, self._spectrum = wave, np.fft.rfft(wave, size)
        return np.fft.irfft(self._spectrum * response, size)[: len(wave)]

    def finished(self, wave: Wave) -> Drum:
        """Ready to be played: without offset, from zero to zero, as loud as ``PEAK``."""
        wave = self.high_pass(wave, LOWEST_HZ)
        fade_in, fade_out = (
            np.clip(time / fade_s, 0, 1)
            for time, fade_s in ((self.time, FADE_IN_S), (self.time[::-1], FADE_OUT_S))
        )
        window = np.sin(fade_in * math.pi / 2) ** 2 * np.sin(fade_out * math.pi / 2) ** 2
        wave = wave * window
        wave -= window * (wave.sum() / window.sum())
        peak = float(np.abs(wave).max())
        return np.asarray(wave * (PEAK / peak), np.float32)


@lru_cache(maxsize=64)
def square_period(harmonics: int) -> npt.NDArray[np.float32]:
    """A period of a square wave up to a harmonic: float32 [TABLE + 1], the last as the first."""
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    odd = np.arange(1, min(harmonics, TABLE // 2 - 1) + 1, 2)
    spectrum[odd] = -1j * (4 / math.pi) / odd * (TABLE / 2)
    period = np.fft.irfft(spectrum, TABLE)
    return np.append(period, period[0]).astype(np.float32)
