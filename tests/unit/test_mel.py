"""Mel filters against formulas written out, and the kernel against a product of matrices."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from gapless.dsp.fft import n_bins
from gapless.dsp.mel import Filters, Scale, hz_to_mel, log_mel, mel_filters, mel_to_hz


def filters(
    n_mels: int,
    scale: Scale,
    *,
    low_hz: float = 0.0,
    high_hz: float = 8000.0,
    equal_area: bool = False,
) -> Filters:
    return mel_filters(
        n_mels,
        rate_hz=16_000,
        n_fft=512,
        scale=scale,
        low_hz=low_hz,
        high_hz=high_hz,
        equal_area=equal_area,
    )


@pytest.mark.parametrize("scale", ["htk", "slaney", "kaldi"])
@pytest.mark.parametrize("hz", [0.0, 60.0, 999.0, 1000.0, 1001.0, 7999.0])
def test_mel_and_back_is_the_same_frequency(scale: Scale, hz: float) -> None:
    assert mel_to_hz(hz_to_mel(hz, scale), scale) == pytest.approx(hz, abs=1e-9)


def test_scales_have_the_values_that_are_published() -> None:
    # 1000 Hz is 1000 mel, 15 mel for Slaney, who makes a factor of 6.4 of the next 27.
    assert hz_to_mel(1000, "htk") == pytest.approx(1000, abs=0.02)
    assert hz_to_mel(1000, "kaldi") == pytest.approx(1000, abs=0.02)
    assert hz_to_mel(1000, "slaney") == pytest.approx(15)
    assert hz_to_mel(6400, "slaney") == pytest.approx(42)
    assert hz_to_mel(200, "slaney") == pytest.approx(3)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_neighbouring_triangles_of_peak_one_add_up_to_one(scale: Scale) -> None:
    dense = filters(40, scale, low_hz=60, high_hz=7600).dense(257)
    bins = np.arange(257) * 16_000 / 512
    corners = np.linspace(hz_to_mel(60, scale), hz_to_mel(7600, scale), 42)
    between = (bins > mel_to_hz(corners[1], scale)) & (bins < mel_to_hz(corners[-2], scale))
    np.testing.assert_allclose(dense.sum(axis=0)[between], 1, atol=1e-6)
    assert not dense[:, bins <= 60].any()
    assert not dense[:, bins >= 7600].any()


def slow_librosa(n_mels: int) -> npt.NDArray[np.float64]:
    """The filters of ``librosa.filters.mel(sr=16000, n_fft=512, n_mels=...)``: Slaney's scale, area 1."""

    def to_hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)

    top = 15 + math.log(8.0) * 27 / math.log(6.4)
    corners = [to_hz(top * number / (n_mels + 1)) for number in range(n_mels + 2)]
    out = np.zeros((n_mels, 257))
    for m, (left, peak, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for k in range(257):
            hz = k * 31.25
            rising, falling = (hz - left) / (peak - left), (right - hz) / (right - peak)
            out[m, k] = max(0.0, min(rising, falling)) * 2 / (right - left)
    return out


@pytest.mark.parametrize("n_mels", [80, 128])
def test_slaneys_filters_are_librosas(n_mels: int) -> None:
    ours = filters(n_mels, "slaney", equal_area=True).dense(257)
    np.testing.assert_allclose(ours, slow_librosa(n_mels), rtol=0, atol=1e-8)


def slow_kaldi(n_mels: int, low_hz: float, high_hz: float) -> npt.NDArray[np.float64]:
    """Kaldi's filters: straight over mel, and without the bin at half the rate."""

    def mel(hz: float) -> float:
        return 1127 * math.log(1 + hz / 700)

    step = (mel(high_hz) - mel(low_hz)) / (n_mels + 1)
    out = np.zeros((n_mels, 257))
    for m in range(n_mels):
        left = mel(low_hz) + m * step
        peak, right = left + step, left + 2 * step
        for k in range(256):
            at = mel(k * 31.25)
            if left < at <= peak:
                out[m, k] = (at - left) / (peak - left)
            elif peak < at < right:
                out[m, k] = (right - at) / (right - peak)
    return out


def test_kaldis_filters_are_kaldis() -> None:
    ours = filters(80, "kaldi", low_hz=20, high_hz=7600).dense(257)
    np.testing.assert_allclose(ours, slow_kaldi(80, 20, 7600), rtol=0, atol=1e-6)


def test_bands_narrower_than_a_bin_may_be_empty() -> None:
    narrow = filters(200, "htk")
    assert (np.diff(narrow.start) == 0).any()
    power = np.ones((257, 1), np.float32)
    out = np.empty((1, 200), np.float32)
    one = np.float32(1)

    log_mel(power, *narrow, np.float32(0), np.float32(0.5), one, np.float32(0), out)

    empty = np.diff(narrow.start) == 0
    np.testing.assert_allclose(out[0, empty], math.log(0.5), rtol=1e-6)


@pytest.mark.parametrize("n_frames", [1, 4, 33])
def test_the_kernel_is_a_product_of_matrices_and_a_logarithm(n_frames: int) -> None:
    bank = filters(40, "htk", low_hz=60, high_hz=7600)
    power = np.random.default_rng(5).exponential(0.1, (n_bins(512), n_frames)).astype(np.float32)
    out = np.empty((n_frames, 40), np.float32)
    least, added, gain, offset = map(np.float32, (0.5, 1e-6, 0.25, 1.5))

    log_mel(power, *bank, least, added, gain, offset, out)

    energy = np.maximum(power.T.astype(np.float64) @ bank.dense(257).T, 0.5)
    np.testing.assert_allclose(out, 0.25 * np.log(energy + 1e-6) + 1.5, rtol=0, atol=1e-6)
