"""What the encoder is given for a window, and NeMo's own definition beside our kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, lists

from gapless.listen.features import LogMel, feature_options
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.streaming.manifest import FeatureSpec
from gapless.listen.recogniser.streaming.preprocessed import (
    Hops,
    OwnFeatures,
    normalise_window,
)
from gapless.testing import nemo_models, profile_models
from gapless.testing.mel_filters import slaney_filters


def nemo_log_mel(samples: npt.NDArray[Any], n_mels: int) -> npt.NDArray[Any]:
    """NeMo's ``FilterbankFeatures`` in double precision: [n_samples // 160, n_mels].

    Pre-emphasis 0.97 over the signal; ``torch.stft`` of 512 with a symmetric Hann window of 400 in its middle, centred,
    zeros at both ends; power; Slaney's filters; log(x + 2^-24).
    """
    emphasised = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    padded = np.pad(emphasised, 256)
    window = np.pad(np.hanning(400), 56)
    frames = [padded[160 * k : 160 * k + 512] * window for k in range(len(samples) // 160)]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    logs: npt.NDArray[Any] = np.log(power @ slaney_filters(n_mels).astype(np.float64) + 2.0**-24)
    return logs


def own_log_mel(samples: npt.NDArray[Any], n_mels: int) -> npt.NDArray[Any]:
    stage = LogMel(feature_options("nemo", n_mels=n_mels))
    return np.concatenate((stage.process(samples), stage.flush()))


@pytest.mark.parametrize("n_mels", [64, 80, 128])
@pytest.mark.parametrize("sound", ["noise", "tones"])
def test_our_preset_is_what_nemo_defines(n_mels: int, sound: str) -> None:
    """Within 2e-3 of ln: float32 against double, the largest where a band has next to no energy."""
    samples = profile_models.tones(3, 1.0)
    if sound == "noise":
        samples = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    expected = nemo_log_mel(samples.astype(np.float64), n_mels)
    np.testing.assert_allclose(own_log_mel(samples, n_mels), expected, atol=2e-3)


def test_our_features_are_those_of_nemos_network(tmp_path: Path) -> None:
    """The network as onnx-asr builds it: ONNX Runtime's STFT, and normalised."""
    pytest.importorskip("onnx", reason="the network is made with the package onnx")
    network = Network(nemo_models.write_preprocessor(tmp_path / "nemo80.onnx", slaney_filters(80)))
    samples = profile_models.tones(4, 1.0)
    theirs = network.run({"waveforms": samples[None], "waveforms_lens": np.array([16_000])})[0].T
    ours = own_log_mel(samples, 80)
    np.testing.assert_allclose(normalise_window(ours, len(ours)), theirs[:100], atol=2e-3)


def test_a_window_is_normalised_over_its_real_frames() -> None:
    rng = np.random.default_rng(5)
    frames = rng.normal(-7, 3, (40, 6)).astype(np.float32)
    frames[30:] = 99.0
    normalised = normalise_window(frames, 30)
    np.testing.assert_allclose(normalised[:30].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(normalised[:30].std(axis=0, ddof=1), 1, atol=1e-4)
    assert not normalised[30:].any()


@pytest.mark.parametrize("n_frames", [0, 1, 2])
def test_windows_of_next_to_nothing_are_normalised_to_numbers(n_frames: int) -> None:
    frames = np.full((4, 3), -16.0, np.float32)
    assert np.isfinite(normalise_window(frames, n_frames)).all()


def test_frames_are_given_as_they_are_where_nothing_else_is_asked_for() -> None:
    own = OwnFeatures(FeatureSpec(preset="nemo", n_mels=80))
    assert (own.hop_samples, own.width) == (160, 80)
    frames = np.ones((3, 80), np.float32)
    assert own.prepare(frames, 3) is frames


@settings(max_examples=30)
@given(n_samples=integers(0, 1000), cuts=lists(integers(0, 1000), max_size=4))
def test_hops_do_not_depend_on_the_split(n_samples: int, cuts: list[int]) -> None:
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    hops = Hops(160)
    rows = [hops.process(piece) for piece in np.split(samples, sorted(cuts))]
    whole = np.concatenate([*rows, hops.flush()])
    assert whole.shape == (-(-n_samples // 160), 160)
    np.testing.assert_array_equal(whole.ravel()[:n_samples], samples)
    assert not whole.ravel()[n_samples:].any()
