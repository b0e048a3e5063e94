"""Small denoisers in ONNX files, with the inputs, outputs and states of well-known ones, and manifests for them.

In: a folder. Out: the ONNX file and its ``denoiser.toml`` in it. Invariants: they really remove steady noise, by simple
means (subtracting a mean that they carry in their states), and they really are as late as declared; nothing in them was
trained. Needs the package onnx (``pip install 'gapless[quantize]'``). Thread: any.

Interfaces of: GTCRN's streaming export (github.com/Xiaobin-Rong/gtcrn, stream/gtcrn_stream.py); DeepFilterNet3's
streaming export (github.com/grazder/DeepFilterNet, torchDF/torch_df_streaming.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from gapless.clean.onnx.manifest import MANIFEST_FILE
from gapless.testing.graph import Graph

F32: Final = np.float32

GTCRN_BINS: Final = 257
GTCRN_CACHES: Final = {
    "conv_cache": (2, 1, 16, 16, 33),
    "tra_cache": (2, 3, 1, 1, 16),
    "inter_cache": (2, 1, 33, 16),
}

GTCRN_MANIFEST: Final = """\
kind = "spectral"
rate_hz = 16000
transform = { n_fft = 512, hop = 256, window = "sqrt-hann" }
input = { tensors = ["mix"], axes = ["batch", "bins", "frames", "parts"] }
output = { tensors = ["enh"], axes = ["batch", "bins", "frames", "parts"], values = "spectrum" }
state = [
    { input = "conv_cache", output = "conv_cache_out" },
    { input = "tra_cache", output = "tra_cache_out" },
    { input = "inter_cache", output = "inter_cache_out" },
]
"""

DFN_FRAME: Final = 480
DFN_STATES: Final = 45_304
DFN_DELAY: Final = 1440
"""Its transform of 960 samples, and 2 frames of look-ahead."""

DFN_MANIFEST: Final = """\
kind = "waveform"
rate_hz = 48000
frame_samples = 480
delay_samples = 1440
input = { tensor = "input_frame", axes = ["samples"] }
output = { tensor = "enhanced_audio_frame", axes = ["samples"] }
state = [{ input = "states", output = "new_states" }]
constant = [{ input = "atten_lim_db", value = 0.0 }]
"""

FRAGILE_MANIFEST: Final = """\
kind = "waveform"
rate_hz = 16000
frame_samples = 160
delay_samples = 160
input = { tensor = "x", axes = ["batch", "samples"] }
output = { tensor = "y", axes = ["batch", "samples"] }
state = [
    { input = "past", output = "past_next" },
    { input = "memory", output = "memory_next" },
]
"""

NOISE_KEPT: Final = 0.98
"""Share of the mean noise that stays from frame to frame."""


def write_gtcrn_like(folder: Path, manifest: str = GTCRN_MANIFEST) -> Path:
    """A spectral denoiser with GTCRN's interface, which subtracts the mean power of each bin. Returns the folder."""
    graph = Graph(1)
    power = graph.op("ReduceSumSquare", "mix", axes=[3], keepdims=1)
    flat = graph.op("Reshape", "inter_cache", graph.const([-1]))
    as_bins = graph.const([1, GTCRN_BINS, 1, 1])
    before = graph.op("Reshape", graph.slice(flat, 0, GTCRN_BINS, 0), as_bins)
    noise = _mean(graph, before, power)
    enhanced = graph.op("Mul", "mix", _gain(graph, noise, power))
    graph.give(enhanced, "enh")
    kept = graph.slice(flat, GTCRN_BINS, 2**31, 0)
    joined = graph.op("Concat", graph.op("Reshape", noise, graph.const([-1])), kept, axis=0)
    shape = graph.const(list(GTCRN_CACHES["inter_cache"]))
    graph.give(graph.op("Reshape", joined, shape), "inter_cache_out")
    for name in ("conv_cache", "tra_cache"):
        level = graph.op("ReduceMean", power, keepdims=0)
        graph.give(_mean(graph, name, level), f"{name}_out")
    spectrum = (F32, (1, GTCRN_BINS, 1, 2))
    caches = {name: (F32, shape) for name, shape in GTCRN_CACHES.items()}
    return _save(
        graph,
        folder,
        {"mix": spectrum, **caches},
        {"enh": spectrum, **{f"{name}_out": tensor for name, tensor in caches.items()}},
        manifest,
    )


def write_dfn_like(folder: Path, manifest: str = DFN_MANIFEST) -> Path:
    """A waveform denoiser with the interface and the delay of DeepFilterNet3's streaming export. Returns the folder.

    It turns frames down that are no louder than the mean; ``atten_lim_db`` bounds by how much, 0 does not.
    """
    graph = Graph(2)
    past = graph.slice("states", 0, DFN_DELAY, 0)
    heard = graph.op("Concat", past, "input_frame", axis=0)
    frame = graph.slice(heard, 0, DFN_FRAME, 0)
    power = graph.op("ReduceMean", graph.op("Mul", frame, frame), keepdims=1)
    noise = _mean(graph, graph.slice("states", DFN_DELAY, DFN_DELAY + 1, 0), power)
    limit = graph.op("Pow", graph.const(10.0), graph.op("Mul", "atten_lim_db", graph.const(-0.05)))
    unbounded = graph.op("Equal", "atten_lim_db", graph.const(0.0))
    floor = graph.op("Where", unbounded, graph.const(0.05), limit)
    gain = graph.op("Max", _gain(graph, noise, power), floor)
    last_gain = graph.slice("states", DFN_DELAY + 1, DFN_DELAY + 2, 0)
    ramp = graph.const(np.arange(1, DFN_FRAME + 1, dtype=F32) / DFN_FRAME)
    glide = graph.op("Mul", ramp, graph.op("Sub", gain, last_gain))
    enhanced = graph.op("Mul", frame, graph.op("Add", last_gain, glide))
    graph.give(enhanced, "enhanced_audio_frame")
    rest = graph.slice("states", DFN_DELAY + 2, 2**31, 0)
    waiting = graph.last(heard, DFN_DELAY, 0)
    graph.give(graph.op("Concat", waiting, noise, gain, rest, axis=0), "new_states")
    ratio = graph.op("Div", power, graph.op("Add", noise, graph.const(1e-9)))
    log = graph.op("Log", graph.op("Add", ratio, graph.const(1e-9)))
    graph.give(graph.op("Mul", log, graph.const(10 / np.log(10))), "lsnr")
    samples, states = (F32, (DFN_FRAME,)), (F32, (DFN_STATES,))
    return _save(
        graph,
        folder,
        {"input_frame": samples, "states": states, "atten_lim_db": (F32, ())},
        {"enhanced_audio_frame": samples, "new_states": states, "lsnr": (F32, (1,))},
        manifest,
    )


def write_fragile(folder: Path, *, gain: float = 1.0) -> Path:
    """A waveform network that gives back the frame before, times a gain, and breaks when loud. Returns the folder.

    Above 0.9 the answer is NaN, once. Above 0.7 a state becomes NaN, and every answer after it.
    """
    graph = Graph(3)
    peak = graph.op("ReduceMax", graph.op("Abs", "x"), keepdims=0)

    def nothing_up_to(most: float) -> str:
        root = graph.op("Sqrt", graph.op("Sub", graph.const(most), peak))
        return graph.op("Mul", root, graph.const(0.0))

    quieter = graph.op("Mul", "past", graph.const(gain))
    soured = graph.op("Add", quieter, nothing_up_to(0.9))
    graph.give(graph.op("Add", soured, "memory"), "y")
    graph.give("x", "past_next")
    graph.give(graph.op("Add", "memory", nothing_up_to(0.7)), "memory_next")
    frame, memory = (F32, (1, 160)), (F32, (1, 1))
    return _save(
        graph,
        folder,
        {"x": frame, "past": frame, "memory": memory},
        {"y": frame, "past_next": frame, "memory_next": memory},
        FRAGILE_MANIFEST,
    )


def _mean(graph: Graph, before: str, now: str) -> str:
    kept = graph.op("Mul", before, graph.const(NOISE_KEPT))
    return graph.op("Add", kept, graph.op("Mul", now, graph.const(1 - NOISE_KEPT)))


def _gain(graph: Graph, noise: str, power: str) -> str:
    """What is left of a power when twice the noise is taken away, 0.05 at least."""
    share = graph.op("Div", noise, graph.op("Add", power, graph.const(1e-9)))
    left = graph.op("Sub", graph.const(1.0), graph.op("Mul", share, graph.const(2.0)))
    return graph.op("Max", left, graph.const(0.05))


def _save(
    graph: Graph,
    folder: Path,
    inputs: dict[str, tuple[type[np.float32], tuple[int, ...]]],
    outputs: dict[str, tuple[type[np.float32], tuple[int, ...]]],
    manifest: str,
) -> Path:
    graph.save(folder / "model.onnx", dict(inputs), dict(outputs))
    (folder / MANIFEST_FILE).write_text(manifest, "utf-8")
    return folder
