"""Features: each preset against a slow oracle, and on signals whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import Samples
from gapless.errors import ConfigError
from gapless.listen.features import (
    FRAMES_AT_ONCE,
    PRESETS,
    FeatureOptions,
    Features,
    LogMel,
    feature_options,
)

CHANCE = np.random.default_rng(23)


def speechlike(n_samples: int) -> Samples:
    """Harmonics that glide, in bursts, with faint noise: wide in level and in frequency, as speech is."""
    seconds = np.arange(n_samples) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.5 * seconds)) / 16_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 25))
    bursts = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * seconds)
    return (0.1 * bursts * tone + 1e-3 * CHANCE.standard_normal(n_samples)).astype(np.float32)


SPEECH = speechlike(16_000)


def whole(options: FeatureOptions, samples: Samples) -> Features:
    stage = LogMel(options)
    return np.concatenate((stage.process(samples), stage.flush()))


def power(
    frames: npt.NDArray[np.float64], window: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.abs(np.fft.rfft(frames * window, 512)) ** 2


def triangles(
    corners: npt.NDArray[np.float64], bins: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    out = np.zeros((len(corners) - 2, len(bins)))
    for m in range(len(out)):
        left, peak, right = corners[m : m + 3]
        for k, at in enumerate(bins):
            out[m, k] = max(0.0, min((at - left) / (peak - left), (right - at) / (right - peak)))
    return out


def slow_gapless(samples: Samples) -> npt.NDArray[np.float64]:
    """What the model we ship was trained on."""
    x = samples.astype(np.float64)
    frames = np.array([x[160 * k : 160 * k + 400] for k in range((len(x) - 400) // 160 + 1)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (60, 7600))
    corners = 700 * (10 ** (np.linspace(low, high, 42) / 2595) - 1)
    bank = triangles(corners, np.arange(257) * 31.25)
    return (np.log(power(frames, window) @ bank.T + 1e-6) + 6) / 4


def slow_kaldi(
    samples: Samples, *, snip_edges: bool, full_scale: float = 1.0
) -> npt.NDArray[np.float64]:
    """Kaldi's ``ExtractWindow``, ``ProcessWindow`` and ``MelBanks::Compute``, as kaldi-native-fbank has them."""
    x = samples.astype(np.float64) * full_scale
    if snip_edges:
        count = 0 if len(x) < 400 else 1 + (len(x) - 400) // 160
        begins = [160 * k for k in range(count)]
    else:
        begins = [160 * k + 80 - 200 for k in range((len(x) + 80) // 160)]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    rows = []
    for begin in begins:
        frame = np.empty(400)
        for s in range(400):
            at = begin + s
            while not 0 <= at < len(x):
                at = -at - 1 if at < 0 else 2 * len(x) - 1 - at
            frame[s] = x[at]
        frame -= frame.mean()
        for s in range(399, 0, -1):
            frame[s] -= 0.97 * frame[s - 1]
        frame[0] -= 0.97 * frame[0]
        rows.append(frame * window)
    low, high = (1127 * math.log(1 + hz / 700) for hz in (20, 7600))
    bins = 1127 * np.log(1 + np.arange(257) * 31.25 / 700)
    bank = triangles(np.linspace(low, high, 82), bins)
    energies = power(np.array(rows), np.ones(400)) @ bank.T
    return np.log(np.maximum(energies, np.finfo(np.float32).eps))


def slow_nemo(samples: Samples, n_mels: int) -> npt.NDArray[np.float64]:
    """NeMo's ``FilterbankFeatures`` up to the normalisation: ``torch.stft`` centred, with zeros at both ends."""
    x = samples.astype(np.float64)
    x = np.concatenate((x[:1], x[1:] - 0.97 * x[:-1]))
    padded = np.concatenate((np.zeros(256), x, np.zeros(256)))
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)
    frames = np.array([padded[160 * k : 160 * k + 512] for k in range(len(x) // 160)])
    top = 15 + math.log(8.0) * 27 / math.log(6.4)
    mels = np.linspace(0, top, n_mels + 2)
    corners = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bank = triangles(corners, np.arange(257) * 31.25)
    bank *= (2 / (corners[2:] - corners[:-2]))[:, None]
    return np.log(power(frames, window) @ bank.T + 2.0**-24)


def test_our_own_features_are_those_the_model_was_trained_on() -> None:
    ours, slow = whole(PRESETS["gapless"], SPEECH), slow_gapless(SPEECH)
    assert ours.shape == slow.shape == (98, 40)
    np.testing.assert_allclose(ours, slow, rtol=0, atol=2e-4)


@pytest.mark.parametrize("full_scale", [1.0, 32_768.0])
@pytest.mark.parametrize("snip_edges", [False, True])
@pytest.mark.parametrize("length", [80, 300, 401, 5000])
def test_kaldis_features_are_kaldis(length: int, snip_edges: bool, full_scale: float) -> None:
    options = msgspec.structs.replace(
        PRESETS["kaldi"],
        framing="inside" if snip_edges else "reflected",
        full_scale=full_scale,
    )
    samples = SPEECH[3000 : 3000 + length]
    expected_frames = options.n_frames(length)

    ours = whole(options, samples)

    assert ours.shape == (expected_frames, 80)
    if expected_frames:
        slow = slow_kaldi(samples, snip_edges=snip_edges, full_scale=full_scale)
        np.testing.assert_allclose(ours, slow, rtol=0, atol=2e-3)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("length", [160, 300, 1000, 16_000])
def test_nemos_features_are_nemos(length: int, n_mels: int) -> None:
    ours = whole(feature_options("nemo", n_mels=n_mels), SPEECH[:length])
    slow = slow_nemo(SPEECH[:length], n_mels)
    assert ours.shape == slow.shape == (length // 160, n_mels)
    np.testing.assert_allclose(ours, slow, rtol=0, atol=2e-3)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_silence_has_the_lowest_features_there_are(preset: str) -> None:
    options = next(options for name, options in PRESETS.items() if name == preset)
    floor = options.least_energy + options.added_energy
    silence = whole(options, np.zeros(2000, np.float32))
    expected = options.gain * math.log(floor) + options.offset
    np.testing.assert_allclose(silence, expected, atol=1e-5)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("hz", [200, 1000, 4000])
def test_a_sine_is_loudest_in_the_band_around_it(preset: str, hz: int) -> None:
    options = next(options for name, options in PRESETS.items() if name == preset)
    sine = np.sin(2 * np.pi * hz * np.arange(8000) / 16_000).astype(np.float32)

    loudest = int(whole(options, sine)[20].argmax())

    mels: dict[str, Callable[[float], float]] = {
        "htk": lambda f: 2595 * math.log10(1 + f / 700),
        "kaldi": lambda f: 1127 * math.log(1 + f / 700),
        "slaney": lambda f: f * 3 / 200 if f < 1000 else 15 + 27 * math.log(f / 1000, 6.4),
    }
    to_mel = mels[options.mel_scale]
    low, high = to_mel(options.low_hz), to_mel(options.highest_hz)
    peak = (to_mel(hz) - low) / (high - low) * (options.n_mels + 1) - 1
    assert abs(loudest - peak) <= 1


def test_what_is_twice_as_loud_is_one_step_of_the_logarithm_higher() -> None:
    options = msgspec.structs.replace(PRESETS["kaldi"], least_energy=1e-30)
    difference = whole(options, SPEECH * np.float32(2)) - whole(options, SPEECH)
    np.testing.assert_allclose(difference, math.log(4), atol=1e-4)


def test_long_blocks_are_worked_off_in_pieces() -> None:
    stage = LogMel()
    long = np.tile(SPEECH, 6)
    at_once = stage.process(long)
    assert len(at_once) > 2 * FRAMES_AT_ONCE
    np.testing.assert_array_equal(at_once[500:505], whole(FeatureOptions(), long[80_000:81_100]))


def test_too_little_sound_has_no_features() -> None:
    assert whole(PRESETS["gapless"], SPEECH[:399]).shape == (0, 40)
    assert whole(PRESETS["gapless"], SPEECH[:400]).shape == (1, 40)
    assert whole(PRESETS["kaldi"], SPEECH[:79]).shape == (0, 80)
    assert whole(PRESETS["nemo"], SPEECH[:0]).shape == (0, 128)


def test_tables_are_made_once_for_all_streams() -> None:
    assert LogMel(FeatureOptions())._tables is LogMel()._tables


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_fft", 400),
        ("n_fft", 4),
        ("window_samples", 513),
        ("window_samples", 1),
        ("hop_samples", 0),
        ("hop_samples", 401),
        ("n_mels", 0),
        ("high_hz", 8001.0),
        ("high_hz", 50.0),
        ("low_hz", -1.0),
        ("least_energy", -1.0),
        ("added_energy", 0.0),
    ],
)
def test_options_that_do_not_fit_together_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=r"features cannot be computed with"):
        msgspec.structs.replace(FeatureOptions(), **{field: value})
