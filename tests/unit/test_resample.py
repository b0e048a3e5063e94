"""What the live resampler does to sines, impulses and odd rates."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pytest

from gapless.audio.resample import MAX_TAPS, Resampler, taps_for
from gapless.audio.types import Samples
from gapless.errors import UnsupportedAudioError

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
PAIRS = [(i, o) for i in RATES_HZ for o in (16_000, 48_000) if i != o]


def resampled(signal: Samples, in_hz: int, out_hz: int) -> Samples:
    resampler = Resampler(in_hz, out_hz)
    return np.concatenate([resampler.process(signal), resampler.flush()])


def sine(hz: float, rate_hz: int, seconds: float = 0.25) -> Samples:
    return np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz).astype(np.float32)


def middle(signal: Samples) -> Samples:
    return signal[len(signal) // 5 : -len(signal) // 5]


def db(ratio: float | np.floating[Any]) -> float:
    return float(20 * np.log10(np.maximum(ratio, 1e-12)))


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.84])
def test_a_sine_below_the_band_edge_keeps_its_place_and_shape(
    in_hz: int, out_hz: int, share: float
) -> None:
    hz = share * min(in_hz, out_hz) / 2
    actual, expected = resampled(sine(hz, in_hz), in_hz, out_hz), sine(hz, out_hz)
    n = min(len(actual), len(expected))
    error = middle(actual[:n] - expected[:n])
    # Amplitude and phase included: 0.1 dB of ripple would be -39 dB of error.
    assert db(np.std(error) / np.std(middle(expected))) < -65


@pytest.mark.parametrize(("in_hz", "out_hz"), [(i, o) for i, o in PAIRS if i > o])
@pytest.mark.parametrize("share", [1.0, 1.1, 1.3])
def test_what_would_alias_is_removed(in_hz: int, out_hz: int, share: float) -> None:
    hz = share * out_hz / 2
    assert hz < in_hz / 2
    assert db(np.abs(middle(resampled(sine(hz, in_hz), in_hz, out_hz))).max()) < -80


@pytest.mark.parametrize(("in_hz", "out_hz"), [(i, o) for i, o in PAIRS if i < o])
def test_no_image_appears_above_the_inputs_band(in_hz: int, out_hz: int) -> None:
    out = middle(resampled(sine(0.45 * in_hz, in_hz, 0.5), in_hz, out_hz))
    spectrum = np.abs(np.fft.rfft(out * np.kaiser(len(out), 14)))
    hz = np.fft.rfftfreq(len(out), 1 / out_hz)
    assert db(spectrum[hz > in_hz / 2].max() / spectrum.max()) < -80


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_an_impulse_stays_where_it_was_and_spreads_evenly(in_hz: int, out_hz: int) -> None:
    signal = np.zeros(4 * in_hz // 100, np.float32)
    common = np.gcd(in_hz, out_hz)
    at = 2 * (in_hz // 100) // (in_hz // common) * (in_hz // common)  # falls on an output sample
    signal[at] = 1
    out = resampled(signal, in_hz, out_hz)
    there = at * out_hz // in_hz

    assert int(np.argmax(out)) == there
    reach = min(there, len(out) - 1 - there, 60)
    np.testing.assert_allclose(
        out[there - reach : there], out[there + 1 : there + reach + 1][::-1], atol=1e-6
    )


@pytest.mark.long
@pytest.mark.parametrize(("in_hz", "out_hz"), [*PAIRS, (48_000, 8_001), (47_999, 40_001)])
@pytest.mark.parametrize("n_samples", [0, 1, 2, 441, 1000])
def test_the_output_is_as_long_as_the_input(in_hz: int, out_hz: int, n_samples: int) -> None:
    out = resampled(np.ones(n_samples, np.float32), in_hz, out_hz)
    assert len(out) == ceil(n_samples * out_hz / in_hz)


def test_the_delay_from_48_to_16_khz_is_two_milliseconds() -> None:
    assert Resampler(48_000, 16_000).latency_samples == 96


def test_equal_rates_pass_samples_as_they_are() -> None:
    signal = np.random.default_rng(5).uniform(-1, 1, 100).astype(np.float32)
    resampler = Resampler(16_000, 16_000)
    assert resampler.latency_samples == 0
    assert resampler.process(signal).tobytes() == signal.tobytes()
    assert len(resampler.flush()) == 0


def test_streams_of_the_same_ratio_share_one_table() -> None:
    Resampler(48_000, 16_000)
    assert taps_for(1, 3) is taps_for(1, 3)
    assert not taps_for(1, 3).flags.writeable


@pytest.mark.parametrize(("in_hz", "out_hz"), [(0, 16_000), (16_000, -1), (1_000_003, 48_000)])
def test_impossible_rates_are_refused(in_hz: int, out_hz: int) -> None:
    with pytest.raises(UnsupportedAudioError, match=f"{in_hz}|{out_hz}"):
        Resampler(in_hz, out_hz)


def test_any_two_rates_from_8_to_48_khz_fit_the_table() -> None:
    # The worst case: no common divisor, the highest rate in.
    assert taps_for(40_001, 47_999).size < MAX_TAPS
