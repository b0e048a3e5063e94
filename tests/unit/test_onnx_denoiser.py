from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.onnx.denoiser import OnnxDenoiser
from gapless.errors import ModelError
from gapless.testing.denoiser_models import (
    DFN_MANIFEST,
    FRAGILE_MANIFEST,
    GTCRN_MANIFEST,
    write_dfn_like,
    write_fragile,
    write_gtcrn_like,
)
from gapless.testing.graph import Graph

FRAME = 160


def clean(denoiser: OnnxDenoiser, samples: Samples) -> Samples:
    frames = samples.reshape(-1, denoiser.frame_samples)
    return np.concatenate([denoiser.process(frame) for frame in frames])


def late(samples: Samples, delay: int) -> Samples:
    return np.concatenate((np.zeros(delay, np.float32), samples[: len(samples) - delay]))


@pytest.fixture
def hum() -> Samples:
    """40 frames of a low tone that is far from zero where frames begin, after a soft start."""
    n = np.arange(40 * FRAME)
    level = 0.3 * np.minimum(n / FRAME, 1)
    return (level * np.cos(2 * np.pi * 98 * n / 16_000)).astype(np.float32)


def test_the_first_frame_finds_a_new_stream(tmp_path: Path) -> None:
    """What was heard to warm up is forgotten: silence in, silence out."""
    for folder in (write_gtcrn_like(tmp_path / "gtcrn"), write_dfn_like(tmp_path / "dfn")):
        denoiser = OnnxDenoiser(folder)
        assert not clean(denoiser, np.zeros(8 * denoiser.frame_samples, np.float32)).any()
        assert (denoiser.replaced_frames, denoiser.restarts) == (0, 0)


def test_a_constant_of_the_manifest_reaches_the_network(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32)
    levels = []
    for limit_db in (0.0, 6.0):
        manifest = DFN_MANIFEST.replace("value = 0.0", f"value = {limit_db}")
        denoiser = OnnxDenoiser(write_dfn_like(tmp_path / str(limit_db), manifest))
        output = clean(denoiser, noise)
        levels.append(20 * np.log10(np.std(output[-9600:]) / np.std(noise[-9600:])))

    assert levels[0] < -20
    assert levels[1] == pytest.approx(-6, abs=0.5)


def test_a_state_begins_as_the_manifest_says(tmp_path: Path) -> None:
    manifest = FRAGILE_MANIFEST.replace(
        'output = "past_next" }', 'output = "past_next", first = 0.1, last = 0.259 }'
    )
    denoiser = OnnxDenoiser(write_fragile(tmp_path))
    assert not denoiser.process(np.zeros(FRAME, np.float32)).any()

    (tmp_path / "denoiser.toml").write_text(manifest)
    denoiser = OnnxDenoiser(tmp_path)
    ramp = np.linspace(0.1, 0.259, FRAME)
    for _ in range(2):
        assert np.allclose(denoiser.process(np.zeros(FRAME, np.float32)), ramp, atol=1e-6)
        denoiser.reset()


@pytest.mark.parametrize(
    ("peak", "replaced", "restarts"),
    # The frame itself, or those up to the restart; and one until the network's delay has passed.
    [(0.95, 1 + 1, 0), (0.8, 3 + 1, 1)],
    ids=["a bad answer", "a bad state"],
)
def test_frames_of_nonsense_are_replaced_by_the_original_in_step(
    tmp_path: Path, hum: Samples, peak: float, replaced: int, restarts: int
) -> None:
    denoiser = OnnxDenoiser(write_fragile(tmp_path))
    hum[10 * FRAME + 7] = peak

    assert np.allclose(clean(denoiser, hum), late(hum, FRAME), atol=1e-6)
    assert (denoiser.replaced_frames, denoiser.restarts) == (replaced, restarts)


@pytest.mark.parametrize("peak", [0.95, 0.8], ids=str)
def test_the_change_to_the_original_and_back_makes_no_step(
    tmp_path: Path, hum: Samples, peak: float
) -> None:
    denoiser = OnnxDenoiser(write_fragile(tmp_path, gain=0.2))
    hum[10 * FRAME + 7] = peak
    output = clean(denoiser, hum)

    assert denoiser.replaced_frames > 0
    # A step from 0.2 of the tone to all of it would be about 0.2; the tone itself moves by 0.012 a sample.
    steps = np.abs(np.diff(output))
    steps[[11 * FRAME + 6, 11 * FRAME + 7]] = 0  # the peak is sound, and comes out
    assert steps.max() < 0.02


def test_nonsense_that_does_not_end_is_the_original_for_ever(tmp_path: Path, hum: Samples) -> None:
    denoiser = OnnxDenoiser(write_fragile(tmp_path, gain=0.2))
    hum[7::FRAME] = 0.95
    output = clean(denoiser, hum)

    assert np.allclose(output[2 * FRAME :], late(hum, FRAME)[2 * FRAME :], atol=1e-6)
    assert (denoiser.replaced_frames, denoiser.restarts) == (40, 13)
    denoiser.reset()
    quiet = np.full(4 * FRAME, 0.1, np.float32)
    assert np.allclose(clean(denoiser, quiet)[FRAME:], 0.02, atol=1e-6)
    assert denoiser.replaced_frames == 40


def test_a_network_that_knows_only_nonsense_does_not_open(tmp_path: Path) -> None:
    graph = Graph(1)
    graph.give(graph.op("Div", "x", graph.const(0.0)), "y")
    tensor = (np.float32, (1, FRAME))
    graph.save(tmp_path / "model.onnx", {"x": tensor}, {"y": tensor})
    (tmp_path / "denoiser.toml").write_text(FRAGILE_MANIFEST.partition("state")[0])

    with pytest.raises(ModelError, match="NaN or numbers out of all range"):
        OnnxDenoiser(tmp_path)


def test_a_length_that_the_file_leaves_open_is_taken_from_the_manifest(tmp_path: Path) -> None:
    graph = Graph(1)
    graph.give(graph.op("Add", "x", "h"), "y")
    graph.give("h", "h_next")
    frame, state = (np.float32, ("batch", "n")), (np.float32, ("batch", 1))
    graph.save(tmp_path / "model.onnx", {"x": frame, "h": state}, {"y": frame, "h_next": state})
    manifest = FRAGILE_MANIFEST.partition("state")[0].replace(
        "delay_samples = 160", "delay_samples = 0"
    )
    pair = 'state = [{ input = "h", output = "h_next"%s }]\n'
    (tmp_path / "denoiser.toml").write_text(manifest + pair % "")
    with pytest.raises(ModelError, match="leaves the shape of 'h' open"):
        OnnxDenoiser(tmp_path)

    (tmp_path / "denoiser.toml").write_text(manifest + pair % ", shape = [1, 1], first = 0.5")
    denoiser = OnnxDenoiser(tmp_path)
    assert np.allclose(denoiser.process(np.zeros(FRAME, np.float32)), 0.5)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('input = "tra_cache"', 'input = "tra"', "has no input 'tra'; those it has are mix,"),
        ('"enh"', '"out"', "has no output 'out'; those it has are enh,"),
        ("n_fft = 512", "n_fft = 520", r"has 'mix' of shape \[1, 257, 1, 2\], the manifest means"),
        ('"bins", "frames"', '"frames", "bins"', "correct axes, shape or lengths"),
        ('    { input = "tra_cache", output = "tra_cache_out" },\n', "", "wants tra_cache too"),
        (
            'output = "tra_cache_out"',
            'output = "conv_cache_out"',
            r"'conv_cache_out' of shape \[2, 1, 16, 16, 33\], the manifest means \[2, 3, 1, 1, 16\]",
        ),
        ('"tra_cache_out"', '"tra_cache_out", shape = [3]', "of shape"),
    ],
    ids=["input", "output", "length", "order", "missing", "pair", "shape"],
)
def test_a_manifest_that_does_not_fit_the_file_says_where(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in GTCRN_MANIFEST
    with pytest.raises(ModelError, match=says):
        OnnxDenoiser(write_gtcrn_like(tmp_path, GTCRN_MANIFEST.replace(old, new)))


def test_a_type_that_cannot_be_sound_is_refused(tmp_path: Path) -> None:
    graph = Graph(1)
    graph.give("x", "y")
    tensor = (np.int64, (1, FRAME))
    graph.save(tmp_path / "model.onnx", {"x": tensor}, {"y": tensor})
    (tmp_path / "denoiser.toml").write_text(FRAGILE_MANIFEST.partition("state")[0])

    with pytest.raises(ModelError, match=r"type tensor\(int64\); export it as tensor\(float\)"):
        OnnxDenoiser(tmp_path)


def test_a_missing_file_or_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"put a manifest beside"):
        OnnxDenoiser(tmp_path)
    (tmp_path / "denoiser.toml").write_text(GTCRN_MANIFEST)
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        OnnxDenoiser(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        OnnxDenoiser(tmp_path)
