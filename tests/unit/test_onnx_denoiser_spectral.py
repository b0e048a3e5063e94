from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.clean.onnx.denoiser import OnnxDenoiser
from gapless.clean.onnx.spectral import inverse_window, window_of
from gapless.testing.graph import Graph

F32 = np.float32
USUAL = ("sqrt-hann", 512, 256)


class Layout(NamedTuple):
    """A network that gives back its input, in one of the ways that spectra can be laid out."""

    input: str
    output: str
    inputs: dict[str, tuple[int, ...]]
    """Shapes; 0 stands for the number of bins."""
    outputs: dict[str, tuple[int, ...]]
    build: Callable[[Graph], None]


def same(graph: Graph) -> None:
    graph.give("x", "y")


def same_parts(graph: Graph) -> None:
    graph.give("xr", "yr")
    graph.give("xi", "yi")


def ones(graph: Graph) -> None:
    graph.give(graph.op("Add", graph.op("Mul", "x", graph.const(0.0)), graph.const(1.0)), "y")


def complex_ones(graph: Graph) -> None:
    zeros = graph.op("Transpose", graph.op("Mul", "x", graph.const(0.0)), perm=[1, 0])
    graph.give(graph.op("Add", zeros, graph.const([1.0, 0.0])), "y")


def ones_in_parts(graph: Graph) -> None:
    zeros = graph.op("Mul", "xr", graph.const(0.0))
    graph.give(graph.op("Add", zeros, graph.const(1.0)), "yr")
    graph.give(graph.op("Mul", "xi", graph.const(0.0)), "yi")


LAYOUTS = {
    "one tensor": Layout(
        '{ tensors = ["x"], axes = ["batch", "frames", "bins", "parts"] }',
        '{ tensors = ["y"], axes = ["batch", "frames", "bins", "parts"], values = "spectrum" }',
        {"x": (1, 1, 0, 2)},
        {"y": (1, 1, 0, 2)},
        same,
    ),
    "two tensors": Layout(
        '{ tensors = ["xr", "xi"], axes = ["bins", "batch"] }',
        '{ tensors = ["yr", "yi"], axes = ["bins", "batch"], values = "spectrum" }',
        {"xr": (0, 1), "xi": (0, 1)},
        {"yr": (0, 1), "yi": (0, 1)},
        same_parts,
    ),
    "gains": Layout(
        '{ tensors = ["x"], axes = ["frames", "bins"], values = "magnitude" }',
        '{ tensors = ["y"], axes = ["frames", "bins"], values = "mask" }',
        {"x": (1, 0)},
        {"y": (1, 0)},
        ones,
    ),
    "complex mask": Layout(
        '{ tensors = ["x"], axes = ["parts", "bins"] }',
        '{ tensors = ["y"], axes = ["bins", "parts"], values = "mask" }',
        {"x": (2, 0)},
        {"y": (0, 2)},
        complex_ones,
    ),
    "mask in two tensors": Layout(
        '{ tensors = ["xr", "xi"], axes = ["channels", "bins"] }',
        '{ tensors = ["yr", "yi"], axes = ["channels", "bins"], values = "mask" }',
        {"xr": (1, 0), "xi": (1, 0)},
        {"yr": (1, 0), "yi": (1, 0)},
        ones_in_parts,
    ),
}


def write(
    folder: Path,
    layout: Layout,
    transform: tuple[str, int, int] = USUAL,
    *,
    scale: float = 1.0,
    more: str = "",
) -> OnnxDenoiser:
    window, n_fft, hop = transform
    graph = Graph(1)
    layout.build(graph)

    def tensors(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[type[F32], list[int]]]:
        return {
            name: (F32, [length or n_fft // 2 + 1 for length in shape])
            for name, shape in shapes.items()
        }

    graph.save(folder / "model.onnx", tensors(layout.inputs), tensors(layout.outputs))
    (folder / "denoiser.toml").write_text(f"""\
kind = "spectral"
rate_hz = 16000
transform = {{ n_fft = {n_fft}, hop = {hop}, window = "{window}", scale = {scale} }}
input = {layout.input}
output = {layout.output}
{more}
""")
    return OnnxDenoiser(folder)


def clean(denoiser: OnnxDenoiser, samples: Samples) -> Samples:
    frames = samples.reshape(-1, denoiser.frame_samples)
    return np.concatenate([denoiser.process(frame) for frame in frames])


def late(samples: Samples, delay: int) -> Samples:
    return np.concatenate((np.zeros(delay, F32), samples[: len(samples) - delay]))


def noise(n_samples: int, level: float = 0.1) -> Samples:
    return np.random.default_rng(1).normal(0, level, n_samples).astype(F32)


@pytest.mark.parametrize("scale", [1.0, 0.25], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_network_that_changes_nothing_gives_back_the_input(
    tmp_path: Path, layout: Layout, scale: float
) -> None:
    denoiser = write(tmp_path, layout, scale=scale)
    samples = noise(20 * 256)

    assert denoiser.delay_samples == 256
    assert np.allclose(clean(denoiser, samples), late(samples, 256), atol=1e-6)
    assert denoiser.replaced_frames == 0


@pytest.mark.parametrize(
    "transform",
    [
        ("sqrt-hann", 320, 160),
        ("sqrt-hann", 400, 150),
        ("hann", 512, 128),
        ("hann", 512, 256),
        ("vorbis", 960, 480),
        ("rectangular", 320, 320),
        ("rectangular", 64, 16),
    ],
    ids=str,
)
def test_every_window_adds_up_to_one(tmp_path: Path, transform: tuple[str, int, int]) -> None:
    _, n_fft, hop = transform
    denoiser = write(tmp_path, LAYOUTS["one tensor"], transform)
    samples = noise(30 * hop)

    assert denoiser.delay_samples == n_fft - hop
    assert np.allclose(clean(denoiser, samples), late(samples, n_fft - hop), atol=2e-6)


def test_windows_are_what_their_names_say() -> None:
    n = np.arange(512)
    assert np.allclose(window_of("sqrt-hann", 512), np.sin(np.pi * n / 512), atol=1e-7)
    assert np.allclose(window_of("hann", 512), np.sin(np.pi * n / 512) ** 2, atol=1e-7)
    vorbis = window_of("vorbis", 512)
    assert np.allclose(vorbis[:256] ** 2 + vorbis[256:] ** 2, 1, atol=1e-6)
    assert np.allclose(inverse_window(vorbis, 256), vorbis, atol=1e-6)


def test_what_the_network_sees_is_the_scaled_spectrum(tmp_path: Path) -> None:
    def louder(graph: Graph) -> None:
        """Twice the spectrum, and 3 at 0 Hz: that tells the scale on the way in and out."""
        first = np.zeros((1, 1, 257, 2), F32)
        first[..., 0, 0] = 3
        graph.give(graph.op("Add", graph.op("Mul", "x", graph.const(2.0)), graph.const(first)), "y")

    denoiser = write(tmp_path, LAYOUTS["one tensor"]._replace(build=louder), scale=0.5)
    samples = noise(20 * 256)
    added = clean(denoiser, samples) - 2 * late(samples, 256)

    # 3 / scale at 0 Hz is a constant of 6 / n_fft, under the window of the inverse, overlapped.
    window = window_of("sqrt-hann", 512)
    overlapped = 6 / 512 * (window[:256] + window[256:])
    assert np.allclose(added[1024:].reshape(-1, 256), overlapped, atol=1e-6)


def test_a_complex_mask_turns_the_phase(tmp_path: Path) -> None:
    def quarter(graph: Graph) -> None:
        zeros = graph.op("Transpose", graph.op("Mul", "x", graph.const(0.0)), perm=[1, 0])
        graph.give(graph.op("Add", zeros, graph.const([0.0, 1.0])), "y")

    denoiser = write(tmp_path, LAYOUTS["complex mask"]._replace(build=quarter))
    angle = 2 * np.pi * 32 * np.arange(20 * 256) / 512
    output = clean(denoiser, np.cos(angle).astype(F32))

    assert np.allclose(output[512:], -np.sin(angle)[256:-256], atol=1e-3)


@pytest.mark.parametrize("lookahead", [1, 3], ids=str)
def test_a_mask_is_of_the_frame_that_the_look_ahead_names(tmp_path: Path, lookahead: int) -> None:
    denoiser = write(tmp_path, LAYOUTS["gains"], more=f"lookahead_frames = {lookahead}")
    samples = noise(20 * 256)

    assert denoiser.delay_samples == (1 + lookahead) * 256
    assert np.allclose(clean(denoiser, samples), late(samples, (1 + lookahead) * 256), atol=1e-6)


def fragile(graph: Graph) -> None:
    """The spectrum of two frames ago, or NaN when this one is louder than 40."""
    peak = graph.op("ReduceMax", graph.op("Abs", "x"), keepdims=0)
    root = graph.op("Sqrt", graph.op("Sub", graph.const(40.0), peak))
    nothing = graph.op("Mul", root, graph.const(0.0))
    graph.give(graph.op("Add", graph.slice("past", 0, 1, 0), nothing), "y")
    graph.give(graph.op("Concat", graph.slice("past", 1, 2, 0), "x", axis=0), "past_next")


def test_nonsense_is_replaced_in_step_with_the_look_ahead(tmp_path: Path) -> None:
    layout = LAYOUTS["one tensor"]
    layout = layout._replace(
        inputs={**layout.inputs, "past": (2, 1, 0, 2)},
        outputs={**layout.outputs, "past_next": (2, 1, 0, 2)},
        build=fragile,
    )
    more = 'lookahead_frames = 2\nstate = [{ input = "past", output = "past_next" }]'
    denoiser = write(tmp_path, layout, more=more)
    samples = noise(20 * 256, level=0.01)
    samples[8 * 256 : 9 * 256] += 0.5
    output = clean(denoiser, samples)

    # Two windows see the loud frame; two more frames pass before the network's own are in step again.
    assert (denoiser.replaced_frames, denoiser.restarts) == (4, 0)
    assert np.allclose(output, late(samples, 3 * 256), atol=1e-6)
