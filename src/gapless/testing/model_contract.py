"""Hold a model to ``gapless.infer.contract``: one suite for every backend there is.

In: a loaded model, and inputs for it (random ones, where none are given). Out: nothing, or an ``AssertionError`` that
says what is broken. Every check leaves the model as it was, so they run in any order on one that was loaded once.
Invariants: inputs are overwritten after each call, so that a model that keeps a view of them is found out. Thread: any.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeAlias

import msgspec
import numpy as np

from gapless.errors import ModelError
from gapless.infer.contract import DYNAMIC, Array, Model, ModelInfo, SequenceStep, StateInfo
from gapless.infer.wire.tensors import DATATYPES

Given: TypeAlias = dict[str, Array]
Sample: TypeAlias = Callable[[np.random.Generator, int], Given]
"""Makes inputs for so many rows, states excepted."""

FREE_LENGTH: Final = 3
"""What a dynamic length becomes in random inputs."""

THREADS: Final = 8
STEPS: Final = 4
TOLERANCE: Final = 1e-4
"""Relative and absolute: what rounding may do to a float in another bucket. Half floats get a hundred times that."""

_ids = itertools.count(1)


class Subject(msgspec.Struct, frozen=True):
    """A model, and what it is given."""

    model: Model
    sample: Sample

    @classmethod
    def of(cls, model: Model, sample: Sample | None = None) -> Self:
        """A model, with random inputs unless it needs better ones."""
        return cls(model, sample or random_sample(model.info))

    @property
    def info(self) -> ModelInfo:
        """What the model takes and gives."""
        return self.model.info

    @property
    def rows(self) -> int:
        """A batch that is a bucket, of several rows if there may be."""
        if self.info.sequences == "server":
            return 1
        return next((bucket for bucket in self.info.limits.buckets if bucket > 1), 1)

    def inputs(self, seed: int, rows: int | None = None) -> Given:
        """Whole inputs, with states as they are at first."""
        given = self.sample(np.random.default_rng(seed), rows or self.rows)
        return {**given, **self.blank(rows or self.rows)}

    def blank(self, rows: int) -> Given:
        """States as they are at first."""
        return {state.input: _blank(self.info, state, rows) for state in self.info.states}

    def run(self, inputs: Given) -> Given:
        """Call the model, then spoil the arrays it was given: the answer must not change."""
        lent = {name: array.copy() for name, array in inputs.items()}
        step = None
        if self.info.sequences == "server":
            step = SequenceStep(next(_ids), start=True, end=True)
        outputs = self.model.run(lent, step=step)
        kept = {name: array.copy() for name, array in outputs.items()}
        for array in lent.values():
            array[...] = b"spoilt" if array.dtype.hasobject else 77
        _require_same(kept, outputs, "the answer changed with the arrays that were asked with")
        return outputs


Check: TypeAlias = Callable[[Subject], None]


def random_sample(info: ModelInfo) -> Sample:
    """Random values: floats and texts of any kind, small whole numbers."""

    def sample(chance: np.random.Generator, rows: int) -> Given:
        given: Given = {}
        for tensor in info.inputs:
            own = tuple(FREE_LENGTH if length == DYNAMIC else length for length in tensor.shape)
            shape = (rows, *own) if info.batched else own
            given[tensor.name] = _random(chance, tensor.datatype, shape)
        return given

    return sample


def check_outputs(subject: Subject) -> None:
    """A call gives every output and state, of the type and shape that were announced."""
    info, rows = subject.info, subject.rows
    given = subject.run(subject.inputs(seed=1))
    expected = {
        tensor.name: (tensor.datatype, (rows, *tensor.shape) if info.batched else tensor.shape)
        for tensor in info.outputs
    }
    for state in info.states:
        expected[state.output] = (state.datatype, _blank(info, state, rows).shape)
    _require(given.keys() >= expected.keys(), f"asked for {set(expected)}, got {set(given)}")
    for name, (datatype, shape) in expected.items():
        array = given[name]
        _require(array.dtype == DATATYPES[datatype], f"{name} is {array.dtype}, not {datatype}")
        fits = array.ndim == len(shape) and all(
            want in {DYNAMIC, have} for want, have in zip(shape, array.shape, strict=True)
        )
        _require(fits, f"{name} is {array.shape}, not {shape}")


def check_repeatable(subject: Subject) -> None:
    """The same inputs give the same bits, whatever was asked in between."""
    first = subject.run(subject.inputs(seed=1))
    subject.run(subject.inputs(seed=2))
    again = subject.run(subject.inputs(seed=1))
    _require_same(first, again, "the same inputs gave something else the second time")


def check_rows(subject: Subject) -> None:
    """A row's answer does not depend on its neighbours; in another bucket, only in its rounding."""
    info, rows = subject.info, subject.rows
    if not info.batched or rows == 1:
        return
    inputs = subject.inputs(seed=1)
    whole = subject.run(inputs)
    for index in range(rows):
        others = subject.inputs(seed=100 + index)
        for name, array in others.items():
            axis = _axis(info, name)
            np.moveaxis(array, axis, 0)[index] = np.moveaxis(inputs[name], axis, 0)[index]
        mixed = subject.run(others)
        row = _row(info, whole, index)
        _require_same(row, _row(info, mixed, index), "other neighbours changed a row's bits")
        alone = subject.run(_row(info, inputs, index))
        _require_close(row, alone, "a row gave something else alone than in a batch")


def check_ownership(subject: Subject) -> None:
    """Outputs are the caller's own: a later call does not change them, nor does writing to them change a later call."""
    first = subject.run(subject.inputs(seed=1))
    kept = {name: array.copy() for name, array in first.items()}
    second = subject.run(subject.inputs(seed=2))
    _require_same(kept, first, "a later call changed what was given before")
    for array in second.values():
        _require(array.flags.writeable, "an output cannot be written to")
        array[...] = b"spoilt" if array.dtype.hasobject else 55
    _require_same(kept, subject.run(subject.inputs(seed=1)), "writing to an output changed a call")


def check_refusals(subject: Subject) -> None:
    """Wrong names, types and shapes are refused with ``ModelError``, and the model goes on."""
    before = subject.run(subject.inputs(seed=1))
    good = subject.inputs(seed=1)
    name = next(iter(good))
    needed = next(tensor.name for tensor in subject.info.inputs if not tensor.optional)
    wrong_type = np.int8 if good[name].dtype != np.int8 else np.float64
    bad: dict[str, Given] = {
        "an unknown input": {**good, "no such input": good[name]},
        "a missing input": {key: array for key, array in good.items() if key != needed},
        "another type": {**good, name: np.zeros(good[name].shape, wrong_type)},
        "one more axis": {**good, name: good[name][..., None]},
        "nothing": {},
    }
    fixed = [t for t in subject.info.inputs if t.shape and t.shape[-1] not in {DYNAMIC, 1}]
    for tensor in fixed[:1]:
        bad["another length"] = {**good, tensor.name: good[tensor.name][..., :-1]}
    for what, inputs in bad.items():
        try:
            subject.run(inputs)
        except ModelError as error:
            _require(subject.info.name in str(error), f"{error} does not name the model")
        else:
            raise AssertionError(f"{what} was taken")
    _require_same(before, subject.run(subject.inputs(seed=1)), "refusals changed the model")


def check_state(subject: Subject) -> None:
    """State goes through the tensors and nowhere else: sequences that alternate do not see each other."""
    info = subject.info
    if not info.states:
        return
    rows = subject.rows
    alone = [_steps(subject, range(seed, seed + STEPS)) for seed in (10, 20)]
    states = [subject.blank(rows), subject.blank(rows)]
    for step in range(STEPS):
        for which, seed in enumerate((10, 20)):
            given = subject.run({**subject.inputs(seed + step), **states[which]})
            states[which] = _carried(info, given)
            _require_same(alone[which][step], given, "sequences that alternate see each other")
    fresh = subject.run(subject.inputs(seed=10 + STEPS - 1))
    last = alone[0][-1]
    changed = any(not np.array_equal(fresh[name], last[name]) for name in fresh)
    _require(changed, "the state that is given has no influence")


def check_threads(subject: Subject) -> None:
    """Calls from many threads at a time give what they give one by one."""
    seeds = range(5 * THREADS)
    expected = [subject.run(subject.inputs(seed)) for seed in seeds]
    with ThreadPoolExecutor(THREADS) as threads:
        given = threads.map(lambda seed: subject.run(subject.inputs(seed)), seeds)
        for before, now in zip(expected, given, strict=True):
            _require_same(before, now, "calls that ran together mixed their answers")


def check_buckets(subject: Subject) -> None:
    """Every bucket can be run."""
    if not subject.info.batched or subject.info.sequences == "server":
        return
    for rows in subject.info.limits.buckets:
        given = subject.run(subject.inputs(seed=1, rows=rows))
        for name, array in given.items():
            _require(array.shape[_axis(subject.info, name)] == rows, f"{name} has not {rows} rows")


def check_facts(subject: Subject) -> None:
    """What it says of itself makes sense."""
    model, info = subject.model, subject.info
    _require(model.memory_bytes >= 0, f"{model.memory_bytes=}")
    _require(model.provider.strip() != "", "it does not say what computes it")
    _require(not model.trouble, f"it is in trouble: {model.trouble}")
    _require(info.limits.buckets == tuple(sorted(set(info.limits.buckets))), "buckets ascend")
    _require(info.batched or info.limits.buckets == (1,), "buckets of a model that does not batch")
    _require(int(info.version) >= 0, f"{info.version=}")
    if model.timings is not None:
        times = (model.timings.create_ms, model.timings.warm_up_ms, model.timings.first_call_ms)
        _require(min(times) >= 0, f"{model.timings}")
        _require(model.timings.steady_ms.keys() == set(info.limits.buckets), f"{model.timings}")


def check_close(model: Model) -> None:
    """Closing twice is as good as once. The last check: the model is of no use after it."""
    model.close()
    model.close()


CHECKS: Final[tuple[Check, ...]] = (
    check_outputs,
    check_repeatable,
    check_rows,
    check_ownership,
    check_refusals,
    check_state,
    check_threads,
    check_buckets,
    check_facts,
)
"""All but ``check_close``, which needs a model of its own."""


def check_model(make_model: Callable[[], Model], sample: Sample | None = None) -> None:
    """Run the whole suite over a model that is loaded for it."""
    model = make_model()
    subject = Subject.of(model, sample)
    try:
        for check in CHECKS:
            check(subject)
    finally:
        check_close(model)


def _steps(subject: Subject, seeds: Iterable[int]) -> list[Given]:
    """One sequence from its start."""
    carried = subject.blank(subject.rows)
    answers = []
    for seed in seeds:
        given = subject.run({**subject.inputs(seed), **carried})
        carried = _carried(subject.info, given)
        answers.append(given)
    return answers


def _carried(info: ModelInfo, given: Given) -> Given:
    return {state.input: given[state.output] for state in info.states}


def _blank(info: ModelInfo, state: StateInfo, rows: int) -> Array:
    shape = state.shape
    if info.batched:
        shape = (*shape[: state.axis], rows, *shape[state.axis :])
    return np.full(shape, state.initial, DATATYPES[state.datatype])


def _random(chance: np.random.Generator, datatype: str, shape: tuple[int, ...]) -> Array:
    dtype = DATATYPES[datatype]
    if datatype == "BYTES":
        array = np.empty(shape, np.object_)
        array[...] = np.vectorize(lambda number: f"text {number}".encode(), otypes=[np.object_])(
            chance.integers(0, 1000, shape)
        )
        return array
    if dtype.kind == "f":
        return chance.normal(0.0, 1.0, shape).astype(dtype)
    return chance.integers(0, 2, shape).astype(dtype)


def _axis(info: ModelInfo, name: str) -> int:
    """Where a tensor's batch axis is."""
    return next((state.axis for state in info.states if name in {state.input, state.output}), 0)


def _row(info: ModelInfo, tensors: Given, index: int) -> Given:
    """One row, as a batch of one."""
    return {
        name: np.take(array, [index], axis=_axis(info, name)) for name, array in tensors.items()
    }


def _require_same(want: Given, have: Given, message: str) -> None:
    _require(want.keys() == have.keys(), f"{message}: {set(want)} and {set(have)}")
    for name, array in want.items():
        _require(_bits(array) == _bits(have[name]), f"{message}: {name}")


def _bits(array: Array) -> object:
    return array.tolist() if array.dtype.hasobject else array.tobytes()


def _require_close(want: Given, have: Given, message: str) -> None:
    for name, array in want.items():
        if array.dtype.kind != "f":
            _require(array.tolist() == have[name].tolist(), f"{message}: {name}")
            continue
        tolerance = TOLERANCE * (100 if array.dtype == np.float16 else 1)
        close = np.allclose(array, have[name], rtol=tolerance, atol=tolerance, equal_nan=True)
        _require(bool(close), f"{message}: {name}")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  (reads as an assertion)
    if not condition:
        raise AssertionError(message)
