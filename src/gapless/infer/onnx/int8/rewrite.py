"""Rewriting a model for 8-bit arithmetic, in one of two ways.

In: an ONNX file. Out: another one with the same inputs and outputs. Both ways keep weights as 8-bit numbers and round
values to 8 bits while they compute; they differ in what shares a scale:

- ``row``: every row of a matrix product has its own scales, one for each block of 128 values. Products with constant
  matrices only (MatMul and Gemm become ONNX Runtime's MatMulNBits).
- ``batch``: one scale for all values that a layer is given (ONNX Runtime's dynamic quantisation). Convolutions and
  LSTMs too, but a row with large values takes the precision away from all rows beside it.

Invariants: the source is not touched. Thread: any.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from gapless.errors import MissingDependencyError, ModelError
from gapless.infer.contract import Array

Scheme: TypeAlias = Literal["row", "batch"]

BLOCK: Final = 128
"""Values that share a scale. Measured on perceptrons: 64 is slower by a tenth and no more exact to speak of."""

SMALLEST_BLOCK: Final = 16

ACTIVATIONS_OF_8_BITS: Final = 4
"""ONNX Runtime's number for how exact a product must be at least: values of 8 bits will do."""

MICROSOFT: Final = "com.microsoft"
"""Where ONNX Runtime's own operators live."""


def rewrite(source: Path, target: Path, scheme: Scheme) -> int:
    """Write the 8-bit version of a model; returns how many of its nodes compute with 8 bits.

    Raises:
        MissingDependencyError: the package onnx is not installed.
        ModelError: the file cannot be read or written, or nothing in it can be rewritten this way.
    """
    model = _load(source)
    try:
        count = _by_row(model, target) if scheme == "row" else _by_batch(model, target)
    except Exception as error:
        raise ModelError(
            f"{source} cannot be rewritten for 8 bits by {scheme}: {error}; keep it as it is"
        ) from error
    if count == 0:
        target.unlink()
        raise ModelError(f"{source.name} has nothing that can be computed with 8 bits by {scheme}")
    return count


def _load(source: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "rewriting models needs the package onnx; run `pip install 'gapless[quantize]'`"
        ) from error
    try:
        model = onnx.load(source, load_external_data=False)
        places = {
            entry.value
            for tensor in model.graph.initializer
            for entry in tensor.external_data
            if entry.key == "location"
        }
        # Files beside the model are its own by their names: what is not called after it would not be missed if changed.
        if strangers := [place for place in places if not place.startswith(source.name)]:
            raise ModelError(
                f"{source} keeps weights in {strangers[0]}; save it with all data in one file, or call that file "
                f"{source.name}.data"
            )
        onnx.load_external_data_for_model(model, str(source.parent))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source} cannot be read: {error}; replace the file") from error
    return model


def _by_batch(model: Any, target: Path) -> int:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(model, target, weight_type=QuantType.QInt8, per_channel=True)
    written = onnx.load(target, load_external_data=False)
    return sum(
        "Integer" in node.op_type or "Quantize" in node.op_type for node in written.graph.node
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ONNX Runtime's advice to prepare the model first, which it gives through the root logger."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)


def _by_row(model: Any, target: Path) -> int:
    import onnx
    from onnx import helper

    graph = model.graph
    weights = _constants(graph)
    nodes, count = [], 0
    for node in graph.node:
        matrix = _matrix_of(node, weights)
        if matrix is None:
            nodes.append(node)
        else:
            nodes += _product(graph, node, matrix)
            count += 1
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    if all(opset.domain != MICROSOFT for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    onnx.save(model, target)
    return count


def _constants(graph: Any) -> dict[str, Any]:
    """The tensors that never change, by name."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = attribute.t
    return constants


def _matrix_of(node: Any, constants: dict[str, Any]) -> Array | None:
    """What a node multiplies with, [values, results]; None if it is no product that can be rewritten."""
    from onnx import helper, numpy_helper

    if node.op_type not in {"MatMul", "Gemm"} or node.domain or node.input[1] not in constants:
        return None
    matrix: Array = numpy_helper.to_array(constants[node.input[1]])
    if matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if (
        attributes.get("transA")
        or attributes.get("alpha", 1) != 1
        or attributes.get("beta", 1) != 1
    ):
        return None
    return matrix.T if attributes.get("transB") else matrix


def _product(graph: Any, node: Any, matrix: Array) -> list[Any]:
    """The nodes that stand for a product with this matrix; its weights are added to the graph."""
    from onnx import helper, numpy_helper

    values, results = matrix.shape
    block = _block_of(values)
    numbers, scales = quantize_blocks(matrix, block)
    # Each node has weights of its own: two that share a matrix may read it the one way round and the other.
    name = f"{node.output[0]}/int8"
    graph.initializer.extend(
        [
            numpy_helper.from_array(numbers, f"{name}/weights"),
            numpy_helper.from_array(scales, f"{name}/scales"),
        ]
    )
    biased = node.op_type == "Gemm" and len(node.input) > 2 and node.input[2]
    product = f"{name}/product" if biased else node.output[0]
    nodes = [
        helper.make_node(
            "MatMulNBits",
            [node.input[0], f"{name}/weights", f"{name}/scales"],
            [product],
            name,
            domain=MICROSOFT,
            K=values,
            N=results,
            bits=8,
            block_size=block,
            accuracy_level=ACTIVATIONS_OF_8_BITS,
        )
    ]
    if biased:
        nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]]))
    return nodes


def quantize_blocks(matrix: Array, block: int) -> tuple[Array, Array]:
    """A matrix as ONNX Runtime's MatMulNBits wants it.

    Args:
        matrix: float32 [values, results].
        block: how many values of a column share a scale.

    Returns:
        uint8 [results, blocks, block], where 128 stands for 0; float32 [results, blocks].
    """
    values, results = matrix.shape
    blocks = -(-values // block)
    padded = np.zeros((blocks * block, results), np.float32)
    padded[:values] = matrix
    columns = padded.T.reshape(results, blocks, block)
    scales = np.abs(columns).max(axis=2) / 127
    scales[scales == 0] = 1
    numbers = np.rint(columns / scales[:, :, None]) + 128
    return numbers.astype(np.uint8), scales.astype(np.float32)


def _block_of(values: int) -> int:
    block = BLOCK
    while block > max(values, SMALLEST_BLOCK):
        block //= 2
    return block


def _drop_unused(graph: Any) -> None:
    """Take out the constants that no node reads any more."""
    used = {output.name for output in graph.output} | set(_read_names(graph))
    for node in [n for n in graph.node if n.op_type == "Constant" and n.output[0] not in used]:
        graph.node.remove(node)
    gone = {tensor.name for tensor in graph.initializer} - used
    for kept in (graph.initializer, graph.input):
        for entry in [e for e in kept if e.name in gone]:
            kept.remove(entry)


def _read_names(graph: Any) -> Iterator[str]:
    """The names that the nodes of a graph read, and those of the graphs inside them."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _read_names(inner)
                yield from (output.name for output in inner.output)
