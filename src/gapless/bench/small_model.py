"""The small model that inference is measured with: a perceptron of three layers with random weights from a fixed seed.

In: a folder of models. Out: the model in it, in the repository's layout. Invariants: the same weights on every
machine, 6.5 MB; what it computes means nothing, how long it takes is that of any network of its size. Thread: any.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gapless.errors import MissingDependencyError

if TYPE_CHECKING:
    import onnx

NAME: Final = "small"
SEED: Final = 20_240_607
WIDTHS: Final = (384, 1024, 1024, 192)
"""Values of a row: in, between the layers, and out."""

LARGEST_BATCH: Final = 32


def write_small_model(
    models: Path, name: str = NAME, *, largest_batch: int = LARGEST_BATCH
) -> Path:
    """Put the model into a folder of models; returns its file.

    Args:
        models: the folder.
        name: what it is called there.
        largest_batch: 1 is what batching is compared with.

    Raises:
        MissingDependencyError: the package that writes such files is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "writing the model to measure needs the package onnx; run `pip install 'gapless[quantize]'`"
        ) from error
    file = models / name / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    onnx.save(_perceptron(), file)
    (models / name / "manifest.toml").write_text(f"max_batch = {largest_batch}\n", "utf-8")
    return file


def _perceptron() -> onnx.ModelProto:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(SEED)
    nodes, weights = [], []
    value = "x"
    for layer, (wide, next_wide) in enumerate(pairwise(WIDTHS)):
        # Of a size that keeps the values of every layer about as large as those before.
        matrix = random.standard_normal((wide, next_wide), np.float32) * np.sqrt(2 / wide)
        weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"w{layer}"))
        weights.append(numpy_helper.from_array(np.zeros(next_wide, np.float32), f"b{layer}"))
        last = next_wide is WIDTHS[-1]
        product = "y" if last else f"product{layer}"
        nodes.append(helper.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], [product]))
        if not last:
            nodes.append(helper.make_node("Relu", [product], [value := f"hidden{layer}"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", wide])
        for name, wide in (("x", WIDTHS[0]), ("y", WIDTHS[-1]))
    ]
    graph = helper.make_graph(nodes, NAME, ends[:1], ends[1:], weights)
    # Versions that every ONNX Runtime since 1.20 knows, whatever package writes the file.
    return helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="gapless"
    )
