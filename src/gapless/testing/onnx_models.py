"""Small ONNX files, made on the spot.

In: a path. Out: a model's file in it. Invariants: the same numbers on every machine; every ONNX Runtime since 1.20
reads them. Needs the package onnx (``pip install 'gapless[quantize]'``). Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.infer.contract import Array

IR_VERSION: Final = 8
OPSET: Final = 17

Tensors: TypeAlias = Mapping[str, tuple[npt.DTypeLike, Sequence[int | str | None]]]
"""Type and shape by name; a text in a shape is the symbol of a length that is not fixed, None one without a symbol."""


def write_graph(
    path: Path,
    nodes: Sequence[Any],
    inputs: Tensors,
    outputs: Tensors,
    weights: Mapping[str, Array] | None = None,
) -> Path:
    """Write a model of these nodes (``onnx.helper.make_node``); makes the folder. Returns the path."""
    import onnx
    from onnx import helper, numpy_helper

    def values(tensors: Tensors) -> list[Any]:
        return [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
            )
            for name, (dtype, shape) in tensors.items()
        ]

    arrays = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, path.stem, values(inputs), values(outputs), arrays)
    model = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def write_double(path: Path, dtype: npt.DTypeLike = np.float32, batch: int | str = "batch") -> Path:
    """A model that doubles: y = x + x, for rows of 4 values."""
    from onnx import helper

    shape = (batch, 4)
    node = helper.make_node("Add", ["x", "x"], ["y"])
    return write_graph(path, [node], {"x": (dtype, shape)}, {"y": (dtype, shape)})


def write_mlp(
    path: Path, widths: Sequence[int], *, seed: int = 1, batch: int | str = "batch"
) -> Path:
    """A perceptron with random weights: x of the first width to y of the last, ReLU between the layers."""
    from onnx import helper

    rng = np.random.default_rng(seed)
    nodes, weights, value = [], {}, "x"
    last = len(widths) - 2
    for layer, (wide, next_wide) in enumerate(pairwise(widths)):
        scale = np.sqrt(2 / wide)
        weights[f"w{layer}"] = (rng.standard_normal((wide, next_wide)) * scale).astype(np.float32)
        weights[f"b{layer}"] = (rng.standard_normal(next_wide) * 0.1).astype(np.float32)
        result = "y" if layer == last else f"sum{layer}"
        nodes.append(helper.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], [result]))
        if layer != last:
            value = f"hidden{layer}"
            nodes.append(helper.make_node("Relu", [result], [value]))
    return write_graph(
        path,
        nodes,
        {"x": (np.float32, (batch, widths[0]))},
        {"y": (np.float32, (batch, widths[-1]))},
        weights,
    )


def write_gru(path: Path, *, values: int = 8, hidden: int = 16, seed: int = 1) -> Path:
    """One step of a GRU: x [batch, values] and the state h [1, batch, hidden] to y [batch, hidden] and h_next."""
    from onnx import helper

    rng = np.random.default_rng(seed)
    weights = {
        "w": rng.standard_normal((1, 3 * hidden, values)).astype(np.float32),
        "r": (rng.standard_normal((1, 3 * hidden, hidden)) / np.sqrt(hidden)).astype(np.float32),
        "front": np.array([0]),
        "both": np.array([0, 1]),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["x", "front"], ["steps"]),
        helper.make_node(
            "GRU", ["steps", "w", "r", "", "", "h"], ["ys", "h_next"], hidden_size=hidden
        ),
        helper.make_node("Squeeze", ["ys", "both"], ["y"]),
    ]
    state = (np.float32, (1, "batch", hidden))
    return write_graph(
        path,
        nodes,
        {"x": (np.float32, ("batch", values)), "h": state},
        {"y": (np.float32, ("batch", hidden)), "h_next": state},
        weights,
    )
