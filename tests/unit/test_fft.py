"""Power spectra, against a transform written out as a sum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gapless.dsp.fft import FRAMES_AT_ONCE, n_bins, power_spectra, roots_of_unity

CHANCE = np.random.default_rng(11)
SIGNAL = CHANCE.uniform(-1, 1, 20_000).astype(np.float32)


def slow_power(
    signal: npt.NDArray[np.float32],
    hop: int,
    window: npt.NDArray[np.float32],
    n_fft: int,
    n_frames: int,
    *,
    remove_mean: bool = False,
    emphasis: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Frame by frame and bin by bin, as the definition of the discrete Fourier transform says."""
    n = np.arange(len(window))
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n_bins(n_fft)), n) / n_fft)
    columns = []
    for number in range(n_frames):
        frame = signal[number * hop : number * hop + len(window)].astype(np.float64)
        if remove_mean:
            frame -= frame.mean()
        frame -= emphasis * np.concatenate((frame[:1], frame[:-1]))
        columns.append(np.abs(waves @ (frame * window)) ** 2)
    return np.array(columns).T


def powers(
    signal: npt.NDArray[np.float32],
    hop: int,
    window: npt.NDArray[np.float32],
    n_fft: int,
    n_frames: int,
    *,
    remove_mean: bool = False,
    emphasis: float = 0.0,
) -> npt.NDArray[np.float32]:
    power = np.empty((n_bins(n_fft), n_frames), np.float32)
    roots = roots_of_unity(n_fft)
    power_spectra(signal, hop, window, remove_mean, np.float32(emphasis), roots, power)
    return power


@pytest.mark.parametrize("n_fft", [8, 16, 32, 64, 256, 512, 1024])
def test_the_kernel_is_a_fourier_transform_at_every_power_of_two(n_fft: int) -> None:
    window = CHANCE.uniform(0, 1, n_fft).astype(np.float32)

    power = powers(SIGNAL, 5, window, n_fft, 3)

    expected = slow_power(SIGNAL, 5, window, n_fft, 3)
    np.testing.assert_allclose(power, expected, rtol=0, atol=1e-6 * expected.max())


@pytest.mark.parametrize("length", [2, 399, 400, 511])
def test_short_windows_are_filled_up_with_zeros(length: int) -> None:
    window = CHANCE.uniform(0, 1, length).astype(np.float32)

    power = powers(SIGNAL, 160, window, 512, 2)

    expected = slow_power(SIGNAL, 160, window, 512, 2)
    np.testing.assert_allclose(power, expected, rtol=0, atol=1e-6 * expected.max())


def test_means_and_emphasis_are_taken_from_each_frame_before_the_window() -> None:
    window = np.hanning(400).astype(np.float32)
    signal = SIGNAL + np.float32(0.3)

    power = powers(signal, 160, window, 512, 4, remove_mean=True, emphasis=0.97)

    expected = slow_power(signal, 160, window, 512, 4, remove_mean=True, emphasis=0.97)
    np.testing.assert_allclose(power, expected, rtol=0, atol=2e-6 * expected.max())


@pytest.mark.parametrize("count", [1, 2, 3, FRAMES_AT_ONCE, FRAMES_AT_ONCE + 1])
def test_a_frame_has_the_same_bits_in_any_company(count: int) -> None:
    window = np.hanning(400).astype(np.float32)
    whole = powers(SIGNAL, 160, window, 512, 40)

    some = powers(SIGNAL[160 * 7 :], 160, window, 512, count)

    assert some.tobytes() == np.ascontiguousarray(whole[:, 7 : 7 + count]).tobytes()


def test_a_sine_in_the_middle_of_a_bin_is_there_and_nowhere_else() -> None:
    sine = np.sin(2 * np.pi * 40 * np.arange(512) / 512).astype(np.float32)

    power = powers(sine, 512, np.ones(512, np.float32), 512, 1)[:, 0]

    assert power[40] == pytest.approx(256**2, rel=1e-5)
    assert np.delete(power, 40).max() < 1e-6 * power[40]


def test_the_kernel_gives_the_same_bits_compiled_and_interpreted() -> None:
    window = np.hanning(30).astype(np.float32)
    roots = roots_of_unity(32)
    compiled, interpreted = np.empty((17, 3), np.float32), np.empty((17, 3), np.float32)
    arguments = (SIGNAL[:100], 10, window, True, np.float32(0.9), roots)

    power_spectra(*arguments, compiled)
    power_spectra.py_func(*arguments, interpreted)

    assert compiled.tobytes() == interpreted.tobytes()
