"""Following another clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gapless.realtime.drift import DRIFT, MOST, SLEW_PER_S, forgive, steer

RATE_HZ = 48_000.0
BLOCK = 480


def follow(
    ppm: float, seconds: float, error: float = 0.0, jitter: Callable[[], float] = lambda: 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Errors and speeds, block for block, of a buffer whose producer is faster."""
    drift = np.zeros(1, DRIFT)[0]
    errors, speeds = [], []
    for _ in range(int(seconds * RATE_HZ / BLOCK)):
        speed = steer(drift, error + jitter(), 0.0, BLOCK, RATE_HZ)
        error += BLOCK * (ppm * 1e-6 - speed)
        errors.append(error)
        speeds.append(speed)
    return np.array(errors), np.array(speeds)


@pytest.mark.parametrize("ppm", [-250, -200, -20, 0, 100, 250])
def test_a_difference_of_the_clocks_is_followed_without_a_lasting_error(ppm: int) -> None:
    errors, speeds = follow(ppm, 180)
    assert np.abs(errors).max() < 60
    np.testing.assert_allclose(errors[-100:], 0, atol=0.5)
    np.testing.assert_allclose(speeds[-100:] * 1e6, ppm, atol=0.5)


@pytest.mark.parametrize("error", [-3_000, 100, 3_000])
def test_the_speed_and_its_change_are_bounded(error: int) -> None:
    _, speeds = follow(100, 60, error)
    assert np.abs(speeds).max() <= MOST
    assert np.abs(np.diff(speeds)).max() <= SLEW_PER_S * BLOCK / RATE_HZ * (1 + 1e-9)


def test_a_step_is_not_swung_around() -> None:
    errors, _ = follow(0, 240, 60)
    assert errors.min() > -30
    np.testing.assert_allclose(errors[-100:], 0, atol=0.5)
    assert np.count_nonzero(np.diff(np.signbit(errors[np.abs(errors) > 1]))) <= 1


def test_irregular_wake_ups_hardly_move_the_speed() -> None:
    rng = np.random.default_rng(6)
    errors, speeds = follow(100, 240, jitter=lambda: rng.uniform(-96, 96))
    assert np.abs(errors[-6_000:]).max() < 10
    np.testing.assert_allclose(speeds[-6_000:] * 1e6, 100, atol=60)


def test_a_target_that_shrinks_is_followed_and_not_taken_for_drift() -> None:
    drift = np.zeros(1, DRIFT)
    error, glide = 0.0, 100e-6
    for _ in range(4_000):
        error += BLOCK * (glide - steer(drift[0], error, glide, BLOCK, RATE_HZ))
        assert abs(error) < 20
    assert abs(drift["constant"][0]) < 10e-6


def test_what_was_forgiven_leaves_the_estimate_of_the_clocks() -> None:
    drift = np.zeros(1, DRIFT)
    for _ in range(3_000):
        steer(drift[0], 20.0, 0.0, BLOCK, RATE_HZ)
    known = drift["constant"][0]
    forgive(drift[0])
    assert known > 10e-6
    assert (drift["error"][0], drift["constant"][0]) == (0, known)


def test_the_plain_function_gives_what_the_compiled_one_gives() -> None:
    compiled = np.zeros(1, DRIFT)
    plain = np.zeros(1, DRIFT).view(np.recarray)
    for error in (10.0, 300.0, -20.0):
        expected = steer(compiled[0], error, 0.0, BLOCK, RATE_HZ)
        assert steer.py_func(plain[0], error, 0.0, BLOCK, RATE_HZ) == pytest.approx(
            expected, rel=1e-12
        )
