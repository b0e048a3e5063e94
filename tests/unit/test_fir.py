"""Polyphase filters: the design, and the kernel against a slow sum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gapless.dsp.fir import design_taps, polyphase, taps_per_phase

RATIOS = [(1, 3), (3, 1), (160, 441), (2, 1), (147, 160), (5, 7)]


def design(up: int, down: int) -> npt.NDArray[np.float32]:
    return design_taps(up, down, zero_crossings=16, cutoff=0.9, beta=8.0)


def slow_filter(
    signal: npt.NDArray[np.float32], taps: npt.NDArray[np.float32], phase: int, down: int, n: int
) -> npt.NDArray[np.float64]:
    """Each output by itself, in double precision, its place found by division alone."""
    up, width = taps.shape
    outputs = []
    for number in range(n):
        shift, row = divmod(phase + number * down, up)
        window = signal[shift : shift + width].astype(np.float64)
        outputs.append(float(window @ taps[row].astype(np.float64)))
    return np.array(outputs)


@pytest.mark.parametrize(("up", "down"), RATIOS)
def test_every_phase_passes_constant_signals_unchanged(up: int, down: int) -> None:
    taps = design(up, down)
    assert taps.shape == (up, taps_per_phase(up, down, zero_crossings=16))
    np.testing.assert_allclose(taps.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize(("up", "down"), RATIOS)
def test_the_filter_is_symmetric_about_each_instant(up: int, down: int) -> None:
    taps = design(up, down)
    half = taps.shape[1] // 2
    response = {}
    for phase in range(up):
        for tap in range(2 * half):
            response[(tap - half + 1) * up - phase] = float(taps[phase, tap])
    for distance, weight in response.items():
        assert weight == pytest.approx(response.get(-distance, 0.0), abs=2e-6)


@pytest.mark.parametrize(("up", "down"), RATIOS)
def test_the_kernel_is_a_sum_of_products(up: int, down: int) -> None:
    taps = design(up, down)
    signal = np.random.default_rng(3).uniform(-1, 1, 2000).astype(np.float32)
    n = (2000 - taps.shape[1] - 10) * up // down
    out = np.empty(min(n, 300), np.float32)
    phase = up // 2

    polyphase(signal, taps, 7, phase, down, out)

    expected = slow_filter(signal[7:], taps, phase, down, len(out))
    np.testing.assert_allclose(out, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("up", "down"), [(1, 3), (160, 441), (3, 1)])
def test_the_kernel_gives_the_same_bits_compiled_and_interpreted(up: int, down: int) -> None:
    taps = design(up, down)
    signal = np.random.default_rng(4).uniform(-1, 1, 300).astype(np.float32)
    compiled, interpreted = np.empty(20, np.float32), np.empty(20, np.float32)

    polyphase(signal, taps, 3, 0, down, compiled)
    polyphase.py_func(signal, taps, 3, 0, down, interpreted)

    assert compiled.tobytes() == interpreted.tobytes()
