"""The resampler under any split, length and pair of rates."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.audio.resample import Resampler
from gapless.testing.laws import require_same, run_stage

NOISE = np.random.default_rng(6).uniform(-1, 1, 3000).astype(np.float32)
RATES_HZ = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])


@pytest.mark.long
@settings(max_examples=80)
@given(
    in_hz=RATES_HZ,
    out_hz=st.sampled_from([16_000, 48_000]),
    n_samples=st.integers(0, len(NOISE)),
    split=st.lists(st.integers(0, 700), max_size=20),
)
def test_any_split_gives_the_same_bits_within_the_declared_latency(
    in_hz: int, out_hz: int, n_samples: int, split: list[int]
) -> None:
    signal = NOISE[:n_samples]
    ratio = Fraction(in_hz, out_hz)
    whole = run_stage(Resampler(in_hz, out_hz), signal, [], samples_per_output=ratio)
    streamed = run_stage(Resampler(in_hz, out_hz), signal, split, samples_per_output=ratio)

    require_same(streamed.output, whole.output, f"split {split}")
    assert len(whole.output) == ceil(n_samples / ratio)
    assert streamed.lag_samples <= Resampler(in_hz, out_hz).latency_samples


@pytest.mark.long
@settings(max_examples=30)
@given(out_hz=st.sampled_from([8_000, 16_000, 48_000]), in_hz=st.integers(8_000, 48_000))
def test_a_constant_stays_constant_at_any_ratio(in_hz: int, out_hz: int) -> None:
    resampler = Resampler(in_hz - in_hz % 25, out_hz)
    out = resampler.process(np.full(1500, 0.5, np.float32))
    edge = ceil(resampler.latency_samples * out_hz / in_hz) + 1
    np.testing.assert_allclose(out[edge:], 0.5, atol=1e-4)
