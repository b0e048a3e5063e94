"""Write the trained network as four ONNX graphs, with weights of 8 bits or of 32.

In: the towers that ``train`` left. Out: in a folder, ``PART/1/model.onnx`` for encoder, predictor, joiner and ctc, as a
model repository has them, and ``tokens.txt`` and ``model.json``.
Invariants: the graphs compute what ``network`` computes; every axis N is free. Thread: one.

8-bit weights have one scale per output channel and are multiplied out when the graph is loaded;
all arithmetic is that of floats. ONNX Runtime's dynamic quantisation would be faster still, but it
takes one scale for a whole batch of activations, and so a row would depend on its neighbours.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import features, network
from .train import SEED, STAGES
from .validate import read_towers
from .words import TOKENS, UNKNOWN_ID

OPSET = 17
IR_VERSION = 8
BLANK_PENALTIES: Final = {"joiner": 2.0, "ctc": 1.0}
"""Chosen on the validation sets; ``validate`` says why there is one."""
Weights = dict[str, npt.NDArray[np.float32]]
Towers = dict[network.Front, Weights]
"""The weights of each tower, in the order in which the graphs have them."""


class Graph:
    """An ONNX graph under construction.

    Args:
        name: of the graph.
        eight_bit: whether matrices are stored as INT8.
    """

    def __init__(self, name: str, *, eight_bit: bool) -> None:
        self._name = name
        self._eight_bit = eight_bit
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Store an array as it is."""
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def matrix(self, name: str, value: npt.NDArray[np.float32], channel_axis: int) -> str:
        """Store weights, in 8 bits if the graph is of 8 bits; one scale per index of the axis."""
        if not self._eight_bit:
            return self.constant(name, value)
        others = tuple(axis for axis in range(value.ndim) if axis != channel_axis)
        peak = np.maximum(np.abs(value).max(axis=others), 1e-8)
        scale = (peak / 127).astype(np.float32)
        shape = [-1 if axis == channel_axis else 1 for axis in range(value.ndim)]
        rounded = np.rint(value / scale.reshape(shape)).astype(np.int8)
        stored = self.constant(f"{name}.int8", rounded)
        scales = self.constant(f"{name}.scale", scale.reshape(shape))
        # Not DequantizeLinear: ONNX Runtime keeps that in the graph, dequantises at every step
        # (2.2 times the time of a step) and may fuse it with arithmetic in integers.
        floats = self.add("Cast", [stored], f"{name}.float", to=TensorProto.FLOAT)
        return self.add("Mul", [floats, scales], name)

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output."""
        self._nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def split(self, source: str, sizes: list[int], outputs: list[str], axis: int = -1) -> list[str]:
        """Cut an axis, the last unless another is named."""
        lengths = self.constant(f"{source}.lengths", np.array(sizes, np.int64))
        self._nodes.append(helper.make_node("Split", [source, lengths], outputs, axis=axis))
        return outputs

    def mean_log_probs(self, logits: list[str], blank_penalty: float, output: str) -> str:
        """The mean of the log-probabilities of some logits, less a penalty on the blank."""
        parts = [self.add("LogSoftmax", [one], f"{one}.log_probs", axis=-1) for one in logits]
        penalty = np.zeros(network.VOCABULARY, np.float32)
        penalty[0] = blank_penalty
        mean = self.add("Mean", parts, f"{output}.mean")
        return self.add("Sub", [mean, self.constant(f"{output}.penalty", penalty)], output)

    def lstm(
        self,
        prefix: str,
        source: str,
        state: tuple[str, str],
        weights: Weights,
        layer: int,
    ) -> tuple[str, str, str]:
        """An LSTM layer over [T, N, I]; returns the names of its outputs and of h and c after it."""
        units = weights[f"lstm.weight_hh_l{layer}"].shape[1]
        w = self.matrix(f"{prefix}.w", _gates(weights[f"lstm.weight_ih_l{layer}"])[None], 1)
        r = self.matrix(f"{prefix}.r", _gates(weights[f"lstm.weight_hh_l{layer}"])[None], 1)
        biases = [_gates(weights[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")]
        b = self.constant(f"{prefix}.b", np.concatenate(biases)[None])
        names = (f"{prefix}.y", f"{prefix}.h", f"{prefix}.c")
        node = helper.make_node(
            "LSTM", [source, w, r, b, "", *state], list(names), hidden_size=units
        )
        self._nodes.append(node)
        one = self.constant(f"{prefix}.axis", np.array([1], np.int64))
        return self.add("Squeeze", [names[0], one], f"{prefix}.outputs"), names[1], names[2]

    def build(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The finished and checked model."""
        graph = helper.make_graph(self._nodes, self._name, inputs, outputs, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="gapless"
        )
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def _normalised(graph: Graph) -> str:
    """What ``features.normalised`` does, for one step: ``features`` and ``sums`` to [N, 4, 40]."""

    def number(name: str, value: float) -> str:
        return graph.constant(name, np.array(value, np.float32))

    unscaled = graph.add("Div", ["features", number("scale", features.SCALE)], "unscaled")
    log = graph.add("Sub", [unscaled, number("offset", features.OFFSET)], "log")
    floor = number("floor", features.FLOOR)
    above = graph.add("Sub", [graph.add("Exp", [log], "floored"), floor], "above")
    power = graph.add("Relu", [above], "power")
    pads = graph.constant("one_more", np.array([0, 0, 0, 0, 0, 1], np.int64))
    counted = graph.add("Pad", [power, pads, number("one", 1)], "counted")
    # The recurrence over a step's frames, written out: a matrix for them and a decay for the past.
    steps = np.arange(features.STACK)
    decay = 1 - features.SMOOTHING
    inside = np.tril(features.SMOOTHING * decay ** np.subtract.outer(steps, steps).clip(0))
    past = graph.constant("past", (decay ** (steps + 1))[:, None].astype(np.float32))
    new = graph.add("MatMul", [graph.constant("inside", inside.astype(np.float32)), counted], "new")
    axis = graph.constant("frames", np.array([1], np.int64))
    before = graph.add("Unsqueeze", ["sums", axis], "before")
    sums = graph.add("Add", [graph.add("Mul", [before, past], "faded"), new], "all_sums")
    graph.add("Gather", [sums, graph.constant("last", np.array(-1, np.int64))], "sums_next", axis=1)
    energy, count = graph.split(sums, [features.MELS, 1], ["energy", "count"])
    mean = graph.add("Add", [graph.add("Div", [energy, count], "mean"), floor], "mean.floored")
    gain = graph.add("Pow", [mean, number("gain", features.GAIN)], "mean.power")
    ratio = graph.add("Div", [power, gain], "ratio")
    lifted = graph.add("Add", [ratio, number("bias", features.BIAS)], "lifted")
    root = number("bias.root", features.BIAS**0.5)
    return graph.add("Sub", [graph.add("Sqrt", [lifted], "root"), root], "normalised")


def encoder(towers: Towers, *, eight_bit: bool) -> onnx.ModelProto:
    """One step: ``features`` [N, 4, 40] to ``encoded`` [N, 1, 384], tower behind tower.

    States are ``sums`` [N, 41], see ``features.normalised``, and ``h`` and ``c`` [4, N, 192].
    """
    graph = Graph("encoder", eight_bit=eight_bit)
    heard: dict[str, str] = {"log": "features", "normalised": _normalised(graph)}
    shape = [0, -1, features.MELS * features.STACK]
    stacked_shape = graph.constant("stacked.shape", np.array(shape, np.int64))
    axis = graph.constant("states", np.array([0], np.int64))
    states, outputs = [], []
    for front, weights in towers.items():
        current = graph.add("Reshape", [heard[front], stacked_shape], f"{front}.stacked")
        entry = graph.matrix(f"{front}.entry.w", weights["encoder.entry.weight"].T, 1)
        current = graph.add("MatMul", [current, entry], f"{front}.entry.product")
        bias = graph.constant(f"{front}.entry.b", weights["encoder.entry.bias"])
        current = graph.add("Add", [current, bias], f"{front}.entry.sum")
        current = graph.add("Relu", [current], f"{front}.entry")
        current = graph.add("Transpose", [current], f"{front}.by_time", perm=[1, 0, 2])
        for layer in range(network.LAYERS):
            index = len(states)
            limits = [
                graph.constant(f"{index}.{at}", np.array([index + at], np.int64)) for at in (0, 1)
            ]
            h, c = (graph.add("Slice", [s, *limits, axis], f"{s}{index}") for s in "hc")
            part = _part(weights, "encoder.")
            current, *end = graph.lstm(f"{front}.lstm{layer}", current, (h, c), part, layer)
            states.append(end)
        outputs.append(graph.add("Transpose", [current], f"{front}.encoded", perm=[1, 0, 2]))
    graph.add("Concat", outputs, "encoded", axis=2)
    for name, parts in zip(("h_next", "c_next"), zip(*states, strict=True), strict=True):
        graph.add("Concat", list(parts), name, axis=0)
    sums_shape: list[str | int] = ["N", features.MELS + 1]
    state_shape: list[str | int] = [len(states), "N", network.HIDDEN]
    return graph.build(
        [
            _floats("features", ["N", features.STACK, features.MELS]),
            _floats("sums", sums_shape),
            *(_floats(s, state_shape) for s in "hc"),
        ],
        [
            _floats("encoded", ["N", 1, len(towers) * network.HIDDEN]),
            _floats("sums_next", sums_shape),
            *(_floats(f"{s}_next", state_shape) for s in "hc"),
        ],
    )


def predictor(towers: Towers, *, eight_bit: bool) -> onnx.ModelProto:
    """``token`` int64 [N, 1], ``ph``, ``pc`` [2, N, 64] to ``predicted`` [N, 128] and states."""
    graph = Graph("predictor", eight_bit=eight_bit)
    axis = graph.constant("axis", np.array([0], np.int64))
    ones = [1] * len(towers)
    before = {s: graph.split(s, ones, [f"{s}.{f}" for f in towers], axis=0) for s in ("ph", "pc")}
    states, outputs = [], []
    for index, (front, weights) in enumerate(towers.items()):
        table = graph.matrix(f"{front}.embedding", weights["predictor.embedding.weight"], 0)
        current = graph.add("Gather", [table, "token"], f"{front}.embedded")
        current = graph.add("Transpose", [current], f"{front}.by_time", perm=[1, 0, 2])
        state = (before["ph"][index], before["pc"][index])
        part = _part(weights, "predictor.")
        current, *end = graph.lstm(f"{front}.lstm", current, state, part, 0)
        outputs.append(graph.add("Squeeze", [current, axis], f"{front}.predicted"))
        states.append(end)
    graph.add("Concat", outputs, "predicted", axis=1)
    for name, parts in zip(("ph_next", "pc_next"), zip(*states, strict=True), strict=True):
        graph.add("Concat", list(parts), name, axis=0)
    state_shape: list[str | int] = [len(towers), "N", network.PREDICTOR]
    token = helper.make_tensor_value_info("token", TensorProto.INT64, ["N", 1])
    return graph.build(
        [token, *(_floats(s, state_shape) for s in ("ph", "pc"))],
        [
            _floats("predicted", ["N", len(towers) * network.PREDICTOR]),
            *(_floats(f"{s}_next", state_shape) for s in ("ph", "pc")),
        ],
    )


def joiner(towers: Towers, *, eight_bit: bool) -> onnx.ModelProto:
    """``encoded`` [N, 384] and ``predicted`` [N, 128] to ``logits`` [N, V]."""
    graph = Graph("joiner", eight_bit=eight_bit)
    pairs = [
        graph.split(whole, [units] * len(towers), [f"{front}.{whole}" for front in towers])
        for whole, units in (("encoded", network.HIDDEN), ("predicted", network.PREDICTOR))
    ]
    logits = []
    for (front, weights), encoded, predicted in zip(towers.items(), *pairs, strict=True):
        heard_w = graph.matrix(f"{front}.heard.w", weights["joiner.heard.weight"].T, 1)
        heard = graph.add("MatMul", [encoded, heard_w], f"{front}.heard")
        said_w = graph.matrix(f"{front}.said.w", weights["joiner.said.weight"].T, 1)
        said = graph.add("MatMul", [predicted, said_w], f"{front}.said")
        both = graph.add("Add", [heard, said], f"{front}.both")
        bias = graph.constant(f"{front}.heard.b", weights["joiner.heard.bias"])
        joint = graph.add("Add", [both, bias], f"{front}.biased")
        joint = graph.add("Tanh", [joint], f"{front}.joint")
        score = graph.matrix(f"{front}.score.w", weights["joiner.score.weight"].T, 1)
        product = graph.add("MatMul", [joint, score], f"{front}.product")
        bias = graph.constant(f"{front}.score.b", weights["joiner.score.bias"])
        logits.append(graph.add("Add", [product, bias], f"{front}.logits"))
    graph.mean_log_probs(logits, BLANK_PENALTIES["joiner"], "logits")
    return graph.build(
        [
            _floats("encoded", ["N", len(towers) * network.HIDDEN]),
            _floats("predicted", ["N", len(towers) * network.PREDICTOR]),
        ],
        [_floats("logits", ["N", network.VOCABULARY])],
    )


def ctc(towers: Towers, *, eight_bit: bool) -> onnx.ModelProto:
    """``encoded`` [N, T, 384] to ``log_probs`` [N, T, V]."""
    graph = Graph("ctc", eight_bit=eight_bit)
    units = [network.HIDDEN] * len(towers)
    parts = graph.split("encoded", units, [f"{front}.encoded" for front in towers])
    logits = []
    for (front, weights), encoded in zip(towers.items(), parts, strict=True):
        matrix = graph.matrix(f"{front}.w", weights["ctc.weight"].T, 1)
        product = graph.add("MatMul", [encoded, matrix], f"{front}.product")
        bias = graph.constant(f"{front}.b", weights["ctc.bias"])
        logits.append(graph.add("Add", [product, bias], f"{front}.logits"))
    mean = graph.mean_log_probs(logits, BLANK_PENALTIES["ctc"], "mean")
    graph.add("LogSoftmax", [mean], "log_probs", axis=-1)
    return graph.build(
        [_floats("encoded", ["N", "T", len(towers) * network.HIDDEN])],
        [_floats("log_probs", ["N", "T", network.VOCABULARY])],
    )


def write(run: Path, folder: Path, *, eight_bit: bool, training: dict[str, Any]) -> None:
    """Write all files of the model, from the towers in the folder ``run``."""
    folder.mkdir(parents=True, exist_ok=True)
    towers: Towers = {
        front: {name: value.numpy() for name, value in tower.state_dict().items()}
        for front, tower in zip(network.COLUMNS, read_towers(run), strict=True)
    }
    for name, build in (
        ("encoder", encoder),
        ("predictor", predictor),
        ("joiner", joiner),
        ("ctc", ctc),
    ):
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(build(towers, eight_bit=eight_bit), path)
    lines = [f"{token} {index}" for index, token in enumerate(TOKENS)]
    (folder / "tokens.txt").write_text("\n".join(lines) + "\n")
    description = {
        "name": "commands-en",
        "languages": ["en"],
        "licence": "Apache-2.0",
        "description": "Digits and English command words; trained on synthetic speech only.",
        "sample_rate": features.SAMPLE_RATE,
        "features": {
            "kind": "log-mel",
            "window_samples": features.WINDOW,
            "hop_samples": features.HOP,
            "window": "hann-periodic",
            "fft": features.FFT,
            "mels": features.MELS,
            "mel_scale": "htk",
            "mel_norm": None,
            "lowest_hz": features.LOWEST_HZ,
            "highest_hz": features.HIGHEST_HZ,
            "power_floor": features.FLOOR,
            "offset": features.OFFSET,
            "scale": features.SCALE,
            "stack": features.STACK,
        },
        "normalisation": {
            "kind": "per-channel energy, within the encoder, for the second tower",
            "smoothing": features.SMOOTHING,
            "gain": features.GAIN,
            "bias": features.BIAS,
            "root": 0.5,
        },
        "blank": 0,
        "unk": UNKNOWN_ID,
        "training": training,
    }
    text = msgspec.json.format(msgspec.json.encode(description), indent=2)
    (folder / "model.json").write_bytes(text + b"\n")


def _part(weights: Weights, prefix: str) -> Weights:
    """The weights of a part, by their names within it."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _gates(value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """PyTorch's gates (input, forget, cell, output) in ONNX's order (input, output, forget, cell)."""
    i, f, g, o = np.split(value, 4)
    return np.concatenate([i, o, f, g])


def _floats(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def main() -> None:
    """Run as ``python -m commands_en.export RUN FOLDER``."""
    parser = argparse.ArgumentParser(description="Write commands-en as ONNX.")
    parser.add_argument("run", type=Path, help="the folder that train wrote")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--float32", action="store_true", help="keep weights of 32 bits")
    arguments = parser.parse_args()
    logs = [arguments.run / front / "log.jsonl" for front in network.COLUMNS]
    last = [log.read_text(encoding="utf-8").splitlines()[-1] for log in logs]
    facts = {
        "data": "espeak-ng 1.51, 26 h",
        "seed": SEED,
        "towers": list(network.COLUMNS),
        "steps_each": sum(stage.steps for stage in STAGES),
        "minutes_in_all": round(sum(msgspec.json.decode(line)["seconds"] for line in last) / 60),
        "blank_penalties": BLANK_PENALTIES,
    }
    write(arguments.run, arguments.folder, eight_bit=not arguments.float32, training=facts)
    for path in sorted(arguments.folder.rglob("*")):
        if path.is_file():
            print(f"{path.relative_to(arguments.folder)} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
