"""Sequences as clients of the wire dialects name them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from gapless.errors import ModelError, ModelNotFoundError, OverloadError, ProtocolError
from gapless.infer.contract import ModelLimits
from gapless.infer.engine.sequences import Id, SequenceTable
from gapless.infer.inference import Inference, Outcome, Request, Result
from gapless.testing.clock import ManualClock
from gapless.testing.models import FixedModels, Gate, ServerSum, double, running_sum

PATIENCE_S = 20.0


class House:
    """A table over a model whose sequences may be idle for 5 s, and one whose server keeps them, for 2 s."""

    def __init__(self) -> None:
        self.server = ServerSum(limits=ModelLimits(max_sequences=3, sequence_idle_ms=2000))
        limits = ModelLimits(buckets=(1, 2, 4), max_sequences=3, sequence_idle_ms=5000)
        self.models = FixedModels(running_sum(limits=limits), self.server, double())
        self.inference = Inference(self.models)
        self.clock = ManualClock()
        self.table = SequenceTable(self.inference, most=4, clock=self.clock)

    def bind(
        self,
        sequence_id: Id,
        value: float = 1,
        *,
        model: str = "running_sum",
        start: bool = False,
        end: bool = False,
    ) -> Request:
        return self.table.bind(question(model, value), sequence_id, start=start, end=end)

    def step(
        self,
        sequence_id: Id,
        value: float = 1,
        *,
        model: str = "running_sum",
        start: bool = False,
        end: bool = False,
    ) -> float:
        request = self.bind(sequence_id, value, model=model, start=start, end=end)
        return float(self.inference.infer(request).outputs["sum"][0, 0])

    @property
    def open(self) -> int:
        return sum(s.sequences for s in self.inference.statistics())


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.server.gate.open()
    house.table.close()
    assert house.open == 0
    house.inference.close()
    assert house.models.held == 0


def question(model: str, value: float) -> Request:
    width = 1 if model == "server_sum" else 3
    return Request(model=model, inputs={"x": np.full((1, width), value, np.float32)})


@pytest.mark.parametrize("sequence_id", [7, "seven"])
def test_steps_with_the_same_id_are_one_sequence(house: House, sequence_id: Id) -> None:
    assert house.step(sequence_id, 1, start=True) == 1
    assert house.step(sequence_id, 2) == 3
    assert house.step(sequence_id, 3, end=True) == 6
    assert house.open == 0


def test_ids_of_two_models_and_of_two_kinds_are_different_ids(house: House) -> None:
    house.step(7, 1, start=True)
    house.step("7", 10, start=True)
    house.step(7, 100, start=True, model="server_sum")
    assert house.step(7, 1) == 2
    assert house.step("7", 1) == 11
    assert house.step(7, 1, model="server_sum") == 101


def test_a_step_of_an_unknown_id_must_be_a_start(house: House) -> None:
    with pytest.raises(ProtocolError, match="mark its first step as the start") as caught:
        house.step(7)
    assert caught.value.param == "sequence_id"
    house.step(7, start=True, end=True)
    with pytest.raises(ProtocolError):
        house.step(7)


def test_a_start_on_an_open_id_begins_anew_and_what_was_asked_before_is_answered(
    house: House,
) -> None:
    gate = house.server.gate = Gate()
    futures: list[Future[Outcome]] = []
    for value, start in ((1, True), (2, False), (10, True)):
        futures.append(Future())
        request = house.bind(7, value, start=start, model="server_sum")
        house.inference.submit(request, futures[-1].set_result)
    gate.open()
    outcomes = [future.result(PATIENCE_S) for future in futures]
    assert [o.outputs["sum"][0, 0] for o in outcomes if isinstance(o, Result)] == [1, 3, 10]
    assert house.open == 1
    assert len(house.server.ended) == 1


def test_a_model_that_is_not_there_or_keeps_no_state_is_said_to_be_so(house: House) -> None:
    with pytest.raises(ModelNotFoundError):
        house.step(7, model="no such model", start=True)
    with pytest.raises(ModelError, match="keeps no state"):
        house.step(7, model="double", start=True)


def test_the_table_has_a_bound(house: House) -> None:
    for sequence_id in (1, 2, 3):
        house.step(sequence_id, start=True)
    house.step(1, start=True, model="server_sum")
    with pytest.raises(OverloadError, match="4 sequences are open") as caught:
        house.step(2, start=True, model="server_sum")
    assert caught.value.retry_after_ms
    assert house.open == 4
    house.step(1, end=True)
    house.step(2, start=True, model="server_sum")


def test_an_open_id_can_begin_anew_when_the_table_and_the_model_are_full(house: House) -> None:
    for sequence_id in (1, 2, 3):
        house.step(sequence_id, start=True)
    assert house.step(1, 5, start=True) == 5


def test_idle_sequences_are_released_each_after_its_models_time(house: House) -> None:
    house.step(1, start=True)
    house.step(2, start=True)
    house.step(1, start=True, model="server_sum")
    house.clock.advance(2000)
    house.step(2)
    assert house.open == 2
    assert len(house.server.ended) == 1
    house.clock.advance(3000)
    house.table.reap()
    assert house.open == 1
    assert house.step(2) == 3
    with pytest.raises(ProtocolError):
        house.step(1)


def test_a_sequence_whose_step_waits_is_not_idle(house: House) -> None:
    gate = house.server.gate = Gate()
    future: Future[Outcome] = Future()
    house.inference.submit(house.bind(7, start=True, model="server_sum"), future.set_result)
    house.clock.advance(60_000)
    house.table.reap()
    assert house.open == 1
    gate.open()
    assert isinstance(future.result(PATIENCE_S), Result)
    house.table.reap()
    assert house.open == 0


def test_sequences_are_bound_from_an_event_loop(house: House) -> None:
    async def use() -> list[float]:
        asking = []
        for value, start, end in ((1, True, False), (2, False, False), (3, False, True)):
            request = question("running_sum", value)
            bound = await house.table.bind_async(request, 7, start=start, end=end)
            asking.append(asyncio.create_task(house.inference.infer_async(bound)))
        answers = await asyncio.gather(*asking)
        return [float(answer.outputs["sum"][0, 0]) for answer in answers]

    assert asyncio.run(use()) == [1, 3, 6]
    assert house.open == 0


def test_an_end_that_fits_no_model_closes_its_sequence_too(house: House) -> None:
    house.step(7, start=True)
    bad = house.table.bind(Request(model="running_sum", inputs={}), 7, start=False, end=True)
    with pytest.raises(ModelError):
        house.inference.infer(bad)
    assert house.open == 0


def test_a_sequence_whose_client_left_is_given_up(house: House) -> None:
    house.step(7, start=True, model="server_sum")
    house.table.give_up("server_sum", 7)
    house.table.give_up("server_sum", 8)
    assert house.open == 0
    assert len(house.server.ended) == 1
    with pytest.raises(ProtocolError):
        house.step(7, model="server_sum")
