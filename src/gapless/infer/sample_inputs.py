"""Inputs to try a model with, made from what it says it takes.

In: a ``ModelInfo``. Out: arrays for every input and every state's input, by name. Invariants: the same seed gives the
same values; states are what they are before a sequence's first step. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

import numpy as np

from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo
from gapless.infer.wire.tensors import dtype_of

FREE_LENGTHS: Final = (1, 16, 160, 1600, 16_000)
"""What an axis of any length is tried with, in turn: one sample, a frame, up to a second of sound."""


def zero_inputs(info: ModelInfo, rows: int, free: int) -> dict[str, Array]:
    """Zeros, empty texts.

    Args:
        info: of the model.
        rows: how many; one where the model does not batch.
        free: how long axes of any length are.
    """

    def zeros(tensor: TensorInfo, shape: tuple[int, ...]) -> Array:
        return np.full(shape, b"" if tensor.datatype == "BYTES" else 0, dtype_of(tensor.datatype))

    return _inputs(info, rows, free, zeros)


def random_inputs(info: ModelInfo, rows: int, free: int, seed: int) -> dict[str, Array]:
    """Normally distributed numbers, whole numbers that are 0 or 1, and short texts.

    Args:
        info: of the model.
        rows: how many; one where the model does not batch.
        free: how long axes of any length are.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)

    def random(tensor: TensorInfo, shape: tuple[int, ...]) -> Array:
        dtype = np.dtype(dtype_of(tensor.datatype))
        if tensor.datatype == "BYTES":
            texts = np.empty(prod(shape), np.object_)
            texts[:] = [b"%d" % number for number in rng.integers(0, 1000, texts.size)]
            return texts.reshape(shape)
        if dtype.kind == "f":
            return rng.standard_normal(shape).astype(dtype)
        return rng.integers(0, 2, shape).astype(dtype)

    return _inputs(info, rows, free, random)


def has_free_lengths(info: ModelInfo) -> bool:
    """Whether an input has an axis of any length, besides that of the batch."""
    return any(DYNAMIC in tensor.shape for tensor in info.inputs)


def _inputs(
    info: ModelInfo, rows: int, free: int, make: Callable[[TensorInfo, tuple[int, ...]], Array]
) -> dict[str, Array]:
    front = (rows,) if info.batched else ()
    arrays = {
        tensor.name: make(tensor, (*front, *(free if n == DYNAMIC else n for n in tensor.shape)))
        for tensor in info.inputs
    }
    for state in info.states:
        shape = (*state.shape[: state.axis], *front, *state.shape[state.axis :])
        arrays[state.input] = np.full(shape, state.initial, dtype_of(state.datatype))
    return arrays
