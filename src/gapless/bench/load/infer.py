"""Questions to a model that differ: a body for ``/v1/infer``, a ModelInferRequest for gRPC.

In: what a model takes. Out: the text of a body with ``{number}`` and ``{run}`` in it, or arrays. Invariants: the same
model and seed give the same question; two elements of it differ in every request, so that nothing is answered from
memory unless it is asked to be. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from gapless.errors import ConfigError
from gapless.infer.contract import DYNAMIC, Array
from gapless.infer.wire.tensors import dtype_of

SEED: Final = 1
FREE_LENGTH: Final = 16
"""Of an axis that may have any length; the first one, of rows, has 1."""

DIFFERENT: Final = {"number": "0.{number}", "run": "0.{run}"}
FRACTIONS: Final = ("FP32", "FP64")
"""FP16 has too few for requests to differ."""

DIGITS: Final = 4
"""Behind the point, of the elements that do not differ."""


class Takes(msgspec.Struct, frozen=True):
    """An input of a model, as ``GET /v2/models/NAME`` and ``GET /v1/infer`` tell it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1: any length."""
    optional: bool = False


class Described(msgspec.Struct, frozen=True):
    """What is read of a model's description; KServe calls the model ``name``."""

    inputs: tuple[Takes, ...]
    name: str = ""
    model: str = ""
    batched: bool = False
    """Whether rows are left out of the shapes; KServe has them in."""


def example(described: Described) -> dict[str, Array]:
    """One row of random numbers, zeros where whole numbers are taken: they may be places in a table."""
    random = np.random.default_rng(SEED)
    arrays: dict[str, Array] = {}
    for tensor in described.inputs:
        if tensor.optional:
            continue
        shape = [FREE_LENGTH if n == DYNAMIC else n for n in tensor.shape]
        if tensor.shape[:1] == (DYNAMIC,) and not described.batched:
            shape[0] = 1
        dtype = np.dtype(dtype_of(tensor.datatype))
        if tensor.datatype == "BYTES":
            arrays[tensor.name] = np.full(shape, b"hello", np.object_)
        elif dtype.kind == "f":
            arrays[tensor.name] = random.uniform(-1, 1, shape).round(DIGITS).astype(dtype)
        else:
            arrays[tensor.name] = np.zeros(shape, dtype)
    return arrays


def infer_body(described: Described) -> str:
    """The body of a question for ``POST /v1/infer``.

    Raises:
        ConfigError: nothing in it can differ.
    """
    inputs = {name: _listed(array) for name, array in example(described).items()}
    kinds = {tensor.name: tensor.datatype for tensor in described.inputs}
    for name, data in inputs.items():
        is_text = kinds[name] == "BYTES"
        if is_text or kinds[name] in FRACTIONS:
            row = data
            while isinstance(row[0], list):
                row = row[0]
            if is_text:
                row[0] = "hello {number} {run}"
            else:
                row[: len(DIFFERENT)] = list(DIFFERENT.values())[: len(row)]
            break
    else:
        raise ConfigError(
            f"{described.model or described.name} takes neither fractions nor texts, so that questions to it cannot "
            "be made to differ; write a body yourself, with `gapless load http`",
            param="model",
        )
    body = msgspec.json.encode(
        {"model": described.model or described.name, "inputs": inputs}
    ).decode()
    # A text so far, for JSON has no numbers with braces in them.
    for text in DIFFERENT.values():
        body = body.replace(f'"{text}"', text)
    return body


def _listed(array: Array) -> Any:
    return _readable(array.tolist())


def _readable(value: Any) -> Any:
    """As JSON has it: texts, and fractions with the digits they were made with."""
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, bytes):
        return value.decode()
    return round(value, DIGITS) if isinstance(value, float) else value
