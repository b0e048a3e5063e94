"""How questions reach the engine: classes, deadlines and sequences."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from gapless.errors import DeadlineError, ProtocolError
from gapless.infer.contract import Array, ModelLimits, Tensors
from gapless.infer.inference import Inference
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.messages import CallParameters
from gapless.testing.models import FixedModels, FunctionModel, Gate, double, running_sum
from gapless.testing.services import ScriptedServices

ONE_AT_A_TIME = ModelLimits(buckets=(1,))


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def asked() -> list[float]:
    """The first value of every row, in the order they were run."""
    return []


@pytest.fixture
def services(gate: Gate, asked: list[float]) -> Iterator[ScriptedServices]:
    def function(inputs: Tensors) -> dict[str, Array]:
        gate.pass_through()
        asked.append(float(inputs["x"][0, 0]))
        return {"y": inputs["x"]}

    slow = FunctionModel(double("slow", limits=ONE_AT_A_TIME).info, function)
    with (
        Inference(FixedModels(slow, running_sum())) as inference,
        ScriptedServices(inference=inference) as services,
    ):
        try:
            yield services
        finally:
            gate.open()


def question(value: float, length: int = 4, **parameters: int | str | bool) -> Question:
    x = np.full((1, length), value, np.float32)
    return Question(inputs={"x": x}, parameters=CallParameters(**parameters))  # type: ignore[arg-type]


def test_bulk_work_waits_behind_live_work_whenever_it_came(
    services: ScriptedServices, gate: Gate, asked: list[float]
) -> None:
    async def run() -> None:
        asker = Asker(services)
        first = asyncio.create_task(asker.ask("slow", None, question(0)))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, gate.wait_for_arrival)
        priorities = (3, 2, 1, 0)
        waiting = [
            asyncio.create_task(asker.ask("slow", None, question(10 + each, priority=each)))
            for each in priorities
        ]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *waiting)

    asyncio.run(run())
    assert asked == [0, 11, 10, 13, 12]


def test_a_timeout_is_in_microseconds_and_none_lasts(
    services: ScriptedServices, gate: Gate, asked: list[float]
) -> None:
    async def run() -> None:
        asker = Asker(services)
        first = asyncio.create_task(asker.ask("slow", None, question(0)))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, gate.wait_for_arrival)
        patient = asyncio.create_task(asker.ask("slow", None, question(1, timeout=0)))
        with pytest.raises(DeadlineError):
            await asker.ask("slow", None, question(2, timeout=500))
        gate.open()
        await asyncio.gather(first, patient)

    asyncio.run(run())
    assert asked == [0, 1]


def test_a_sequence_that_is_given_up_is_over(services: ScriptedServices) -> None:
    async def run() -> None:
        asker = Asker(services)
        await asker.ask("running_sum", None, question(1, 3, sequence_id="a", sequence_start=True))
        asker.end_sequence("running_sum", "a")
        asker.end_sequence("running_sum", "a")
        with pytest.raises(ProtocolError, match="start"):
            await asker.ask("running_sum", None, question(1, 3, sequence_id="a"))

    asyncio.run(run())
    (statistics,) = services.inference.statistics()
    assert statistics.sequences == 0


def test_what_is_open_is_ended_when_the_asker_closes(services: ScriptedServices) -> None:
    async def run() -> None:
        asker = Asker(services)
        for sequence in (1, 2, 3):
            step = question(1, 3, sequence_id=sequence, sequence_start=True)
            await asker.ask("running_sum", "1", step)
        asker.close()

    asyncio.run(run())
    (statistics,) = services.inference.statistics()
    assert (statistics.rows, statistics.sequences) == (3, 0)


def test_what_a_model_takes_is_known_without_keeping_it(services: ScriptedServices) -> None:
    models = services.inference.models
    assert isinstance(models, FixedModels)

    info = asyncio.run(Asker(services).info_of("slow", None))

    assert info.name == "slow"
    assert models.held == 0
