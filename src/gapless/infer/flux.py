"""Flux positions: whole numbers folded to 0-9 by their digital root.

In: a whole number, or what a classifier answered. Out: positions. Invariants: 0 stays 0, other multiples of 9 are 9;
doubling never leaves the circle 1 2 4 8 7 5, the pair 3 6, 9 or 0 that it began in. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gapless.errors import ModelError, ProtocolError
from gapless.infer.contract import Array, ModelInfo, Tensors

STEPS: Final = 9
"""Length of a doubling sequence."""

MAX_SEED_DIGITS: Final = 1000
"""Longest seed that is read."""


def digital_root(number: int) -> int:
    """The sum of the decimal digits, summed again until one digit is left; a sign does not count."""
    return 1 + (abs(number) - 1) % 9 if number else 0


def doubling(number: int) -> tuple[int, ...]:
    """Nine positions, each the digital root of twice the one before; the first is that of twice ``number``."""
    positions = []
    for _ in range(STEPS):
        number = digital_root(2 * number)
        positions.append(number)
    return tuple(positions)


def read_seed(text: str) -> int:
    """The whole number that ``text`` is.

    Raises:
        ProtocolError: it is none, or longer than ``MAX_SEED_DIGITS``.
    """
    digits = text.removeprefix("-")
    if len(digits) > MAX_SEED_DIGITS or not (digits.isascii() and digits.isdecimal()):
        raise ProtocolError(
            f"a seed is a whole number of at most {MAX_SEED_DIGITS} digits; send one", param="seed"
        )
    return int(text)


def flux_positions(info: ModelInfo, outputs: Tensors) -> Array:
    """The position of every label in a model's answer.

    The labels are the place of the largest value along the last axis of the first output that has ``labels``, or else
    the first output of whole numbers itself.

    Raises:
        ModelError: the answer has neither.
    """
    labels = _labels(info, outputs)
    positions = [digital_root(label) for label in labels.ravel().tolist()]
    return np.array(positions, np.int64).reshape(labels.shape)


def _labels(info: ModelInfo, outputs: Tensors) -> Array:
    given = [output for output in info.outputs if output.name in outputs]
    for output in given:
        if output.labels:
            return np.asarray(outputs[output.name].argmax(axis=-1))
    for output in given:
        if outputs[output.name].dtype.kind in "iu":
            return outputs[output.name]
    raise ModelError(
        f"{info.name} is to give a flux position, but this answer has neither an output with labels nor one of "
        "whole numbers; name labels in its manifest, or take flux out of it",
    )
