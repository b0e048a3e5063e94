"""Samples between samples."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.realtime.interpolate import (
    AHEAD,
    BEFORE,
    PHASES,
    TAPS,
    interpolate,
    make_table,
)

TABLE = make_table()
RATE_HZ = 48_000


def test_a_whole_position_gives_the_sample_itself() -> None:
    samples = np.random.default_rng(1).standard_normal(256).astype(np.float32)
    for at in (BEFORE, 100, 255, 1_000):
        assert interpolate(samples, TABLE, at, 0.0) == samples[at % 256]


def test_a_ring_is_read_around_its_end() -> None:
    signal = np.random.default_rng(2).standard_normal(1024).astype(np.float32)
    ring = np.roll(signal[640:896], 640 % 256)
    for at in range(640 + BEFORE, 896 - AHEAD):
        assert interpolate(ring, TABLE, at, 0.3) == interpolate(signal, TABLE, at, 0.3)


def test_nothing_is_read_outside_the_taps() -> None:
    samples = np.full(256, np.nan, np.float32)
    samples[100 - BEFORE : 100 + AHEAD + 1] = 1.0
    assert interpolate(samples, TABLE, 100, 0.999) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("frequency_hz", "error_db"),
    [(100, -110), (1_000, -100), (10_000, -98), (15_000, -95), (19_000, -95)],
)
def test_a_tone_between_its_samples_is_the_tone(frequency_hz: int, error_db: float) -> None:
    omega = 2 * np.pi * frequency_hz / RATE_HZ
    tone = np.sin(omega * np.arange(1024)).astype(np.float32)
    # Every phase, and places between phases.
    at, fraction = np.divmod(100 + np.arange(800) * (1 + 1 / PHASES + 1 / 4_096), 1)
    heard = [interpolate(tone, TABLE, int(a), f) for a, f in zip(at, fraction, strict=True)]
    error = np.array(heard) - np.sin(omega * (at + fraction))
    assert 10 * np.log10(np.mean(error**2) / 0.5) < error_db


def test_the_plain_function_gives_what_the_compiled_one_gives() -> None:
    samples = np.random.default_rng(3).standard_normal(64).astype(np.float32)
    for fraction in (0.0, 0.25, 0.70001):
        expected = interpolate(samples, TABLE, 30, fraction)
        assert interpolate.py_func(samples, TABLE, 30, fraction) == pytest.approx(
            expected, abs=1e-6
        )


def test_every_filter_passes_a_constant() -> None:
    rows = TABLE.reshape(PHASES + 1, TAPS).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(rows, 1, atol=1e-6)
