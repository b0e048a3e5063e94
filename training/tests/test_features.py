"""The front end against its definition, written out slowly."""

from __future__ import annotations

import numpy as np

from commands_en import features


def test_frames_follow_the_definition_in_model_json() -> None:
    samples = np.random.default_rng(0).standard_normal(1000).astype(np.float32) * 0.1
    heard = features.log_mel(features.mel_power(samples))
    assert heard.shape == ((1000 - 400) // 160 + 1, 40)
    edges = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 7600 / 700), 42)
    edges = 700 * (10 ** (edges / 2595) - 1)
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)]
    for frame in (0, 2):
        piece = samples[160 * frame : 160 * frame + 400] * window
        spectrum = [
            abs(sum(piece * np.exp(-2j * np.pi * k * np.arange(400) / 512))) ** 2
            for k in range(257)
        ]
        for band in (0, 7, 39):
            low, peak, high = edges[band : band + 3]
            power = sum(
                p
                * max(0, min((31.25 * k - low) / (peak - low), (high - 31.25 * k) / (high - peak)))
                for k, p in enumerate(spectrum)
            )
            expected = (np.log(power + 1e-6) + 6) / 4
            assert abs(heard[frame, band] - expected) < 1e-4


def test_only_whole_steps_are_kept() -> None:
    assert len(features.whole_steps(np.zeros((10, 40), np.float32))) == 8


def test_each_band_is_divided_by_its_own_decaying_mean() -> None:
    power = np.random.default_rng(1).exponential(1, (9, 40)).astype(np.float32)
    heard = features.normalised(power)
    for frame in (0, 8):
        weights = 0.975 ** np.arange(frame, -1, -1)
        mean = weights @ power[: frame + 1] / weights.sum()
        expected = (power[frame] / (1e-6 + mean) ** 0.98 + 2) ** 0.5 - 2**0.5
        np.testing.assert_allclose(heard[frame], expected, atol=1e-5)


def test_what_goes_on_from_a_state_is_the_same_as_the_whole() -> None:
    power = np.random.default_rng(2).exponential(1, (2, 50, 40)).astype(np.float32)
    counted = np.concatenate([power, np.ones((2, 50, 1), np.float32)], axis=-1)
    state = 0.025 * (0.975 ** np.arange(19, -1, -1) @ counted[:, :20]).astype(np.float32)
    whole = features.normalised(power)
    np.testing.assert_allclose(features.normalised(power[:, 20:], state), whole[:, 20:], atol=1e-5)


def test_silence_is_nothing_and_loudness_is_not_heard() -> None:
    assert not features.normalised(np.zeros((8, 40), np.float32)).any()
    power = np.random.default_rng(3).exponential(1, (50, 40)).astype(np.float32)
    quiet, loud = features.normalised(power * 0.1), features.normalised(power * 10)
    np.testing.assert_allclose(quiet, loud, rtol=0.12)
