"""The network that makes gains of stale gains and fresh energies: a layer, a recurrent layer, a layer.

In: the state's features. Out: its corrected gains, 0..1. Invariants: weights lie by input, so that a step is a sum
of rows, which vector instructions do; the order of the sums is fixed. Thread: the callback's.

Source of the recurrent layer: K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014,
with the reset gate behind the product, as PyTorch has it.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.bands import BANDS
from gapless.clean.low_delay.state import FEATURES, HIDDEN, State
from gapless.realtime.zone import zone

WEIGHTS: Final = np.dtype(
    [
        ("first", np.float32, (FEATURES, HIDDEN)),
        ("first_bias", np.float32, (HIDDEN,)),
        ("input", np.float32, (HIDDEN, 3 * HIDDEN)),  # reset, update, new
        ("input_bias", np.float32, (3 * HIDDEN,)),
        ("recurrent", np.float32, (HIDDEN, 3 * HIDDEN)),
        ("recurrent_bias", np.float32, (3 * HIDDEN,)),
        ("last", np.float32, (2 * HIDDEN, BANDS)),  # of the recurrent layer, then of the first
        ("last_bias", np.float32, (BANDS,)),
    ],
    align=True,
)
"""The network's numbers."""

Weights: TypeAlias = Any
"""One record of ``WEIGHTS``, as kernels take it."""

Floats = npt.NDArray[np.float32]


@zone
def correct(state: State, weights: Weights) -> None:
    """Take one step: features to corrected gains."""
    first, hidden = state["first"], state["hidden"]
    given, remembered = state["input_sums"], state["recurrent_sums"]
    _sums(state["features"], weights["first"], weights["first_bias"], first)
    for i in range(HIDDEN):
        first[i] = math.tanh(first[i])
    _sums(first, weights["input"], weights["input_bias"], given)
    _sums(hidden, weights["recurrent"], weights["recurrent_bias"], remembered)
    for i in range(HIDDEN):
        reset = _sigmoid(given[i] + remembered[i])
        update = _sigmoid(given[HIDDEN + i] + remembered[HIDDEN + i])
        new = math.tanh(given[2 * HIDDEN + i] + reset * remembered[2 * HIDDEN + i])
        hidden[i] = new + update * (hidden[i] - new)
    gains, last = state["corrected"], weights["last"]
    _sums(hidden, last[:HIDDEN], weights["last_bias"], gains)
    _add_rows(first, last[HIDDEN:], gains)
    for b in range(BANDS):
        gains[b] = _sigmoid(gains[b])


@zone
def _sigmoid(x: np.float32) -> np.float32:
    return np.float32(1.0) / (np.float32(1.0) + np.float32(math.exp(-x)))


@zone
def _sums(inputs: Floats, rows: Floats, bias: Floats, outputs: Floats) -> None:
    """``outputs = inputs @ rows + bias``."""
    for o in range(outputs.shape[0]):
        outputs[o] = bias[o]
    _add_rows(inputs, rows, outputs)


@zone
def _add_rows(inputs: Floats, rows: Floats, outputs: Floats) -> None:
    """``outputs += inputs @ rows``, four rows at a time to read and write the sums less often."""
    for i in range(0, inputs.shape[0] - 3, 4):
        a, b, c, d = inputs[i], inputs[i + 1], inputs[i + 2], inputs[i + 3]
        row_a, row_b, row_c, row_d = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for o in range(outputs.shape[0]):
            outputs[o] += (a * row_a[o] + b * row_b[o]) + (c * row_c[o] + d * row_d[o])
    for i in range(inputs.shape[0] - inputs.shape[0] % 4, inputs.shape[0]):
        row = rows[i]
        for o in range(outputs.shape[0]):
            outputs[o] += inputs[i] * row[o]
