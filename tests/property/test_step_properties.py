"""A row that fails fails alone: its neighbours get the bits that they would have got without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis.strategies import SearchStrategy, booleans, integers, lists, sampled_from, tuples

from gapless.errors import ModelError
from gapless.infer.contract import Array, ModelLimits, Tensors
from gapless.infer.engine.request import Outcome, Result
from gapless.infer.engine.streams import Stream
from gapless.testing.by_hand import ByHand
from gapless.testing.models import FAILS, GOES_NAN, FunctionModel, running_sum

LIMITS = ModelLimits(buckets=(1, 2, 4, 8), max_sequences=8)

GOOD, RAISES, ANSWERS_NAN, IS_NAN, IS_INFINITE = [
    "good",
    "raises",
    "answers-nan",
    "nan",
    "infinite",
]
BAD_VALUES = {
    RAISES: FAILS,
    ANSWERS_NAN: GOES_NAN,
    IS_NAN: float("nan"),
    IS_INFINITE: float("inf"),
}
Plan: TypeAlias = list[tuple[str, bool]]
"""Of each row: what becomes of it, and whether it is a step of a stream."""


def run_together(engine: ByHand, rows: Sequence[tuple[Array, Stream | None]]) -> list[Outcome]:
    """The outcomes of these rows as one batch."""
    questions = [engine.offer({"x": x}, stream) for x, stream in rows]
    batch = engine.take()
    assert batch is not None
    assert len(batch.entries) == len(rows)
    engine.run(batch)
    return [question.outcomes[0] for question in questions]


def values(seed: int, kind: str = GOOD) -> Array:
    x = np.random.default_rng(seed).normal(0, 1, (1, 3)).astype(np.float32)
    if kind != GOOD:
        x[0, 0] = BAD_VALUES[kind]
    return x


def expected(model: FunctionModel, x: Array, state: Array, bucket: int) -> dict[str, Array]:
    """What the model gives for this row in this bucket."""
    tensors = {"x": np.repeat(x, bucket, axis=0), "before": np.repeat(state, bucket, axis=1)}
    return model.run(tensors)


def wary(model: FunctionModel) -> FunctionModel:
    """The same, but it does not stand a value that is no number."""

    def function(inputs: Tensors) -> dict[str, Array]:
        assert all(np.isfinite(array).all() for array in inputs.values())
        return model.run(inputs)

    return FunctionModel(model.info, function)


plans: SearchStrategy[Plan] = lists(
    tuples(sampled_from([GOOD, GOOD, *BAD_VALUES]), booleans()), min_size=1, max_size=8
)


@pytest.mark.long
@given(plan=plans, steps=sampled_from([1, 3]))
@example(plan=[(IS_NAN, True)] * 3, steps=3)
@example(plan=[(RAISES, True), (GOOD, True)], steps=3)
@settings(max_examples=120)
def test_neighbours_of_failing_rows_get_the_same_bits(plan: Plan, steps: int) -> None:
    model = running_sum(limits=LIMITS, initial=0.25, rounds_by_bucket=True)
    engine = ByHand(wary(model))
    streams = [engine.stream() if streaming else None for _, streaming in plan]
    states = [np.full((2, 1, 3), 0.25, np.float32) for _ in plan]
    bucket = next(b for b in LIMITS.buckets if b >= len(plan))
    for step in range(steps):
        # Every other step is good, so that there is a state to lose, and one that notices.
        kinds = [GOOD if step % 2 == 0 and steps > 1 else kind for kind, _ in plan]
        inputs = [values(100 * step + index, kind) for index, kind in enumerate(kinds)]
        outcomes = run_together(engine, list(zip(inputs, streams, strict=True)))
        for index, (kind, outcome) in enumerate(zip(kinds, outcomes, strict=True)):
            if kind != GOOD:
                assert isinstance(outcome, ModelError)
                assert ("no number" in str(outcome)) == (kind != RAISES)
                continue
            assert isinstance(outcome, Result)
            want = expected(model, inputs[index], states[index], bucket)
            for name in ("sum", "steps"):
                got = outcome.outputs[name]
                assert got.tobytes() == want[name][index : index + 1].tobytes()
            if streams[index] is not None:
                states[index] = want["after"][:, index : index + 1]


@pytest.mark.long
@given(sizes=lists(integers(1, 4), min_size=1, max_size=4), bad=integers(0, 3))
@settings(max_examples=60)
def test_requests_of_several_rows_fail_as_a_whole_and_alone(sizes: list[int], bad: int) -> None:
    model = running_sum(limits=ModelLimits(buckets=(1, 2, 4, 8, 16)), rounds_by_bucket=True)
    engine = ByHand(model)
    bucket = next(b for b in (1, 2, 4, 8, 16) if b >= sum(sizes))
    requests = []
    for index, size in enumerate(sizes):
        x = np.concatenate([values(10 * index + row) for row in range(size)])
        if index == bad:
            x[-1, 0] = FAILS
        requests.append(x)
    outcomes = run_together(engine, [(x, None) for x in requests])
    place = 0
    for index, (x, outcome) in enumerate(zip(requests, outcomes, strict=True)):
        if index == bad:
            assert isinstance(outcome, ModelError)
        else:
            assert isinstance(outcome, Result)
            blank = np.zeros((2, 1, 3), np.float32)
            want = [
                expected(model, row[None], blank, bucket)["sum"][place + offset]
                for offset, row in enumerate(x)
            ]
            assert outcome.outputs["sum"].tobytes() == np.stack(want).tobytes()
        place += len(x)


def test_a_broken_model_costs_one_more_round_at_most() -> None:
    model = running_sum(limits=LIMITS)
    outcomes = run_together(ByHand(model), [(values(i, RAISES), None) for i in range(8)])
    assert all(isinstance(outcome, ModelError) for outcome in outcomes)
    assert list(model.calls) == [8] * 9
