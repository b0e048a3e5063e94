from __future__ import annotations

from collections.abc import Callable

import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ, Samples
from gapless.clean.denoise import Denoiser
from gapless.infer.inference import Inference
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.listen.vad import Vad
from gapless.testing.laws import check_stage, usual_splits

pytestmark = pytest.mark.long

splits = st.lists(st.integers(0, 3000), max_size=30)


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> Samples:
    """A second and a bit that ends within a window and within a frame."""
    return load_speech("utterances.flac")[: LISTEN_RATE_HZ + 77]


@pytest.fixture(scope="module")
def speech_48k(speech: Samples) -> Samples:
    resampled: Samples = soxr.resample(speech, LISTEN_RATE_HZ, DENOISE_RATE_HZ)
    return resampled


def test_voice_activity_keeps_the_laws(inference: Inference, speech: Samples) -> None:
    check_stage(
        lambda: Vad(inference), speech, usual_splits(len(speech)), samples_per_output=WINDOW_SAMPLES
    )


@settings(max_examples=10)
@given(split=splits)
def test_voice_activity_keeps_the_laws_under_any_split(
    inference: Inference, speech: Samples, split: list[int]
) -> None:
    ones = [1] * WINDOW_SAMPLES  # reach the declared latency whatever the split
    check_stage(lambda: Vad(inference), speech, [ones, split], samples_per_output=WINDOW_SAMPLES)


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_denoising_keeps_the_laws(speech_48k: Samples, amount: float) -> None:
    check_stage(lambda: Denoiser(amount), speech_48k, usual_splits(len(speech_48k)))


@settings(max_examples=10)
@given(split=splits)
def test_denoising_keeps_the_laws_under_any_split(speech_48k: Samples, split: list[int]) -> None:
    ones = [1] * 1440  # reach the declared latency whatever the split
    check_stage(lambda: Denoiser(0.8), speech_48k[:20_001], [ones, split])
