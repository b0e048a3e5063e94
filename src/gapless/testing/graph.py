"""Builds small ONNX graphs a node at a time, with random weights that are the same on every machine.

In: operators and tensors by name. Out: an ONNX file, with metadata. Invariants: the same seed gives the same file.
Needs the package onnx (``pip install 'gapless[quantize]'``). Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from gapless.testing.onnx_models import IR_VERSION, OPSET, Tensors


@final
class Graph:
    """A graph under construction.

    Args:
        seed: of the random weights.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._names = 0

    def weight(self, *shape: int, gain: float = 1.0) -> str:
        """Random numbers whose products keep their size, times a gain; the last axis but one is summed over."""
        fan = shape[-2] if len(shape) > 1 else 1
        return self.const(self._rng.standard_normal(shape).astype(np.float32) * (gain / fan**0.5))

    def kernel(self, outputs: int, inputs: int, length: int, gain: float = 1.0) -> str:
        """A random kernel of a convolution."""
        scale = gain / (inputs * length) ** 0.5
        shape = (outputs, inputs, length)
        return self.const(self._rng.standard_normal(shape).astype(np.float32) * np.float32(scale))

    def const(self, value: npt.ArrayLike) -> str:
        """A constant: float32 if it has a point, else int64."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        name = self._name("const")
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One operator with one output; returns its name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """One operator with several outputs."""
        from onnx import helper

        names = [self._name(kind.lower()) for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def slice(self, tensor: str, begin: int, end: int, axis: int) -> str:
        """A part along one axis; the end may lie beyond it."""
        return self.op("Slice", tensor, self.const([begin]), self.const([end]), self.const([axis]))

    def last(self, tensor: str, length: int, axis: int) -> str:
        """The end along one axis."""
        return self.slice(tensor, -length, 2**31, axis)

    def unsqueeze(self, tensor: str, axis: int) -> str:
        """With an axis of length 1 put in."""
        return self.op("Unsqueeze", tensor, self.const([axis]))

    def squeeze(self, tensor: str, axis: int) -> str:
        """Without an axis of length 1."""
        return self.op("Squeeze", tensor, self.const([axis]))

    def length(self, tensor: str, axis: int) -> str:
        """The length of an axis, as a whole number without axes."""
        return self.op("Gather", self.op("Shape", tensor), self.const(axis))

    def give(self, tensor: str, name: str) -> None:
        """Name an output."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [tensor], [name]))

    def save(
        self,
        path: Path,
        inputs: Tensors,
        outputs: Tensors,
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Write the file; makes the folder. Returns the path."""
        import onnx
        from onnx import helper

        def values(tensors: Tensors) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
                )
                for name, (dtype, shape) in tensors.items()
            ]

        graph = helper.make_graph(
            self._nodes, path.stem, values(inputs), values(outputs), self._weights
        )
        model = helper.make_model(
            graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        helper.set_model_props(model, dict(metadata or {}))
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        return path

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"
