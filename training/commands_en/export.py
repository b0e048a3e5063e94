"""Write the trained network as four ONNX graphs, with weights of 8 bits or of 32.

In: a checkpoint. Out: in a folder, ``PART/1/model.onnx`` for encoder, predictor, joiner and ctc, as a
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
import torch
from onnx import TensorProto, helper, numpy_helper

from . import features, network
from .train import STAGES
from .validate import penalise_blank
from .words import TOKENS, UNKNOWN_ID

OPSET = 17
IR_VERSION = 8
BLANK_PENALTIES: Final = {"joiner": 2.0, "ctc": 0.5}
"""Chosen on the validation sets; ``validate`` says why there is one."""
Weights = dict[str, npt.NDArray[np.float32]]


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
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
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

    def lstm(
        self, source: str, state: tuple[str, str], weights: Weights, layer: int, output: str
    ) -> tuple[str, str]:
        """An LSTM layer over [T, N, I] into ``output``; returns the names of h and c after it."""
        units = weights[f"lstm.weight_hh_l{layer}"].shape[1]
        prefix = f"lstm{layer}"
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
        self.add("Squeeze", [names[0], one], output)
        return names[1], names[2]

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


def encoder(weights: Weights, *, eight_bit: bool) -> onnx.ModelProto:
    """``features`` [N, T, 40], ``h``, ``c`` [2, N, 192] to ``encoded`` [N, T / 4, 192] and states."""
    graph = Graph("encoder", eight_bit=eight_bit)
    stacked_shape = graph.constant(
        "stacked.shape", np.array([0, -1, features.MELS * features.STACK], np.int64)
    )
    current = graph.add("Reshape", ["features", stacked_shape], "stacked")
    entry = graph.matrix("entry.w", weights["entry.weight"].T, 1)
    current = graph.add("MatMul", [current, entry], "entry.product")
    bias = graph.constant("entry.b", weights["entry.bias"])
    current = graph.add("Relu", [graph.add("Add", [current, bias], "entry.sum")], "entry")
    current = graph.add("Transpose", [current], "by_time", perm=[1, 0, 2])
    ends = {}
    for layer in range(network.LAYERS):
        begin = graph.constant(f"{layer}.begin", np.array([layer], np.int64))
        end = graph.constant(f"{layer}.end", np.array([layer + 1], np.int64))
        axis = graph.constant(f"{layer}.axis", np.array([0], np.int64))
        h, c = (graph.add("Slice", [s, begin, end, axis], f"{s}{layer}") for s in "hc")
        ends[layer] = graph.lstm(current, (h, c), weights, layer, f"layer{layer}")
        current = f"layer{layer}"
    graph.add("Transpose", [current], "encoded", perm=[1, 0, 2])
    for index, state in enumerate(("h_next", "c_next")):
        graph.add("Concat", [ends[layer][index] for layer in ends], state, axis=0)
    state_shape = [network.LAYERS, "N", network.HIDDEN]
    return graph.build(
        [_floats("features", ["N", "T", features.MELS]), *(_floats(s, state_shape) for s in "hc")],
        [
            _floats("encoded", ["N", "T/4", network.HIDDEN]),
            *(_floats(f"{s}_next", state_shape) for s in "hc"),
        ],
    )


def predictor(weights: Weights, *, eight_bit: bool) -> onnx.ModelProto:
    """``token`` int64 [N, 1], ``ph``, ``pc`` [1, N, 64] to ``predicted`` [N, 64] and states."""
    graph = Graph("predictor", eight_bit=eight_bit)
    table = graph.matrix("embedding", weights["embedding.weight"], 0)
    current = graph.add("Gather", [table, "token"], "embedded")
    current = graph.add("Transpose", [current], "by_time", perm=[1, 0, 2])
    h, c = graph.lstm(current, ("ph", "pc"), weights, 0, "layer")
    axis = graph.constant("axis", np.array([0], np.int64))
    graph.add("Squeeze", ["layer", axis], "predicted")
    graph.add("Identity", [h], "ph_next")
    graph.add("Identity", [c], "pc_next")
    state_shape = [1, "N", network.PREDICTOR]
    token = helper.make_tensor_value_info("token", TensorProto.INT64, ["N", 1])
    return graph.build(
        [token, *(_floats(s, state_shape) for s in ("ph", "pc"))],
        [
            _floats("predicted", ["N", network.PREDICTOR]),
            *(_floats(f"{s}_next", state_shape) for s in ("ph", "pc")),
        ],
    )


def joiner(weights: Weights, *, eight_bit: bool) -> onnx.ModelProto:
    """``encoded`` [N, 192] and ``predicted`` [N, 64] to ``logits`` [N, V]."""
    graph = Graph("joiner", eight_bit=eight_bit)
    heard = graph.add(
        "MatMul", ["encoded", graph.matrix("heard.w", weights["heard.weight"].T, 1)], "heard"
    )
    said = graph.add(
        "MatMul", ["predicted", graph.matrix("said.w", weights["said.weight"].T, 1)], "said"
    )
    both = graph.add("Add", [heard, said], "both")
    bias = graph.constant("heard.b", weights["heard.bias"])
    joint = graph.add("Tanh", [graph.add("Add", [both, bias], "biased")], "joint")
    score = graph.matrix("score.w", weights["score.weight"].T, 1)
    product = graph.add("MatMul", [joint, score], "product")
    graph.add("Add", [product, graph.constant("score.b", weights["score.bias"])], "logits")
    return graph.build(
        [_floats("encoded", ["N", network.HIDDEN]), _floats("predicted", ["N", network.PREDICTOR])],
        [_floats("logits", ["N", network.VOCABULARY])],
    )


def ctc(weights: Weights, *, eight_bit: bool) -> onnx.ModelProto:
    """``encoded`` [N, T, 192] to ``log_probs`` [N, T, V]."""
    graph = Graph("ctc", eight_bit=eight_bit)
    matrix = graph.matrix("w", weights["weight"].T, 1)
    product = graph.add("MatMul", ["encoded", matrix], "product")
    logits = graph.add("Add", [product, graph.constant("b", weights["bias"])], "logits")
    graph.add("LogSoftmax", [logits], "log_probs", axis=-1)
    return graph.build(
        [_floats("encoded", ["N", "T", network.HIDDEN])],
        [_floats("log_probs", ["N", "T", network.VOCABULARY])],
    )


def write(checkpoint: Path, folder: Path, *, eight_bit: bool, training: dict[str, Any]) -> None:
    """Write all files of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    model = network.Recogniser()
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    penalise_blank(model, **BLANK_PENALTIES)
    state = model.state_dict()
    for name, build in (
        ("encoder", encoder),
        ("predictor", predictor),
        ("joiner", joiner),
        ("ctc", ctc),
    ):
        weights = {
            key.removeprefix(f"{name}."): value.numpy()
            for key, value in state.items()
            if key.startswith(f"{name}.")
        }
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(build(weights, eight_bit=eight_bit), path)
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
        "blank": 0,
        "unk": UNKNOWN_ID,
        "training": training,
    }
    text = msgspec.json.format(msgspec.json.encode(description), indent=2)
    (folder / "model.json").write_bytes(text + b"\n")


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
    last = (arguments.run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    facts = {
        "data": "espeak-ng 1.51, 17 h",
        "seeds": [stage.seed for stage in STAGES if stage.seed is not None],
        "steps": sum(stage.steps for stage in STAGES),
        "minutes": round(msgspec.json.decode(last)["seconds"] / 60),
        "blank_penalties": BLANK_PENALTIES,
    }
    write(
        arguments.run / "model.pt",
        arguments.folder,
        eight_bit=not arguments.float32,
        training=facts,
    )
    for path in sorted(arguments.folder.rglob("*")):
        if path.is_file():
            print(f"{path.relative_to(arguments.folder)} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
