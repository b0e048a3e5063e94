"""The methods that the report compares are as late as they say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from low_delay import evaluate, measure, methods, mixing, speech


@pytest.fixture(scope="module")
def clean() -> methods.FloatArray:
    """Three seconds of speech."""
    return speech.synthetic(random.Random(2), "validation", 3 * measure.RATE_HZ).samples


@pytest.mark.parametrize("name", methods.METHODS)
def test_the_delay_is_the_one_that_is_told(name: str, clean: methods.FloatArray) -> None:
    noise = np.random.default_rng(1).standard_normal(clean.size) * 0.003
    out = methods.METHODS[name](methods.Heard((clean + noise).astype(np.float32)))
    assert out.samples.shape == clean.shape
    size = 2 * clean.size
    spectrum = np.fft.rfft(out.samples, size) * np.conj(np.fft.rfft(clean, size))
    lag = int(np.argmax(np.fft.irfft(spectrum)[:2400]))
    assert abs(lag - out.delay_samples) <= 2


def test_the_floor_lets_5_percent_of_the_microphone_through() -> None:
    noise = (np.random.default_rng(2).standard_normal(3 * 48000) * 0.01).astype(np.float32)
    heard = methods.Heard(noise)
    pure, mixed = methods.native(heard), methods.native_with_floor(heard)
    rest = mixed.samples[960:] - np.float32(0.95) * pure.samples[960:]
    np.testing.assert_allclose(rest, 0.05 * noise[:-960], atol=1e-6)


def test_every_mix_is_judged_by_every_method(clean: methods.FloatArray) -> None:
    noisy = (clean + np.random.default_rng(3).standard_normal(clean.size) * 0.05).astype(np.float32)
    mixes = [
        mixing.Mix(clean, heard, "who", "synthetic", "hum", snr_db, False)
        for heard, snr_db in ((noisy, 0.0), (clean, 40.0))
    ]
    rows = evaluate.judge(mixes, ["unprocessed", "native"])
    assert [(row.mix, row.method) for row in rows] == [
        (mix, name) for mix in (0, 1) for name in ("unprocessed", "native")
    ]
    assert rows[2].scores.si_sdr_db > 100 > rows[0].scores.si_sdr_db
