"""Make ``infer/builtin/silero_vad`` from the network that faster-whisper carries.

In: ``silero_vad_v6.onnx``, which takes windows of one stream in time: [time, 576]. Out: the same network with the same
weights for many streams at one moment: [stream, 576], each with a state of its own. Convolutions over a handful of
frames are written as products of matrices, which ONNX Runtime computes for all streams at once; as convolutions it
takes stream by stream (measured: 2.5 times as long for 32 streams). Run it again when newer weights come.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from gapless.infer.carried import find_carried

TARGET = Path(__file__).parents[1] / "src/gapless/infer/builtin/silero_vad/1/model.onnx"

WINDOW = 576
"""64 samples of context, then 512 new ones."""
HOP = 128
FRAMES = 4
BINS = 129
HIDDEN = 128

Weights = npt.NDArray[np.float32]


class Graph:
    """A graph being written, node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str], **attributes: Any
    ) -> str:
        """Add a node; returns the name of its first output."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        self.nodes.append(onnx.helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names[0]

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant; returns its name."""
        array = np.ascontiguousarray(value, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def reshape(self, data: str, shape: Sequence[int], output: str) -> str:
        """Add a change of shape."""
        return self.add(
            "Reshape", [data, self.constant(f"{output}_shape", shape, np.int64)], output
        )

    def cut(self, data: str, axis: int, start: int, stop: int, output: str) -> str:
        """Add a slice along one axis."""
        bounds = [
            self.constant(f"{output}_{name}", [value], np.int64)
            for name, value in (("start", start), ("stop", stop), ("axis", axis))
        ]
        return self.add("Slice", [data, *bounds], output)

    def pad(self, data: str, pads: Sequence[int], output: str, mode: str) -> str:
        """Add samples or frames at the edges."""
        return self.add(
            "Pad", [data, self.constant(f"{output}_pads", pads, np.int64)], output, mode=mode
        )


def main() -> None:
    """Take the weights, write the graph, save it."""
    source = find_carried("faster_whisper", "assets/silero_vad_v6.onnx", install="faster-whisper")
    model = onnx.load(source)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    recurrent = next(node for node in model.graph.node if node.op_type == "LSTM")
    graph = Graph()
    heard = spectrum(graph, weights["encoder.feature_extractor.forward_basis_buffer"])
    heard = encoder(graph, heard, weights)
    decoder(graph, heard, weights, [weights[name] for name in recurrent.input[1:4]])
    save(graph, model)


def spectrum(graph: Graph, basis: Weights) -> str:
    """Magnitudes of four frames of 256 samples, half overlapping: [stream, 4, 129]."""
    padded = graph.pad("input", (0, 0, 0, 64), "padded", "reflect")
    blocks = graph.reshape(padded, (-1, FRAMES + 1, HOP), "blocks")
    halves = [graph.cut(blocks, 1, t, t + FRAMES, f"half_{t}") for t in (0, 1)]
    frames = graph.add("Concat", halves, "frames", axis=2)
    # [258, 1, 256]: cosines, then sines.
    waves = graph.add("MatMul", [frames, graph.constant("basis", basis[:, 0].T)], "waves")
    pairs = graph.reshape(waves, (-1, FRAMES, 2, BINS), "pairs")
    axis = graph.constant("pair_axis", [2], np.int64)
    return graph.add("ReduceL2", [pairs, axis], "magnitudes", keepdims=0)


def encoder(graph: Graph, heard: str, weights: dict[str, Weights]) -> str:
    """Four convolutions over time, three frames wide, each with a rectifier: [stream, 128]."""
    taps = [weights[f"encoder.conv_layers.{n}.weight"] for n in range(4)]
    biases = [
        graph.constant(f"bias_{n}", weights[f"encoder.conv_layers.{n}.bias"]) for n in range(4)
    ]

    def dense(n: int, data: str, used: slice, output: str) -> str:
        """Layer ``n`` where only some of its three taps fall on frames: [stream, frames * channels] in."""
        kernel = taps[n][:, :, used].transpose(2, 1, 0).reshape(-1, taps[n].shape[0])
        product = graph.add(
            "MatMul", [data, graph.constant(f"{output}_kernel", kernel)], f"{output}_product"
        )
        return graph.add("Relu", [graph.add("Add", [product, biases[n]], f"{output}_sum")], output)

    # 4 frames to 4.
    padded = graph.pad(heard, (0, 1, 0, 0, 1, 0), "padded_0", "constant")
    shifted = [graph.cut(padded, 1, t, t + FRAMES, f"shifted_{t}") for t in range(3)]
    heard = dense(0, graph.add("Concat", shifted, "wide_0", axis=2), slice(0, 3), "layer_0")
    # 4 frames to 2, by steps of two: the first sees frames (none) 0 1, the second 1 2 3.
    flat = graph.reshape(heard, (-1, FRAMES * 128), "flat_0")
    first = dense(1, graph.cut(flat, 1, 0, 256, "early"), slice(1, 3), "layer_1_first")
    second = dense(1, graph.cut(flat, 1, 128, 512, "late"), slice(0, 3), "layer_1_second")
    # 2 frames to 1, then 1 to 1.
    heard = graph.add("Concat", [first, second], "flat_1", axis=1)
    heard = dense(2, heard, slice(1, 3), "layer_2")
    return dense(3, heard, slice(1, 2), "layer_3")


def decoder(
    graph: Graph, heard: str, weights: dict[str, Weights], recurrent: Sequence[Weights]
) -> None:
    """One step of the recurrent layer, and the probability."""
    step = graph.reshape(heard, (1, -1, HIDDEN), "step")
    names = [
        graph.constant(name, value)
        for name, value in zip(("lstm_input", "lstm_hidden", "lstm_bias"), recurrent, strict=True)
    ]
    graph.add("LSTM", [step, *names, "", "h", "c"], ("", "hn", "cn"), hidden_size=HIDDEN)
    told = graph.add("Relu", [graph.reshape("hn", (-1, HIDDEN), "told")], "rectified")
    kernel = graph.constant("judge", weights["decoder.conv1d.weight"][0])
    logits = graph.add("MatMul", [told, kernel], "logit_product")
    logits = graph.add(
        "Add", [logits, graph.constant("judge_bias", weights["decoder.conv1d.bias"])], "logit"
    )
    graph.add("Sigmoid", [graph.reshape(logits, (-1,), "logit_row")], "speech_probs")


def save(graph: Graph, source: onnx.ModelProto) -> None:
    """Write the file, and refuse one that is no valid model."""

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "silero_vad",
            [
                value("input", "stream", WINDOW),
                *(value(n, 1, "stream", HIDDEN) for n in ("h", "c")),
            ],
            [
                value("speech_probs", "stream"),
                *(value(n, 1, "stream", HIDDEN) for n in ("hn", "cn")),
            ],
            graph.constants,
            doc_string="Silero VAD 6 (MIT), its graph rewritten for many streams by tools/make_silero.py",
        ),
        opset_imports=source.opset_import,
        ir_version=source.ir_version,
        producer_name="gapless",
    )
    onnx.checker.check_model(made, full_check=True)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(made, TARGET)


if __name__ == "__main__":
    main()
