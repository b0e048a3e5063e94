"""The losses against sums over every path."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from commands_en.losses import Targets, ctc_loss, lattice_cells, transducer_loss

FRAMES, TOKENS = 5, 4


def one_row(labels: list[int], first: list[int], last: list[int]) -> Targets:
    row = [np.array([values], np.int64) for values in (labels, first, last)]
    return Targets(row[0], np.array([len(labels)]), row[1], row[2])


def all_transducer_paths(logits: torch.Tensor, targets: Targets) -> torch.Tensor:
    """Sum over every choice of emission frames; ``logits`` is [T, U + 1, V]."""
    log_probs = logits.log_softmax(-1)
    labels = targets.labels[0]
    totals = []
    for frames in itertools.combinations_with_replacement(range(FRAMES), len(labels)):
        inside = zip(frames, targets.first[0], targets.last[0], strict=True)
        if not all(first <= frame <= last for frame, first, last in inside):
            continue
        score = torch.tensor(0.0, dtype=logits.dtype)
        emitted = 0
        for frame in range(FRAMES):
            while emitted < len(labels) and frames[emitted] == frame:
                score = score + log_probs[frame, emitted, labels[emitted]]
                emitted += 1
            score = score + log_probs[frame, emitted, 0]
        totals.append(score)
    return -torch.logsumexp(torch.stack(totals), 0)


def test_the_transducer_loss_and_its_gradient_are_those_of_the_sum_over_allowed_paths() -> None:
    torch.manual_seed(0)
    for targets in (
        one_row([1, 2], [0, 0], [4, 4]),
        one_row([1, 1], [1, 2], [2, 4]),
        one_row([3, 1, 2], [0, 1, 1], [1, 2, 3]),
    ):
        states = len(targets.labels[0]) + 1
        logits = torch.randn(FRAMES, states, TOKENS, requires_grad=True)
        expected = all_transducer_paths(logits, targets)
        (expected_gradient,) = torch.autograd.grad(expected, logits)
        cells = lattice_cells(targets, FRAMES)
        loss = transducer_loss(logits[cells.frame, cells.emitted], cells, targets, FRAMES)
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert torch.allclose(loss[0], expected, atol=1e-5)
        assert torch.allclose(gradient, expected_gradient, atol=1e-5)


def test_a_row_without_labels_is_all_blanks() -> None:
    targets = Targets(*(np.array(v) for v in ([[0]], [0], [[FRAMES]], [[-1]])))
    cells = lattice_cells(targets, FRAMES)
    logits = torch.randn(FRAMES, 2, TOKENS)
    loss = transducer_loss(logits[cells.frame, cells.emitted], cells, targets, FRAMES)
    assert torch.allclose(loss[0], -logits[:, 0].log_softmax(-1)[:, 0].sum(), atol=1e-5)


def test_the_cells_of_the_lattice_are_those_that_some_allowed_path_visits() -> None:
    cells = lattice_cells(one_row([1, 2], [1, 2], [1, 3]), FRAMES)
    visited = set(zip(cells.frame.tolist(), cells.emitted.tolist(), strict=True))
    assert visited == {(0, 0), (1, 0), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 2)}


def test_ctc_sums_over_the_paths_whose_labels_are_in_their_windows() -> None:
    torch.manual_seed(1)
    logits = torch.randn(1, FRAMES, TOKENS)
    targets = one_row([1, 2], [0, 2], [1, 4])
    log_probs = logits[0].log_softmax(-1)
    total = []
    for path in itertools.product(range(TOKENS), repeat=FRAMES):
        labels = [t for i, t in enumerate(path) if t and (i == 0 or path[i - 1] != t)]
        inside = all(
            t == 0 or (t == 1 and f <= 1) or (t == 2 and f >= 2) for f, t in enumerate(path)
        )
        if labels == [1, 2] and inside:
            total.append(sum(log_probs[f, t] for f, t in enumerate(path)))
    expected = -torch.logsumexp(torch.stack(total), 0)
    assert torch.allclose(ctc_loss(logits, targets)[0], expected, atol=1e-4)
