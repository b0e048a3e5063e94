"""One suite over every ``FrameDenoiser``: RNNoise, both kinds of ONNX denoiser, and one at another rate than its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gapless.audio.finite import PEAK
from gapless.audio.types import Samples
from gapless.clean.contract import FrameDenoiser
from gapless.clean.denoise import Denoiser
from gapless.clean.onnx.denoiser import OnnxDenoiser
from gapless.clean.resampled import Resampled
from gapless.clean.rnnoise import Rnnoise
from gapless.errors import ModelError
from gapless.testing.denoiser_models import write_dfn_like, write_gtcrn_like
from gapless.testing.laws import check_stage, usual_splits

pytestmark = pytest.mark.long

MakeNoise = Callable[[str, int, int], Samples]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("denoisers")
    return {
        "gtcrn": write_gtcrn_like(root / "gtcrn"),
        "dfn": write_dfn_like(root / "dfn"),
    }


@pytest.fixture(params=["rnnoise", "spectral", "waveform", "resampled"])
def make(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Callable[[], FrameDenoiser]:
    makers: dict[str, Callable[[], FrameDenoiser]] = {
        "rnnoise": Rnnoise,
        "spectral": lambda: OnnxDenoiser(folders["gtcrn"]),
        "waveform": lambda: OnnxDenoiser(folders["dfn"]),
        "resampled": lambda: Resampled(OnnxDenoiser(folders["gtcrn"]), 48_000),
    }
    return makers[request.param]


@pytest.fixture
def denoiser(make: Callable[[], FrameDenoiser]) -> Iterator[FrameDenoiser]:
    denoiser = make()
    yield denoiser
    denoiser.close()


@pytest.fixture
def noise(denoiser: FrameDenoiser, make_noise: MakeNoise) -> Samples:
    """Two seconds and a bit of white noise, in whole frames."""
    rate, size = denoiser.rate_hz, denoiser.frame_samples
    return make_noise("white", -(-2 * rate // size) * size, rate) * np.float32(0.1)


def clean(denoiser: FrameDenoiser, samples: Samples) -> Samples:
    frames = samples.reshape(-1, denoiser.frame_samples)
    return np.concatenate([denoiser.process(frame) for frame in frames])


def lag_samples(reference: Samples, delayed: Samples) -> int:
    """How much later ``delayed`` is, from the peak of the cross-correlation."""
    size = 2 * len(reference)
    spectrum = np.fft.rfft(delayed, size) * np.conj(np.fft.rfft(reference, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)))


def test_it_says_what_it_is(denoiser: FrameDenoiser) -> None:
    assert denoiser.name in {"rnnoise", "gtcrn", "dfn"}
    assert denoiser.rate_hz in {16_000, 48_000}
    assert denoiser.frame_samples > 0
    assert denoiser.delay_samples >= 0


def test_the_output_is_late_by_exactly_the_declared_delay(
    denoiser: FrameDenoiser, noise: Samples
) -> None:
    assert lag_samples(noise, clean(denoiser, noise)) == denoiser.delay_samples


def test_steady_noise_goes_down(denoiser: FrameDenoiser, noise: Samples) -> None:
    later = slice(denoiser.rate_hz, None)
    left = np.std(clean(denoiser, noise)[later]) / np.std(noise[later])
    assert 20 * np.log10(left) < -6


def test_a_frame_gives_a_frame_that_is_the_callers_own(
    denoiser: FrameDenoiser, noise: Samples
) -> None:
    frames = noise.reshape(-1, denoiser.frame_samples)[:8]
    given = frames.copy()
    outputs = [denoiser.process(frame) for frame in frames]
    kept = [output.copy() for output in outputs]
    for frame in frames:
        denoiser.process(frame)

    assert np.array_equal(frames, given), "the input is left as it was"
    assert all(np.array_equal(a, b) for a, b in zip(outputs, kept, strict=True))
    for output in outputs:
        assert output.shape == (denoiser.frame_samples,)
        assert output.dtype == np.float32
        output.fill(7)  # may be written


def test_reset_is_as_good_as_new(make: Callable[[], FrameDenoiser], noise: Samples) -> None:
    denoiser = make()
    first = clean(denoiser, noise)
    assert not np.array_equal(clean(denoiser, noise), first), "it has a memory"
    denoiser.reset()
    assert clean(denoiser, noise).tobytes() == first.tobytes()
    denoiser.close()
    other = make()
    assert clean(other, noise).tobytes() == first.tobytes()
    other.close()


def test_streams_do_not_hear_each_other(make: Callable[[], FrameDenoiser], noise: Samples) -> None:
    alone, one, other = make(), make(), make()
    expected = clean(alone, noise)
    heard = []
    for frame in noise.reshape(-1, one.frame_samples):
        heard.append(one.process(frame))
        other.process(-frame[::-1])
    assert np.concatenate(heard).tobytes() == expected.tobytes()
    for denoiser in (alone, one, other):
        denoiser.close()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38, 50.0], ids=str)
def test_what_is_no_sound_does_no_lasting_harm(
    denoiser: FrameDenoiser, noise: Samples, poison: float
) -> None:
    spoilt = noise.copy()
    spoilt[denoiser.frame_samples * 2 + 3 : denoiser.frame_samples * 4] = poison
    output = clean(denoiser, spoilt)

    assert np.all(np.abs(output) <= PEAK)
    later = denoiser.frame_samples * 10
    assert lag_samples(noise[later:], output[later:]) == denoiser.delay_samples


def test_a_frame_of_another_length_is_refused(denoiser: FrameDenoiser) -> None:
    for length in (0, denoiser.frame_samples - 1, denoiser.frame_samples + 1):
        with pytest.raises(ModelError, match=f"frames of {denoiser.frame_samples} samples"):
            denoiser.process(np.zeros(length, np.float32))


def test_one_that_is_closed_refuses_to_work(denoiser: FrameDenoiser) -> None:
    denoiser.close()
    denoiser.close()
    with pytest.raises(ModelError, match="closed"):
        denoiser.process(np.zeros(denoiser.frame_samples, np.float32))
    with pytest.raises(ModelError, match="closed"):
        denoiser.reset()


@pytest.mark.parametrize("amount", [0.0, 0.7], ids=str)
def test_the_stage_over_it_keeps_the_laws(
    make: Callable[[], FrameDenoiser], noise: Samples, amount: float
) -> None:
    samples = noise[: len(noise) // 3 + 77]
    check_stage(lambda: Denoiser(amount, make()), samples, usual_splits(len(samples))[:4])


def test_the_stage_over_it_leaves_the_original_where_and_as_it_was(
    make: Callable[[], FrameDenoiser], noise: Samples
) -> None:
    stage = Denoiser(0.0, make())
    samples = noise[:-5]
    output = np.concatenate((stage.process(samples), stage.flush()))
    stage.close()
    assert output.tobytes() == samples.tobytes()
