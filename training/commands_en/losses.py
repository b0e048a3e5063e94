"""Losses that only allow a label near the time when its word is said.

In: encodings, labels and the frames in which each label may be emitted. Out: a loss per row.
Invariants: both losses sum over exactly the alignments whose labels all fall in their windows, which
bounds the delay of emission. Thread: the caller's.

The transducer loss is that of Graves, "Sequence Transduction with Recurrent Neural Networks" (2012),
on the restricted lattice of Mahadeokar et al., "Alignment Restricted Streaming Recurrent Neural
Network Transducer" (2021): cells that no allowed path visits are not computed at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

IMPOSSIBLE = -1e30
MASKED = -1e4
"""Log-probability of a label outside its window, for CTC: low, but finite for its gradient."""


Lattice = npt.NDArray[np.floating]
"""Log-probabilities of cells; below -1e29 there is no way."""


class Targets(NamedTuple):
    """Labels of a batch. ``first[n, u] .. last[n, u]`` are the frames in which label u may come."""

    labels: npt.NDArray[np.int64]
    """[N, U], filled up with zeros."""
    lengths: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def ctc_loss(logits: Tensor, targets: Targets) -> Tensor:
    """[N, T, V] to [N]: CTC in which labels are allowed within their windows only."""
    rows, frames, vocabulary = logits.shape
    allowed = np.zeros((rows, frames, vocabulary), np.bool_)
    allowed[:, :, 0] = True
    for row in range(rows):
        for u in range(targets.lengths[row]):
            span = slice(targets.first[row, u], targets.last[row, u] + 1)
            allowed[row, span, targets.labels[row, u]] = True
    # Masked after the softmax: the blank is trained where labels are not allowed, too.
    log_probs = logits.log_softmax(-1).masked_fill(~torch.from_numpy(allowed), MASKED)
    return functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.from_numpy(targets.labels),
        torch.full((rows,), frames),
        torch.from_numpy(targets.lengths),
        reduction="none",
        zero_infinity=True,
    )


class Cells(NamedTuple):
    """The cells (row, frame, labels emitted) that some allowed path visits."""

    row: Tensor
    frame: Tensor
    emitted: Tensor


def lattice_cells(targets: Targets, frames: int) -> Cells:
    """List the cells of a batch's lattices."""
    rows, labels = targets.labels.shape
    starts = np.zeros((rows, labels + 1), np.int64)
    starts[:, 1:] = targets.first
    ends = np.full((rows, labels + 1), frames - 1)
    ends[:, :-1] = targets.last
    counts = np.arange(labels + 1)
    ends[counts == targets.lengths[:, None]] = frames - 1
    times = np.arange(frames)[None, :, None]
    alive = (times >= starts[:, None]) & (times <= ends[:, None])
    alive &= counts <= targets.lengths[:, None, None]
    return Cells(*(torch.from_numpy(index) for index in np.nonzero(alive)))


def transducer_loss(logits: Tensor, cells: Cells, targets: Targets, frames: int) -> Tensor:
    """Logits [cells, V] to a loss per row [N]."""
    rows, most = targets.labels.shape
    log_probs = logits.log_softmax(-1)
    labels = torch.from_numpy(np.pad(targets.labels, ((0, 0), (0, 1))))
    label = labels[cells.row, cells.emitted]
    emit = log_probs.gather(1, label[:, None])[:, 0]
    first = torch.from_numpy(np.pad(targets.first, ((0, 0), (0, 1)), constant_values=frames))
    last = torch.from_numpy(np.pad(targets.last, ((0, 0), (0, 1)), constant_values=-1))
    lengths = torch.from_numpy(targets.lengths)
    may_emit = (
        (cells.emitted < lengths[cells.row])
        & (cells.frame >= first[cells.row, cells.emitted])
        & (cells.frame <= last[cells.row, cells.emitted])
    )
    emit = emit.masked_fill(~may_emit, IMPOSSIBLE)
    empty = log_probs.new_full((rows, frames, most + 1), IMPOSSIBLE)
    blank = empty.index_put((cells.row, cells.frame, cells.emitted), log_probs[:, 0])
    emit = empty.index_put((cells.row, cells.frame, cells.emitted), emit)
    return _Lattice.apply(blank, emit, targets.lengths)


class _Lattice(torch.autograd.Function):
    """-log of the sum over all paths, and its gradient from forward and backward variables."""

    @staticmethod
    def forward(
        context: Any, blank: Tensor, emit: Tensor, lengths: npt.NDArray[np.int64]
    ) -> Tensor:
        losses, blank_gradient, emit_gradient = _forward_backward(
            blank.detach().numpy(), emit.detach().numpy(), lengths
        )
        context.save_for_backward(torch.from_numpy(blank_gradient), torch.from_numpy(emit_gradient))
        return torch.from_numpy(losses)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        blank, emit = context.saved_tensors
        return blank * gradient[:, None, None], emit * gradient[:, None, None], None


@numba.njit(cache=True)
def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    if low < -1e29:
        return high
    return high + np.log1p(np.exp(low - high))


@numba.njit(cache=True)
def _forward(blank: Lattice, emit: Lattice, labels: int) -> Lattice:
    """alpha[t, u]: log of the sum over the ways to cell (t, u) of one row."""
    frames, states = blank.shape
    alpha = np.full((frames, states), -1e30)
    alpha[0, 0] = 0.0
    for t in range(frames):
        for u in range(labels + 1):
            if t > 0 and alpha[t - 1, u] > -1e29 and blank[t - 1, u] > -1e29:
                alpha[t, u] = alpha[t - 1, u] + blank[t - 1, u]
            if u > 0 and alpha[t, u - 1] > -1e29 and emit[t, u - 1] > -1e29:
                alpha[t, u] = _log_add(alpha[t, u], alpha[t, u - 1] + emit[t, u - 1])
    return alpha


@numba.njit(cache=True)
def _forward_backward(
    blank: Lattice, emit: Lattice, lengths: npt.NDArray[np.int64]
) -> tuple[Lattice, Lattice, Lattice]:
    """Losses [N], and their gradients by ``blank`` and ``emit`` [N, T, U + 1]."""
    rows, frames, states = blank.shape
    losses = np.zeros(rows, np.float32)
    blank_gradient = np.zeros_like(blank)
    emit_gradient = np.zeros_like(emit)
    beta = np.empty((frames, states))
    for n in range(rows):
        end = lengths[n]
        alpha = _forward(blank[n], emit[n], end)
        total = alpha[frames - 1, end] + blank[n, frames - 1, end]
        if total < -1e29:
            continue  # no path at all: the row teaches nothing
        losses[n] = -total
        beta[:] = -1e30
        beta[frames - 1, end] = blank[n, frames - 1, end]
        blank_gradient[n, frames - 1, end] = -1.0
        for t in range(frames - 1, -1, -1):
            for u in range(end, -1, -1):
                if t + 1 < frames and beta[t + 1, u] > -1e29 and blank[n, t, u] > -1e29:
                    step = blank[n, t, u] + beta[t + 1, u]
                    beta[t, u] = step
                    blank_gradient[n, t, u] = -np.exp(alpha[t, u] + step - total)
                if u < end and beta[t, u + 1] > -1e29 and emit[n, t, u] > -1e29:
                    step = emit[n, t, u] + beta[t, u + 1]
                    beta[t, u] = _log_add(beta[t, u], step)
                    emit_gradient[n, t, u] = -np.exp(alpha[t, u] + step - total)
    return losses, blank_gradient, emit_gradient
