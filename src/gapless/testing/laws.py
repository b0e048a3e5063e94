"""Hold a stage to the laws of ``gapless.audio.stage``: one suite for every stage there is.

In: a function that makes new stages, a whole input, and ways to split it. Out: nothing, or an
``AssertionError`` that names the law, the split and the first difference. Invariants: inputs and
outputs are overwritten with garbage after each call, so that a stage that keeps a view of either
is found out; stages that can be closed are closed. Thread: any.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.stage import Stage

Array: TypeAlias = npt.NDArray[Any]
Block = TypeVar("Block", bytes, npt.NDArray[np.float32])
Split: TypeAlias = Sequence[int]
"""Lengths of blocks in items of the input (bytes or samples); the rest is one last block."""


class Run(msgspec.Struct, frozen=True):
    """What came out of a stage, and how far it lagged behind."""

    output: Array
    lag_samples: int
    """Most input samples that were fed but not answered at the end of any call to ``process``."""


def check_stage(
    make_stage: Callable[[], Stage[Block, Array]],
    whole: Block,
    splits: Iterable[Split],
    *,
    items_per_sample: int = 1,
    samples_per_output: Fraction | int = 1,
    n_outputs: int | None = None,
    join: Callable[[Sequence[Array]], Array] = np.concatenate,
) -> None:
    """Hold a stage to all laws but the place of its samples (an impulse shows that).

    Args:
        make_stage: makes a new stage, always the same.
        whole: the input: bytes, or float32 samples. Longer than a few times the stage's latency.
        splits: block lengths to try; ``usual_splits(len(whole))`` is a good choice. One split must
            be fine enough to reach the stage's latency. Empty blocks are added at both ends.
        items_per_sample: items of ``whole`` in an input sample: the bytes of a frame for bytes, 1
            for samples.
        samples_per_output: input samples that one item of output answers: 512 for a voice activity
            model that judges windows of 512; ``Fraction(in_hz, out_hz)`` for a resampler.
        n_outputs: items of output that the whole input is answered with, for stages whose outputs overlap and whose
            last ones do not fit; None: one for each ``samples_per_output`` that were begun.
        join: puts outputs one after the other.

    Raises:
        AssertionError: a law is broken.
    """

    def run(stage: Stage[Block, Array], split: Split) -> Run:
        return run_stage(
            stage,
            whole,
            split,
            items_per_sample=items_per_sample,
            samples_per_output=samples_per_output,
            join=join,
        )

    with opened(make_stage) as stage:
        declared = stage.latency_samples
        reference = run(stage, [])

    heard = n_outputs
    if heard is None:
        heard = ceil(len(whole) // items_per_sample / Fraction(samples_per_output))
    if len(reference.output) != heard:
        raise AssertionError(
            f"law 4: {len(whole)} items in, {len(reference.output)} out; {heard} expected"
        )

    lags = [reference.lag_samples]
    for split in splits:
        with opened(make_stage) as stage:
            streamed = run(stage, split)
        require_same(streamed.output, reference.output, f"law 1: split {brief(split)}")
        lags.append(streamed.lag_samples)

    with opened(make_stage) as stage:
        stage.process(whole[: len(whole) // 2 + 1])
        stage.reset()
        require_same(run(stage, []).output, reference.output, "law 2: reset in mid-stream")
        stage.reset()
        require_same(run(stage, []).output, reference.output, "law 2: reset after flush")
        if stage.latency_samples != declared:
            raise AssertionError("law 3: the declared latency changed while the stage was in use")

    if max(lags) != declared:
        raise AssertionError(f"law 3: latency declared {declared}, measured {max(lags)} samples")


def run_stage(
    stage: Stage[Block, Array],
    whole: Block,
    split: Split,
    *,
    items_per_sample: int = 1,
    samples_per_output: Fraction | int = 1,
    join: Callable[[Sequence[Array]], Array] = np.concatenate,
) -> Run:
    """Feed ``whole`` in blocks, flush, and join what comes out. Arguments as for ``check_stage``.

    Raises:
        AssertionError: an output changed after it was returned: it was a view of internal state.
    """
    kept: list[Array] = []
    returned: list[tuple[Array, Array]] = []
    answered = 0
    lag = 0
    for number, (start, end) in enumerate(edges(len(whole), split)):
        block = whole[start:end]
        if not isinstance(block, bytes):
            block = block.copy()
        output = stage.process(block)
        kept.append(output.copy())
        answered += len(output)
        lag = max(lag, ceil(end // items_per_sample - answered * Fraction(samples_per_output)))
        if not isinstance(block, bytes):
            scribble(block, number)
        scribble(output, number)
        returned.append((output, output.copy()))
    kept.append(stage.flush().copy())
    for number, (output, copy) in enumerate(returned):
        require_same(output, copy, f"output {number} changed after it was returned")
    return Run(join(kept), lag)


def usual_splits(length: int, *, ones: int = 2000) -> list[list[int]]:
    """Splits that find most mistakes: single items, round and odd sizes, random with empty blocks.

    Args:
        length: items in the whole input.
        ones: how many single items the first split begins with, to bound the number of calls.
    """
    chance = random.Random(length)
    even = [[size] * (length // size) for size in (7, 160, 480, 512, 513) if size <= length]
    uneven = []
    for largest in (5, 100, 1500):
        split: list[int] = []
        while sum(split) < min(length, 400 * largest):
            split.append(chance.choice((0, 1, chance.randint(1, largest))))
        uneven.append(split)
    return [[1] * min(ones, length), *even, *uneven]


def edges(length: int, split: Split) -> Iterator[tuple[int, int]]:
    """Start and end of each block: an empty one, the split's, the rest in one, an empty one."""
    ends = [0, *(min(end, length) for end in accumulate(split)), length, length]
    yield 0, 0
    yield from pairwise(ends)


def scribble(array: Array, number: int) -> None:
    """Overwrite with garbage, other garbage each time, what the owner is free to overwrite."""
    if array.flags.writeable:
        array.fill(1000 + number if array.dtype.kind == "f" else number % 100)


def require_same(actual: Array, expected: Array, what: str) -> None:
    """Both arrays hold the same bits.

    Raises:
        AssertionError: says where they differ first.
    """
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        raise AssertionError(
            f"{what}: {actual.dtype} {actual.shape} is not {expected.dtype} {expected.shape}"
        )
    if actual.tobytes() != expected.tobytes():
        same = (actual == expected) | ((actual != actual) & (expected != expected))  # noqa: PLR0124
        where = np.argwhere(~same)
        first = tuple(where[0]) if len(where) else "the sign of a zero or a NaN"
        raise AssertionError(f"{what}: differs at {len(where)} places, first {first}")


def brief(split: Split) -> str:
    """A split, cut to what fits on a line."""
    shown = ", ".join(map(str, split[:12]))
    return f"[{shown}, ... {len(split)} blocks]" if len(split) > 12 else f"[{shown}]"


@contextmanager
def opened(make_stage: Callable[[], Stage[Block, Array]]) -> Iterator[Stage[Block, Array]]:
    """A new stage, closed at the end if it can be closed."""
    stage = make_stage()
    try:
        yield stage
    finally:
        close = getattr(stage, "close", None)
        if close is not None:
            close()
