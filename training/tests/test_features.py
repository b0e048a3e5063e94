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


def test_features_are_cut_to_whole_steps() -> None:
    assert len(features.features(np.zeros(400 + 160 * 9, np.float32))) == 8
