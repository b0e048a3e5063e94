from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ, Samples
from gapless.clean.low_delay.offline import suppress
from gapless.clean.low_delay.stage import LowDelayDenoiser
from gapless.testing.laws import check_stage, run_stage, usual_splits

# One process compiles its kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("low-delay")]


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> Samples:
    """Half a second of speech at 48 kHz that ends within a hop and within a frame."""
    heard = load_speech("utterances.flac")[: LISTEN_RATE_HZ // 2 + 77]
    resampled: Samples = soxr.resample(heard, LISTEN_RATE_HZ, DENOISE_RATE_HZ)
    return resampled


@pytest.mark.parametrize("with_rnnoise", [True, False], ids=["rnnoise", "network-alone"])
def test_low_delay_denoising_keeps_the_laws(speech: Samples, with_rnnoise: bool) -> None:
    check_stage(
        lambda: LowDelayDenoiser(with_rnnoise=with_rnnoise), speech, usual_splits(len(speech))
    )


@settings(max_examples=10)
@given(split=st.lists(st.integers(0, 3000), max_size=30))
def test_low_delay_denoising_keeps_the_laws_under_any_split(
    speech: Samples, split: list[int]
) -> None:
    ones = [1] * 200  # reach the declared latency whatever the split
    check_stage(lambda: LowDelayDenoiser(with_rnnoise=False), speech[:9_001], [ones, split])


@pytest.mark.parametrize("with_rnnoise", [True, False], ids=["rnnoise", "network-alone"])
def test_the_stream_is_cleaned_as_the_recording_is(speech: Samples, with_rnnoise: bool) -> None:
    streamed = run_stage(LowDelayDenoiser(with_rnnoise=with_rnnoise), speech, [441] * 20)
    assert np.array_equal(streamed.output, suppress(speech, with_rnnoise=with_rnnoise))


def test_nan_and_what_is_too_loud_do_not_stay(speech: Samples) -> None:
    denoiser = LowDelayDenoiser(with_rnnoise=False)
    bad = np.array([np.nan, np.inf, -np.inf, 1e30] * 480, np.float32)
    assert np.isfinite(denoiser.process(bad)).all()
    assert np.isfinite(denoiser.process(speech)).all()
    assert np.abs(denoiser.flush()).max() < 1
