"""Where to cut, and the gains of the seam."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.realtime.splice import ALONE, alikeness, best_jump, between_jumps, fade_gain

RING = 4_096


def voiced(period: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(RING) / period
    waves = [np.cos(k * angle) / k for k in range(1, 6)]
    return np.asarray(np.sum(waves, axis=0), np.float32)


@pytest.mark.parametrize("period", [37, 109, 200, 480])
@pytest.mark.parametrize(("low", "high"), [(300, 1_100), (-1_100, -300), (-250, 260)])
def test_a_periodic_signal_is_cut_by_whole_periods(period: int, low: int, high: int) -> None:
    jump = best_jump(voiced(period), 1_500, low + 7, low, high, 240)
    assert low <= jump <= high
    assert jump % period == 0


def test_the_best_is_what_a_search_without_short_cuts_finds_in_speech_like_noise() -> None:
    rng = np.random.default_rng(4)
    noise = np.convolve(rng.standard_normal(RING + 40), np.hanning(41), "valid")[:RING]
    samples = noise.astype(np.float32)
    jump = best_jump(samples, 1_000, 500, 300, 900, 240)
    most = max(alikeness(samples, 1_000, other, 240, 1) for other in range(300, 901))
    assert alikeness(samples, 1_000, jump, 240, 1) > most - 0.02


@pytest.mark.parametrize("level", [0.0, 1.0], ids=["silence", "constant"])
def test_where_nothing_is_more_alike_it_is_the_wanted_one(level: float) -> None:
    assert best_jump(np.full(RING, level, np.float32), 1_000, 333, 100, 600, 240) == 333


def test_what_is_compared_lies_in_the_ring_wherever_it_wraps() -> None:
    samples = voiced(128)
    assert best_jump(samples, RING - 50, 300, 200, 330, 240) == 256


def test_alikeness_is_the_normalised_correlation() -> None:
    samples = np.random.default_rng(5).standard_normal(RING).astype(np.float32)
    first, second = samples[100:340].astype(float), samples[400:640].astype(float)
    expected = first @ second / np.sqrt((first @ first) * (second @ second))
    assert alikeness(samples, 100, 300, 240, 1) == pytest.approx(expected, abs=1e-6)
    assert alikeness.py_func(samples, 100, 300, 240, 1) == pytest.approx(expected, abs=1e-6)
    assert alikeness(samples, 100, 0, 240, 2) == pytest.approx(1)
    assert alikeness(-samples, 100, 0, 240, 3) == pytest.approx(1)
    assert alikeness(np.zeros(RING, np.float32), 100, 300, 240, 1) == 0


def test_a_period_between_two_samples_is_found() -> None:
    tone = np.sin(2 * np.pi * np.arange(RING) / 109.3).astype(np.float32)
    assert between_jumps(tone, 1_000, 109, 240) == pytest.approx(0.3, abs=0.02)
    assert between_jumps(tone, 1_000, -109, 240) == pytest.approx(-0.3, abs=0.02)
    assert between_jumps(np.zeros(RING, np.float32), 1_000, 109, 240) == 0


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("length", [1, 32, 240])
def test_a_cross_fade_keeps_the_power_of_signals_that_are_so_alike(
    alike: float, length: int
) -> None:
    comes = np.array([fade_gain(n, length, alike) for n in range(length)])
    goes = comes[::-1]
    np.testing.assert_allclose(comes**2 + goes**2 + 2 * alike * comes * goes, 1, atol=1e-12)
    assert fade_gain(length, length, alike) == 1


def test_a_fade_from_silence_has_no_kink() -> None:
    gains = np.array([fade_gain(n, 240, ALONE) for n in range(241)])
    assert gains[0] < 2e-5
    assert 1 - gains[239] < 2e-5
    np.testing.assert_allclose(gains[:240] + gains[:240][::-1], 1, atol=1e-12)
    assert [fade_gain.py_func(n, 240, ALONE) for n in range(241)] == pytest.approx(gains)
