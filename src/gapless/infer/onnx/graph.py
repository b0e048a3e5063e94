"""What an ONNX file is made of, without running it.

In: a file. Out: its versions and operators. Invariants: weights beside the file are not read. Thread: any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gapless.errors import MissingDependencyError, ModelError


class GraphFacts(msgspec.Struct, frozen=True):
    """What a file is made of."""

    opset: int
    """Version of ONNX's operators."""
    producer: str
    """What wrote it."""
    operators: dict[str, int]
    """How many nodes of each kind, the most frequent first."""


def read_graph(path: Path) -> GraphFacts:
    """What this file is made of.

    Raises:
        MissingDependencyError: the package onnx is not installed.
        ModelError: it cannot be read.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "looking into models needs the package onnx; run `pip install 'gapless[quantize]'`"
        ) from error
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # Protobuf's errors are those of whichever implementation it has.
        raise ModelError(f"{path} cannot be read: {error}; replace the file") from error
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    return GraphFacts(
        opset=opsets.get("", opsets.get("ai.onnx", 0)),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        operators=dict(Counter(_operators(model.graph)).most_common()),
    )


def _operators(graph: Any) -> Iterator[str]:
    """The kinds of all nodes, those inside of loops and branches too."""
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _operators(inner)
