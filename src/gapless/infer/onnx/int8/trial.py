"""Measuring a model beside its 8-bit version: how fast both are, and how far apart what they say.

In: models of the same inputs and outputs, and rows. Out: times and errors. Invariants: models are timed in turn, call
by call, so that whatever else the machine does falls upon all alike. Thread: the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import msgspec
import numpy as np

from gapless.infer.contract import Array, Model, ModelInfo, Tensors
from gapless.infer.onnx.int8.samples import Samples
from gapless.infer.onnx.timing import NS_PER_MS
from gapless.infer.sample_inputs import zero_inputs

LEAST_CALLS: Final = 9
MOST_CALLS: Final = 301
"""Calls of one model whose median is taken, of one batch size."""

ENOUGH_NS: Final = 300 * NS_PER_MS
"""Calls of one batch size that took so long together are enough."""

LOUD: Final = 100.0
"""What a neighbour's values are multiplied by."""

NEIGHBOURS: Final = 16
"""How many rows are tried beside a neighbour."""


class Errors(msgspec.Struct, frozen=True):
    """How far two models are apart."""

    relative_rms: float
    relative_max: float
    agreement: float | None


def time_in_turn(
    models: Sequence[Model],
    samples: Samples,
    *,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[dict[int, float]]:
    """The median call in milliseconds of each model, by batch size.

    Args:
        models: of the same inputs and outputs.
        samples: rows that batches are made of.
        clock_ns: a monotonic clock.
    """
    results: list[dict[int, float]] = [{} for _ in models]
    for size in models[0].info.limits.buckets:
        batch = _batch(models[0].info, samples, size)
        times: list[list[int]] = [[] for _ in models]
        for model in models:
            model.run(batch)
        begin = clock_ns()
        while len(times[0]) < LEAST_CALLS or (
            len(times[0]) < MOST_CALLS and clock_ns() - begin < ENOUGH_NS
        ):
            for model, taken in zip(models, times, strict=True):
                start = clock_ns()
                model.run(batch)
                taken.append(clock_ns() - start)
        for result, taken in zip(results, times, strict=True):
            result[size] = median(taken) / NS_PER_MS
    return results


def answers(model: Model, samples: Samples) -> list[dict[str, Array]]:
    """What a model says of each row, run alone; of a model with states, of each step."""
    info = model.info
    states = _fresh_states(info)
    given = []
    for row in samples.rows:
        results = model.run({**row, **states})
        states = {state.input: results[state.output] for state in info.states}
        given.append({output.name: results[output.name] for output in info.outputs})
    return given


def compare(info: ModelInfo, expected: Sequence[Tensors], found: Sequence[Tensors]) -> Errors:
    """How far answers are from those expected; see ``Trial`` for what the figures mean."""
    rms, largest, agreements = [0.0], [0.0], []
    for output in info.outputs:
        pairs = [(e[output.name], f[output.name]) for e, f in zip(expected, found, strict=True)]
        if any(one.shape != other.shape for one, other in pairs):
            # Lengths that depend on the values came out differently: nothing is comparable.
            return Errors(float("inf"), float("inf"), 0.0)
        if pairs[0][0].dtype.kind != "f":
            agreements.append(_share(pairs, lambda array: array))
            continue
        ours, theirs = (
            np.concatenate([np.ravel(pair[side]) for pair in pairs]).astype(np.float64)
            for side in (0, 1)
        )
        rms.append(
            _relative(
                float(np.sqrt(np.mean((theirs - ours) ** 2))), float(np.sqrt(np.mean(ours**2)))
            )
        )
        largest.append(_relative(float(np.abs(theirs - ours).max()), float(np.abs(ours).max())))
        if output.labels:
            agreements.append(_share(pairs, lambda array: array.argmax(axis=-1)))
    return Errors(max(rms), max(largest), min(agreements, default=None))


def neighbour_influence(model: Model, samples: Samples) -> float | None:
    """What a row's results change by when its neighbour does; see ``Trial.neighbour_rms``.

    A row is run beside itself, and then beside the row before it with numbers a hundred times as large.
    """
    info = model.info
    if not info.batched or info.limits.buckets[-1] == 1:
        return None

    def beside(row: Tensors, other: Tensors) -> dict[str, Array]:
        pair = {name: np.concatenate([row[name], other[name]]) for name in row}
        results = model.run({**pair, **_fresh_states(info, rows=2)})
        return {output.name: results[output.name][:1] for output in info.outputs}

    quiet, loud = [], []
    for index, row in enumerate(samples.rows[:NEIGHBOURS]):
        before = samples.rows[index - 1]
        fits = all(before[name].shape == row[name].shape for name in row)
        other = {name: _amplified(array) for name, array in (before if fits else row).items()}
        if any(not np.array_equal(other[name], row[name]) for name in row):
            quiet.append(beside(row, row))
            loud.append(beside(row, other))
    if not quiet:
        return float("inf")
    errors = compare(info, quiet, loud)
    return max(errors.relative_rms, 0.0 if errors.agreement is None else 1 - errors.agreement)


def _amplified(array: Array) -> Array:
    return array * array.dtype.type(LOUD) if array.dtype.kind == "f" else array


def _batch(info: ModelInfo, samples: Samples, size: int) -> dict[str, Array]:
    """A batch of the first row, repeated: rows of a file may differ in length."""
    first = samples.rows[0]
    rows = {name: np.repeat(array, size, axis=0) for name, array in first.items()}
    return {**(rows if info.batched else first), **_fresh_states(info, rows=size)}


def _fresh_states(info: ModelInfo, rows: int = 1) -> dict[str, Array]:
    inputs = zero_inputs(info, rows, free=1)
    return {state.input: inputs[state.input] for state in info.states}


def _share(pairs: Sequence[tuple[Array, Array]], label: Callable[[Array], Array]) -> float:
    same = [np.ravel(label(one) == label(other)) for one, other in pairs]
    return float(np.mean(np.concatenate(same)))


def _relative(error: float, size: float) -> float:
    """Infinite where a value is none, so that it is over any bound."""
    if not np.isfinite(error):
        return float("inf")
    if size == 0:
        return 0.0 if error == 0 else float("inf")
    return error / size
