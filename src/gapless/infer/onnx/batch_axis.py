"""Whether what looks like a model's batch axis is one.

In: a loaded model that is said to batch, by the shapes in its file alone. Out: yes or no. Invariants: a yes is only as
good as the two rows that were tried; what cannot be told counts as yes. Thread: any.

An open axis in front of all tensors may as well count frames of one sound, and many files that were exported with a
batch of one only claim to take more. Rows that are put together by mistake would spoil each other's results in silence.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.errors import ModelError
from gapless.infer.contract import Array, Model, Tensors
from gapless.infer.sample_inputs import FREE_LENGTHS, has_free_lengths, random_inputs

TOLERANCE: Final = 0.1
"""Relative difference (RMS) that rounding may make, in models of 8 bits too; frames taken for rows differ by more."""


def rows_keep_apart(model: Model) -> bool:
    """Whether two rows give together what each gives alone."""
    info = model.info
    for free in FREE_LENGTHS if has_free_lengths(info) else FREE_LENGTHS[:1]:
        first, second = (random_inputs(info, 1, free, seed) for seed in (1, 2))
        try:
            alone = [model.run(first), model.run(second), model.run(first)]
        except ModelError:
            continue
        if _differ(alone[0], alone[2]):
            return True  # It draws random numbers itself: nothing can be compared.
        axes = {state.input: state.axis for state in info.states}
        both = {
            name: np.concatenate([first[name], second[name]], axes.get(name, 0)) for name in first
        }
        try:
            together = model.run(both)
            axes = {state.output: state.axis for state in info.states}
            rows = [
                {name: array.take([row], axes.get(name, 0)) for name, array in together.items()}
                for row in (0, 1)
            ]
        except (ModelError, IndexError, ValueError):
            return False
        return not any(_differ(row, one) for row, one in zip(rows, alone[:2], strict=True))
    return True


def _differ(ours: Tensors, theirs: Tensors) -> bool:
    """Whether any output does. Texts are not compared."""
    return any(
        _relative_rms(ours[name], theirs[name]) > TOLERANCE
        for name in ours
        if ours[name].dtype != np.object_ and theirs[name].dtype != np.object_
    )


def _relative_rms(ours: Array, theirs: Array) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    reference = theirs.astype(np.float64)
    error = np.sqrt(np.mean(np.square(ours - reference))) if reference.size else 0.0
    size = np.sqrt(np.mean(np.square(reference))) if reference.size else 0.0
    return float(error / size) if size > 0 else float(error)
