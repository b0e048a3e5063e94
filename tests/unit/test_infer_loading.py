"""Models that are not loaded when they are asked for, and models that are loaded anew."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from gapless.errors import ModelError
from gapless.infer.contract import Model
from gapless.infer.inference import LOADERS, Inference, Outcome, Request, Result
from gapless.infer.models import Held, ModelStatus
from gapless.testing.models import FixedModels, Gate, double, gated, running_sum


class SlowModels:
    """A library whose models are loaded when they are first asked for, each through a gate; a ``Models``."""

    def __init__(self, *models: Model) -> None:
        self.inner = FixedModels(*models)
        self.gate = Gate()
        self.loads = 0
        self.loaded = threading.Event()
        self.error: ModelError | None = None

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        return self.inner.digest_of(name, version)

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        return self.inner.try_acquire(name, version) if self.loaded.is_set() else None

    def acquire(self, name: str, version: str | None = None) -> Held:
        self.loads += 1
        self.gate.pass_through()
        if self.error is not None:
            raise self.error
        self.loaded.set()
        return self.inner.acquire(name, version)

    def preload(self) -> None:
        pass

    def index(self) -> list[ModelStatus]:
        return self.inner.index()

    def load(self, name: str) -> None:
        self.inner.load(name)

    def unload(self, name: str) -> None:
        self.inner.unload(name)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def models() -> Iterator[SlowModels]:
    models = SlowModels(double(), running_sum())
    yield models
    models.gate.open()


def ask() -> Request:
    return Request(model="double", inputs={"x": np.ones((1, 4), np.float32)})


def test_a_thread_waits_until_the_model_is_loaded(models: SlowModels) -> None:
    models.gate.open()
    with Inference(models) as inference:
        assert inference.infer(ask()).rows == 1
        assert inference.infer(ask()).rows == 1
    assert models.loads == 1
    assert models.inner.held == 0


def test_tasks_wait_for_one_load_and_the_event_loop_does_not(models: SlowModels) -> None:
    async def use(inference: Inference) -> list[Result]:
        asking = [asyncio.create_task(inference.infer_async(ask())) for _ in range(100)]
        await asyncio.to_thread(models.gate.wait_for_arrival)
        models.gate.let_pass()
        return await asyncio.gather(*asking)

    with Inference(models) as inference:
        assert len(asyncio.run(use(inference))) == 100
    assert models.loads == 1
    assert models.inner.held == 0


def test_tasks_that_are_cancelled_while_a_model_loads_hold_nothing(models: SlowModels) -> None:
    async def use(inference: Inference) -> None:
        asking = [asyncio.create_task(inference.infer_async(ask())) for _ in range(3)]
        opening = asyncio.create_task(inference.open_sequence_async("running_sum"))
        await asyncio.to_thread(models.gate.wait_for_arrival)
        await asyncio.to_thread(models.gate.wait_for_arrival)
        for task in (*asking, opening):
            task.cancel()
        await asyncio.gather(*asking, opening, return_exceptions=True)
        models.gate.open()

    with Inference(models) as inference:
        asyncio.run(use(inference))
        assert inference.infer(ask()).rows == 1
    assert models.inner.held == 0


def test_a_load_that_fails_is_told_to_all_who_wait_and_tried_anew_by_the_next(
    models: SlowModels,
) -> None:
    models.error = ModelError("the model is broken; mend it")
    models.gate.open()

    async def use(inference: Inference) -> None:
        tasks = [asyncio.create_task(inference.infer_async(ask())) for _ in range(3)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["the model is broken; mend it"] * 3
        models.error = None
        await inference.infer_async(ask())

    with Inference(models) as inference:
        asyncio.run(use(inference))


def test_a_task_that_gives_up_a_load_that_has_not_begun_spoils_it_for_nobody() -> None:
    models = SlowModels(*(double(f"model{number}") for number in range(LOADERS + 1)))

    def ask_for(number: int) -> Request:
        return Request(model=f"model{number}", inputs={"x": np.ones((1, 4), np.float32)})

    async def use(inference: Inference) -> list[Result]:
        asking = [
            asyncio.create_task(inference.infer_async(ask_for(number)))
            for number in (*range(LOADERS), LOADERS, LOADERS)
        ]
        for _ in range(LOADERS):
            await asyncio.to_thread(models.gate.wait_for_arrival)
        gives_up = asking.pop()
        gives_up.cancel()
        await asyncio.gather(gives_up, return_exceptions=True)
        models.gate.open()
        return await asyncio.gather(*asking)

    try:
        with Inference(models) as inference:
            assert len(asyncio.run(use(inference))) == LOADERS + 1
    finally:
        models.gate.open()
    assert models.inner.held == 0


class ChangingModels:
    """A library whose models can be loaded anew; a ``Models``."""

    def __init__(self, *models: Model) -> None:
        self.now = FixedModels(*models)

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        return self.now.digest_of(name, version)

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        return self.now.try_acquire(name, version)

    def acquire(self, name: str, version: str | None = None) -> Held:
        return self.now.acquire(name, version)

    def preload(self) -> None:
        pass

    def index(self) -> list[ModelStatus]:
        return self.now.index()

    def load(self, name: str) -> None:
        self.now.load(name)

    def unload(self, name: str) -> None:
        self.now.unload(name)

    def close(self) -> None:
        self.now.close()


def test_a_model_that_is_loaded_anew_goes_on_counting_and_its_old_sequences_go_on() -> None:
    models = ChangingModels(running_sum())
    old = models.now
    x = {"x": np.ones((1, 3), np.float32)}
    with Inference(models) as inference:
        sequence = inference.open_sequence("running_sum")
        step = Request(model="running_sum", inputs=x, sequence=sequence)
        inference.infer(step)
        models.now = FixedModels(running_sum(initial=100.0))
        fresh = inference.infer(Request(model="running_sum", inputs=x))
        assert fresh.outputs["sum"][0, 0] == 101
        assert inference.infer(step).outputs["sum"][0, 0] == 2
        assert old.held == 1
        (stats,) = inference.statistics()
        assert (stats.rows, stats.calls) == (3, 3)
        sequence.close()
        assert old.held == 0


def test_rows_that_wait_for_a_model_are_answered_by_it_when_it_is_loaded_anew() -> None:
    blocking, gate = gated()
    models = ChangingModels(blocking, double())
    outcomes: list[Future[Outcome]] = [Future() for _ in range(3)]
    try:
        with Inference(models) as inference:
            x = np.ones((1, 4), np.float32)
            inference.submit(Request(model="gated", inputs={"x": x}), outcomes[0].set_result)
            gate.wait_for_arrival()
            inference.submit(ask(), outcomes[1].set_result)
            models.now = FixedModels(double())
            inference.submit(ask(), outcomes[2].set_result)
            gate.open()
            assert all(isinstance(outcome.result(20), Result) for outcome in outcomes)
    finally:
        gate.open()


@pytest.mark.long
def test_what_the_engine_kept_of_a_model_goes_when_it_is_loaded_anew() -> None:
    first = double()
    models, old = ChangingModels(first), weakref.ref(first)
    del first
    with Inference(models) as inference:
        for _ in range(3):
            inference.infer(ask())
            models.now = FixedModels(double())
        inference.infer(ask())
        gc.collect()
        assert old() is None


def test_buffers_make_room_when_another_model_comes() -> None:
    x = np.ones((3, 4), np.float32)
    with Inference(FixedModels(double("one"), double("two"))) as inference:
        inference.infer(Request(model="one", inputs={"x": x}))
        (served,) = inference._served.values()
        assert served.kept_bytes == 4 * 4 * 4
        inference.infer(Request(model="two", inputs={"x": x}))
        assert served.kept_bytes == 0
        inference.infer(Request(model="one", inputs={"x": x}))
        assert served.kept_bytes == 4 * 4 * 4
