"""Denormal numbers as zero, in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.zone import zone

Samples = npt.NDArray[np.float32]

NUMBERS = np.array([1e-30, 1e-10, 1e-40, 1e30], np.float32)
"""The product of the first two is denormal. The third is, and its product with the fourth is not."""


@zone
def compute(numbers: Samples, out: Samples) -> None:
    out[0] = numbers[0] * numbers[1]
    out[1] = numbers[2] * numbers[3]


@zone
def compute_flushed(numbers: Samples, out: Samples) -> None:
    flush_denormals()
    compute(numbers, out)


@zone
def compute_flushed_and_restored(numbers: Samples, out: Samples) -> None:
    mode = flush_denormals()
    compute(numbers, out[:2])
    restore_denormals(mode)
    compute(numbers, out[2:])


def in_a_thread(*kernels: Callable[[Samples, Samples], None]) -> list[list[int]]:
    """The bits of what each gives, one after the other in one fresh thread."""
    outs = [np.zeros(4, np.float32) for _ in kernels]

    def run() -> None:
        for function, out in zip(kernels, outs, strict=True):
            function(NUMBERS, out)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return [out.view(np.uint32).tolist() for out in outs]


PRODUCTS = [
    int((NUMBERS[0] * NUMBERS[1]).view(np.uint32)),
    int((NUMBERS[2] * NUMBERS[3]).view(np.uint32)),
]
USUAL = [*PRODUCTS, 0, 0]
FLUSHED = [0, 0, 0, 0]


def test_denormal_results_and_operands_become_zero() -> None:
    assert 0 not in PRODUCTS
    assert in_a_thread(compute) == [USUAL]
    assert in_a_thread(compute_flushed) == [FLUSHED]


def test_the_mode_lasts_in_its_thread_and_only_there() -> None:
    assert in_a_thread(compute, compute_flushed, compute) == [USUAL, FLUSHED, FLUSHED]
    assert in_a_thread(compute) == [USUAL]


def test_who_borrows_a_thread_puts_its_mode_back() -> None:
    assert in_a_thread(compute_flushed_and_restored, compute) == [[0, 0, *PRODUCTS], USUAL]
