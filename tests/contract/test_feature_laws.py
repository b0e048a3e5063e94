"""The features keep the laws of ``gapless.audio.stage``, whatever the framing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from gapless.listen.features import PRESETS, FeatureOptions, LogMel
from gapless.testing.laws import check_stage, usual_splits

NOISE = np.random.default_rng(8).uniform(-1, 1, 2400).astype(np.float32)

OPTIONS: dict[str, FeatureOptions] = {
    **{str(name): options for name, options in PRESETS.items()},
    "short frames": FeatureOptions(window_samples=160, n_fft=256),
    "odd sizes": msgspec.structs.replace(PRESETS["kaldi"], window_samples=333, hop_samples=111),
}


@pytest.mark.parametrize("length", [2345, 2400])
@pytest.mark.parametrize("name", list(OPTIONS))
def test_log_mel(name: str, length: int) -> None:
    options = OPTIONS[name]
    check_stage(
        lambda: LogMel(options),
        NOISE[:length],
        usual_splits(length, ones=500),
        samples_per_output=options.hop_samples,
        n_outputs=options.n_frames(length),
    )


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("length", [0, 1, 79, 100, 161, 250, 399])
def test_sound_that_is_shorter_than_a_frame_may_come_sample_by_sample(
    name: str, length: int
) -> None:
    whole, pieces = LogMel(OPTIONS[name]), LogMel(OPTIONS[name])
    expected = np.concatenate((whole.process(NOISE[:length]), whole.flush()))
    got = [pieces.process(NOISE[n : n + 1]) for n in range(length)]
    assert np.concatenate((*got, pieces.flush())).tobytes() == expected.tobytes()
