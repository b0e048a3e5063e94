"""An offline encoder in windows: what it gives for each chunk, put together, against the whole utterance at once.

Where the network hears no further than the context of a window, the two are the same; where it does, the frames of a
chunk that have enough behind them still are, and the others differ by a little that is measured here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, lists

from gapless.listen.recogniser.profiles.nemo import CHUNK, LEFT, RIGHT
from gapless.listen.recogniser.streaming.manifest import EncoderSpec
from gapless.listen.recogniser.streaming.windows import Window, Windows
from gapless.testing import nemo_models
from gapless.testing.profile_reference import Ask, opened

pytest.importorskip("onnx", reason="the models are made with the package onnx")

SUBSAMPLING: Final = 8
SPEC: Final = EncoderSpec(
    input="audio_signal",
    output="outputs",
    left_frames=LEFT,
    chunk_frames=CHUNK,
    right_frames=RIGHT,
    fill_front=False,
    subsampling=SUBSAMPLING,
    drop_frames=LEFT // SUBSAMPLING,
    frame_ms=80,
)
NEAR: Final = 4
"""Frames to each side that the network hears: 39 feature frames, well inside of the context."""

FAR: Final = 30
"""247 feature frames: inside of the context before a chunk (560), beyond that behind it (160)."""

ROUNDING: Final = 5e-6


@cache
def encoder(reach: int) -> Ask:
    with TemporaryDirectory() as folder:
        nemo_models.write_nemo(Path(folder), reach=reach)
        return opened(Path(folder, "encoder-model.onnx"))


def ask(reach: int, features: npt.NDArray[Any], n_frames: int) -> npt.NDArray[Any]:
    given = encoder(reach)({"audio_signal": features.T[None], "length": np.array([n_frames])})
    frames: npt.NDArray[Any] = given["outputs"][0].T
    return frames


def in_windows(reach: int, features: npt.NDArray[Any], cuts: list[int]) -> npt.NDArray[Any]:
    windows = Windows(SPEC, nemo_models.MELS)
    found: list[Window] = []
    for piece in np.split(features, cuts):
        found += windows.accept(piece)
    found += windows.finish()
    return np.concatenate(
        [
            ask(reach, window.frames, window.n_frames)[window.skip :][: window.keep]
            for window in found
        ]
    )


def log_mels(n_frames: int) -> npt.NDArray[Any]:
    rng = np.random.default_rng(n_frames)
    return rng.normal(-6.0, 4.0, (n_frames, nemo_models.MELS)).astype(np.float32)


@settings(max_examples=25)
@given(n_frames=integers(1, 1200), cuts=lists(integers(0, 1200), max_size=3))
def test_windows_give_what_the_whole_gives_where_the_context_covers_what_is_heard(
    n_frames: int, cuts: list[int]
) -> None:
    features = log_mels(n_frames)
    whole = ask(NEAR, features, n_frames)
    windows = in_windows(NEAR, features, sorted(min(cut, n_frames) for cut in cuts))
    assert windows.shape == whole.shape
    np.testing.assert_allclose(windows, whole, atol=ROUNDING)


def test_frames_differ_only_where_what_is_heard_lies_behind_the_window() -> None:
    n_frames = 1600
    features = log_mels(n_frames)
    whole = ask(FAR, features, n_frames)
    windows = in_windows(FAR, features, [])
    assert windows.shape == whole.shape
    differences = np.abs(windows - whole).max(axis=1).reshape(-1, CHUNK // SUBSAMPLING)
    # Frame k of a chunk hears up to 8 k + 7 + 240 behind the chunk's begin, and the window has 320 of them.
    enough = (CHUNK + RIGHT - 7 - 8 * FAR) // SUBSAMPLING + 1
    assert enough == 10
    assert differences[:, :enough].max() < ROUNDING
    # Of the last two chunks the window holds all that there is.
    assert differences[-1].max() < ROUNDING
    missed = differences[:-2, enough:]
    assert missed.min() > 0.01
    error = np.sqrt(np.mean(np.square(windows - whole)) / np.mean(np.square(whole)))
    assert 0.15 < error < 0.25
