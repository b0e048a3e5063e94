"""What a model and its 8-bit version are compared with: rows of inputs.

In: a file of arrays, or a seed. Out: rows, each the inputs of one call. Invariants: the rows fit the model; their
number is bounded. Thread: any.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from gapless.errors import ConfigError
from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo
from gapless.infer.sample_inputs import random_inputs
from gapless.infer.wire.tensors import dtype_of

MOST_ROWS: Final = 256
"""More rows of a file are not looked at."""

RANDOM_ROWS: Final = 64

RANDOM: Final = "random numbers"
"""The source of rows that nobody gave."""


class Samples(msgspec.Struct, frozen=True):
    """Rows of inputs, without states."""

    rows: list[dict[str, Array]]
    """The inputs of one call each, of one row. For a model with states they are consecutive steps of a sequence."""
    source: str
    """Where they come from."""


def random_samples(info: ModelInfo, free: int) -> Samples:
    """Random rows; they show what is broken, and say little of how exact a model is on what it was made for."""
    names = [tensor.name for tensor in info.inputs]
    rows = [random_inputs(info, 1, free, seed) for seed in range(RANDOM_ROWS)]
    return Samples([{name: row[name] for name in names} for row in rows], RANDOM)


def read_samples(path: Path, info: ModelInfo) -> Samples:
    """The rows in an ``.npz`` file: an array for each input by name, the first axis of which counts rows.

    Raises:
        ConfigError: it cannot be read, or does not fit the model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _unfit(path, f"cannot be read: {error}") from error
    columns = {tensor.name: _column(path, tensor, arrays) for tensor in info.inputs}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise _unfit(
            path, f"has arrays of {sorted(lengths)} rows; all need the same number, at least 1"
        )
    rows = range(min(lengths.pop(), MOST_ROWS))
    front = (None,) if info.batched else ()
    return Samples(
        [{name: column[(row, *front)] for name, column in columns.items()} for row in rows],
        path.name,
    )


def _column(path: Path, tensor: TensorInfo, arrays: dict[str, Array]) -> Array:
    if tensor.name not in arrays:
        raise _unfit(path, f"has no array {tensor.name!r}")
    column = arrays[tensor.name]
    wanted = (DYNAMIC, *tensor.shape)
    if column.ndim != len(wanted) or any(
        want not in (DYNAMIC, have) for want, have in zip(wanted, column.shape, strict=True)
    ):
        raise _unfit(
            path,
            f"has {tensor.name!r} of shape {list(column.shape)}, not rows of {list(tensor.shape)} (-1: any length)",
        )
    if tensor.datatype == "BYTES":
        texts = np.char.encode(column.astype(str), "utf-8") if column.dtype.kind == "U" else column
        return texts.astype(np.object_)
    return column.astype(dtype_of(tensor.datatype))


def _unfit(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"the samples in {path} do not fit: the file {what}; save one array for each input with numpy.savez, "
        "its first axis counting rows",
        param="samples",
    )
