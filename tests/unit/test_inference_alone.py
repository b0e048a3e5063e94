"""Rows that share their call of a model with none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from gapless.infer.contract import Array, ModelLimits, Tensors
from gapless.infer.engine.request import Result
from gapless.infer.inference import REHEARSALS, Inference, InferenceOptions, Outcome, Request
from gapless.infer.open import open_inference
from gapless.listen.segment import WINDOW_SAMPLES
from gapless.listen.vad import Vad
from gapless.settings import Settings
from gapless.testing.models import FixedModels, FunctionModel, Gate, double, row_sums, running_sum

WAIT_S = 20.0


class House:
    """An engine with one executor, over models whose first call waits at a gate."""

    def __init__(self, inner: FunctionModel) -> None:
        self.gate = Gate()
        self.name = inner.info.name
        self.sizes: list[int] = []
        """Rows of each call."""

        def function(inputs: Tensors) -> dict[str, Array]:
            self.gate.pass_through()
            self.sizes.append(len(inputs["x"]))
            return inner.run(inputs)

        models = FixedModels(FunctionModel(inner.info, function))
        self.inference = Inference(models, InferenceOptions(executors=1))

    def calls_of(self, flags: list[bool], rows: int = 1, width: int = 4) -> list[int]:
        """Rows of each call, where so many requests wait at the same time."""
        self._submit(alone=False, rows=1, width=width)  # holds the executor
        self.gate.wait_for_arrival()
        done = [self._submit(alone=alone, rows=rows, width=width) for alone in flags]
        self.gate.open()
        assert all(event.wait(WAIT_S) for event in done)
        return self.sizes[1:]

    def _submit(self, *, alone: bool, rows: int, width: int) -> threading.Event:
        done = threading.Event()
        x = np.arange(rows * width, dtype=np.float32).reshape(rows, width)

        def told(outcome: Outcome) -> None:
            assert isinstance(outcome, Result)
            assert all(len(array) == rows for array in outcome.outputs.values())
            done.set()

        self.inference.submit(Request(model=self.name, inputs={"x": x}, alone=alone), told)
        return done


@pytest.fixture(params=["fixed shapes", "free shapes"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(double() if request.param == "fixed shapes" else row_sums())
    with house.inference:
        try:
            yield house
        finally:
            house.gate.open()


def test_rows_that_wait_together_share_a_call(house: House) -> None:
    assert house.calls_of([False] * 4) == [4]


def test_rows_that_are_alone_share_none(house: House) -> None:
    assert house.calls_of([True] * 4) == [1] * 4
    (counted,) = house.inference.statistics()
    assert [(batch.rows, batch.compute.count) for batch in counted.batches] == [(1, 5)]


def test_others_go_on_sharing_theirs(house: House) -> None:
    assert sorted(house.calls_of([True, False, True, False, False])) == [
        1,
        1,
        4,
    ]  # the three are padded to the next bucket


def test_several_rows_of_one_request_are_run_one_by_one(house: House) -> None:
    assert house.calls_of([True], rows=3) == [1] * 3


def test_steps_of_a_stream_are_in_order_alone_or_not() -> None:
    with Inference(FixedModels(running_sum(limits=ModelLimits(buckets=(1, 2, 4))))) as inference:
        sums = []
        with inference.open_sequence("running_sum") as sequence:
            for number in range(6):
                request = Request(
                    model="running_sum",
                    inputs={"x": np.ones((1, 3), np.float32)},
                    sequence=sequence,
                    alone=number % 2 == 0,
                )
                sums.append(inference.infer(request).outputs["sum"][0, 0])
    assert sums == [1, 2, 3, 4, 5, 6]


def test_without_warm_up_a_model_is_loaded_and_not_asked() -> None:
    calls = {}
    for warm_up in (True, False):
        options = InferenceOptions(warm_up=warm_up)
        with Inference(FixedModels(double()), options) as inference:
            inference.rehearse("double")
            calls[warm_up] = sum(counted.calls for counted in inference.statistics())
    assert calls == {True: REHEARSALS, False: 0}


@pytest.mark.parametrize("alone", [False, True])
def test_a_stream_asks_for_its_windows_as_its_session_wants(alone: bool) -> None:
    asked: list[bool] = []

    with open_inference(Settings(models_dir="/nowhere", repository_poll_ms=0)) as inference:
        infer = inference.infer

        class Watched:
            """The engine, and what it is asked."""

            open_sequence = inference.open_sequence

            def infer(self, request: Request) -> Result:
                asked.append(request.alone)
                return infer(request)

        vad = Vad(cast("Inference", Watched()), alone=alone)
        vad.submit(np.zeros(5 * WINDOW_SAMPLES, np.float32))
        vad.close()
    assert asked == [alone] * 5
