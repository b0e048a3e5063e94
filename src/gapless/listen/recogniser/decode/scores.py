"""Logits to log-probabilities, and the few best of a row.

In: arrays with one row per stream or hypothesis. Out: likewise. Invariants: a row's answer does not depend on the other
rows. Thread: any (pure functions).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NEVER: Final = -math.inf
"""Log of probability 0."""


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Log-probabilities of each row, float32 [n_rows, n_columns]."""
    below_peak: npt.NDArray[np.float32] = logits - logits.max(axis=1, keepdims=True)
    below_peak -= np.log(np.exp(below_peak).sum(axis=1, keepdims=True))
    return below_peak


def best_of_rows(
    logits: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The column of each row that is largest, and its log-probability; [n_rows] each."""
    best = logits.argmax(axis=1)
    peak = logits[np.arange(len(best)), best]
    return best, -np.log(np.exp(logits - peak[:, None]).sum(axis=1))


def best_columns(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """Indices of the ``count`` largest of each row in no particular order, [n_rows, min(count, n_columns)]."""
    if count >= scores.shape[1]:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, -count, axis=1)[:, -count:]


def log_add(a: float, b: float) -> float:
    """Log of the sum of two probabilities that are given as logs."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))


def take_rows(arrays: tuple[npt.NDArray[Any], ...], index: Any) -> tuple[npt.NDArray[Any], ...]:
    """Some rows of each array."""
    return tuple(array[index] for array in arrays)


def join_rows(rows: list[tuple[npt.NDArray[Any], ...]]) -> tuple[npt.NDArray[Any], ...]:
    """The arrays of several row tuples, one under the other; at least one tuple."""
    return tuple(np.concatenate(arrays) for arrays in zip(*rows, strict=True))


def copy_row(arrays: tuple[npt.NDArray[Any], ...], index: int) -> tuple[npt.NDArray[Any], ...]:
    """One row of each array, [1, ...]."""
    # A copy: a view would keep all the other rows alive.
    return tuple(array[index : index + 1].copy() for array in arrays)
