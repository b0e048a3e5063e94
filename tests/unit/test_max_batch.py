"""``max_batch``: how many rows go together, at most."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from gapless.infer.contract import ModelLimits
from gapless.infer.inference import Inference, InferenceOptions, Outcome, Request
from gapless.testing.models import FixedModels, Gate, gated

LIMITS = ModelLimits(buckets=(1, 2, 4, 8))


@contextmanager
def engine(max_batch: int, limits: ModelLimits = LIMITS) -> Iterator[tuple[Inference, Gate]]:
    model, gate = gated(limits=limits)
    inference = Inference(FixedModels(model), InferenceOptions(max_batch=max_batch))
    try:
        yield inference, gate
    finally:
        gate.open()
        inference.close()


def ask(inference: Inference, rows: int) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    request = Request(model="gated", inputs={"x": np.ones((rows, 4), np.float32)})
    inference.submit(request, future.set_result)
    return future


@pytest.mark.parametrize(
    ("max_batch", "batches"), [(0, 1), (1, 8), (2, 4), (3, 4), (4, 2), (100, 1)]
)
def test_rows_that_wait_together_go_together_as_far_as_they_may(
    max_batch: int, batches: int
) -> None:
    with engine(max_batch) as (inference, gate):
        first = ask(inference, 1)
        gate.wait_for_arrival()
        others = [ask(inference, 1) for _ in range(8)]
        gate.open()
        for future in (first, *others):
            future.result(10)
        (statistics,) = inference.statistics()
    assert statistics.calls == 1 + batches


def test_a_request_may_still_bring_as_many_rows_as_the_model_takes() -> None:
    with engine(1) as (inference, gate):
        gate.open()
        outcome = ask(inference, 100).result(10)
    assert not isinstance(outcome, BaseException)


def test_a_model_of_a_fixed_size_keeps_it() -> None:
    with engine(2, ModelLimits(buckets=(8,))) as (inference, gate):
        gate.open()
        ask(inference, 8).result(10)
        (statistics,) = inference.statistics()
    assert statistics.calls == 1
