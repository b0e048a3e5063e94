"""Sequences: what one step leaves for the next, whoever keeps it, and that it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from gapless.errors import GaplessError, ModelError, OverloadError
from gapless.infer.contract import ModelLimits, SequenceStep
from gapless.infer.inference import Inference, InferenceOptions, Outcome, Request, Result, Sequence
from gapless.testing.models import FAILS, FixedModels, Gate, ServerSum, double, running_sum

LIMITS = ModelLimits(buckets=(1, 2, 4, 8), max_sequences=3)
PATIENCE_S = 20.0


class House:
    """An engine over a model whose state it keeps, and one whose server does."""

    def __init__(self) -> None:
        self.server = ServerSum(limits=LIMITS)
        self.models = FixedModels(running_sum(limits=LIMITS), self.server, double())
        self.inference = Inference(self.models)

    def open(self, model: str = "running_sum") -> Sequence:
        return self.inference.open_sequence(model)

    def step(self, sequence: Sequence, value: float, *, end: bool = False) -> float:
        """One step; the sum so far."""
        request = question(sequence, value, end=end)
        return float(self.inference.infer(request).outputs["sum"][0, 0])

    def submit(self, request: Request) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.inference.submit(request, future.set_result)
        return future

    def open_sequences(self) -> dict[str, int]:
        return {s.name: s.sequences for s in self.inference.statistics()}


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.server.gate.open()
    house.inference.close()
    assert house.models.held == 0


def question(sequence: Sequence, value: float, *, end: bool = False) -> Request:
    width = 1 if sequence.model == "server_sum" else 3
    x = np.full((1, width), value, np.float32)
    return Request(model=sequence.model, inputs={"x": x}, sequence=sequence, end=end)


BOTH = pytest.mark.parametrize("model", ["running_sum", "server_sum"])


@BOTH
def test_a_sequence_remembers(house: House, model: str) -> None:
    with house.open(model) as one, house.open(model) as two:
        assert [house.step(one, value) for value in (1, 2, 3)] == [1, 3, 6]
        assert [house.step(two, value) for value in (10, 20)] == [10, 30]
        assert house.step(one, 4) == 10


@BOTH
def test_a_sequence_that_is_reset_begins_anew_behind_what_waits(house: House, model: str) -> None:
    with house.open(model) as sequence:
        futures = [house.submit(question(sequence, value)) for value in (1, 2)]
        sequence.reset()
        futures.append(house.submit(question(sequence, 5)))
        outcomes = [future.result(PATIENCE_S) for future in futures]
        sums = [float(o.outputs["sum"][0, 0]) for o in outcomes if isinstance(o, Result)]
        assert sums == [1, 3, 5]


@BOTH
def test_a_step_that_fails_leaves_the_state_as_it_was(house: House, model: str) -> None:
    with house.open(model) as sequence:
        for bad_before in (1, 2, 3):
            with pytest.raises(ModelError, match="does not like"):
                house.step(sequence, FAILS)
            assert house.step(sequence, 1) == bad_before


@BOTH
def test_a_closed_sequence_takes_no_steps(house: House, model: str) -> None:
    sequence = house.open(model)
    house.step(sequence, 1)
    sequence.close()
    sequence.close()
    with pytest.raises(ModelError, match="was closed; open a new one") as caught:
        house.step(sequence, 1)
    assert caught.value.param == "sequence"
    assert house.open_sequences()[model] == 0


@BOTH
def test_there_are_so_many_sequences_and_no_more(house: House, model: str) -> None:
    sequences = [house.open(model) for _ in range(3)]
    assert house.open_sequences()[model] == 3
    with pytest.raises(OverloadError, match="all 3 sequences") as caught:
        house.open(model)
    assert caught.value.retry_after_ms
    sequences.pop().close()
    sequences.append(house.open(model))
    assert house.models.held == 3
    for sequence in sequences:
        sequence.close()
    stats = {s.name: s for s in house.inference.statistics()}[model]
    assert (stats.sequences, stats.max_sequences, stats.refused) == (0, 3, 1)


@BOTH
def test_a_new_sequence_knows_nothing_of_the_one_before(house: House, model: str) -> None:
    for _ in range(5):
        with house.open(model) as sequence:
            assert house.step(sequence, 7) == 7


@BOTH
def test_the_last_step_closes_its_sequence_whatever_comes_of_it(house: House, model: str) -> None:
    for value in (1, FAILS):
        sequence = house.open(model)
        house.step(sequence, 1)
        try:
            house.step(sequence, value, end=True)
        except ModelError:
            assert value == FAILS
        with pytest.raises(ModelError, match="was closed"):
            house.step(sequence, 1)
    misfit = house.open(model)
    with pytest.raises(ModelError):
        house.inference.infer(Request(model=model, inputs={}, sequence=misfit, end=True))
    assert house.open_sequences()[model] == 0


def test_steps_that_wait_fail_when_their_sequence_is_closed_and_the_running_one_finishes(
    house: House,
) -> None:
    gate = house.server.gate = Gate()
    sequence = house.open("server_sum")
    running, waiting = (house.submit(question(sequence, value)) for value in (1, 2))
    gate.wait_for_arrival()
    sequence.close()
    outcome = waiting.result(PATIENCE_S)
    assert isinstance(outcome, GaplessError)
    assert "was closed" in str(outcome)
    assert house.server.ended == []
    gate.let_pass()
    assert isinstance(running.result(PATIENCE_S), Result)
    assert house.server.open_ids == set()
    assert len(house.server.ended) == 1


def test_a_sequence_that_is_drained_answers_what_waits(house: House) -> None:
    gate = house.server.gate = Gate()
    sequence = house.open("server_sum")
    futures = [house.submit(question(sequence, value)) for value in (1, 2)]
    gate.wait_for_arrival()
    sequence.close(drain=True)
    with pytest.raises(ModelError, match="was closed"):
        house.step(sequence, 3)
    gate.let_pass(2)
    assert all(isinstance(future.result(PATIENCE_S), Result) for future in futures)
    assert house.server.open_ids == set()


def test_a_server_is_told_of_starts_and_ends(house: House) -> None:
    one, two = house.open("server_sum"), house.open("server_sum")
    house.step(one, 1)
    house.step(two, 1)
    house.step(one, 1)
    one.reset()
    house.step(one, 1)
    house.step(one, 1, end=True)
    first, second = house.server.steps[0].id, house.server.steps[1].id
    assert len({0, first, second}) == 3
    assert house.server.steps == [
        SequenceStep(first, start=True),
        SequenceStep(second, start=True),
        SequenceStep(first),
        SequenceStep(first, start=True),
        SequenceStep(first, end=True),
    ]
    assert house.server.ended == []
    two.close()
    assert house.server.ended == [second]


def test_a_server_is_told_of_the_end_after_a_failure_too(house: House) -> None:
    sequence = house.open("server_sum")
    with pytest.raises(ModelError):
        house.step(sequence, FAILS)
    with pytest.raises(ModelError):
        house.step(sequence, FAILS, end=True)
    assert house.server.ended == [house.server.steps[0].id]


def test_a_server_is_not_told_of_a_sequence_without_steps(house: House) -> None:
    house.open("server_sum").close()
    assert house.server.ended == []


def test_closing_the_engine_ends_the_sequences() -> None:
    house = House()
    one, two = house.open("server_sum"), house.open()
    house.step(one, 1)
    house.step(two, 1)
    house.inference.close()
    assert len(house.server.ended) == 1
    assert house.models.held == 0


def test_rows_without_a_sequence_begin_at_the_initial_state(house: House) -> None:
    with house.open() as sequence:
        house.step(sequence, 5)
        x = np.ones((2, 3), np.float32)
        answer = house.inference.infer(Request(model="running_sum", inputs={"x": x}))
        assert answer.outputs["steps"].tolist() == [[1], [1]]
        assert house.step(sequence, 1) == 6


def test_what_makes_no_sense_is_refused(house: House) -> None:
    with pytest.raises(ModelError, match="keeps no state"):
        house.open("double")
    x = np.ones((1, 1), np.float32)
    with pytest.raises(ModelError, match="steps of sequences only"):
        house.inference.infer(Request(model="server_sum", inputs={"x": x}))
    with house.open() as sequence:
        with pytest.raises(ModelError, match="goes through the model running_sum"):
            house.inference.infer(Request(model="double", inputs={"x": x}, sequence=sequence))
        two_rows = {"x": np.ones((2, 3), np.float32)}
        with pytest.raises(ModelError, match="is one row, not 2"):
            house.inference.infer(Request(model="running_sum", inputs=two_rows, sequence=sequence))
        assert house.step(sequence, 1) == 1


def test_a_sequence_can_be_opened_from_an_event_loop(house: House) -> None:
    async def use() -> list[float]:
        with await house.inference.open_sequence_async("running_sum") as sequence:
            asking = [
                asyncio.create_task(house.inference.infer_async(question(sequence, value)))
                for value in (1, 2, 3)
            ]
            answers = await asyncio.gather(*asking)
        return [float(answer.outputs["sum"][0, 0]) for answer in answers]

    assert asyncio.run(use()) == [1, 3, 6]


@pytest.mark.long
@pytest.mark.parametrize("executors", [1, 3])
def test_streaming_through_shared_calls_equals_streaming_alone(executors: int) -> None:
    model = running_sum(limits=ModelLimits(buckets=(1, 2, 4, 8), max_sequences=8))
    models = FixedModels(model)
    inference = Inference(models, InferenceOptions(executors=executors))

    def stream(seed: int) -> tuple[list[float], list[float]]:
        """One stream's answers, and what they should be; some leave in the middle."""
        chance = np.random.default_rng(seed)
        values = chance.integers(0, 100, 50 if seed % 3 else 20)
        answers: list[float] = []
        with inference.open_sequence("running_sum") as sequence:
            futures: list[Future[Outcome]] = []
            for value in values:
                x = np.full((1, 3), value, np.float32)
                future: Future[Outcome] = Future()
                request = Request(model="running_sum", inputs={"x": x}, sequence=sequence)
                inference.submit(request, future.set_result)
                futures.append(future)
                if chance.random() < 0.5:
                    futures[-1].result(PATIENCE_S)
            for future in futures:
                outcome = future.result(PATIENCE_S)
                assert isinstance(outcome, Result)
                answers.append(float(outcome.outputs["sum"][0, 0]))
        return answers, np.cumsum(values).astype(float).tolist()

    try:
        with ThreadPoolExecutor(8) as threads:
            for answers, expected in threads.map(stream, range(24)):
                assert answers == expected
    finally:
        inference.close()
    assert max(model.calls) > 1
    assert models.held == 0
