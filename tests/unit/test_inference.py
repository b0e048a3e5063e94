"""The engine as its callers know it: one by one, together, too many, too late, failing, and closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    GaplessError,
    ModelError,
    ModelNotFoundError,
    OverloadError,
    TooLargeError,
)
from gapless.infer.contract import Array, ModelLimits, Tensors
from gapless.infer.inference import (
    REHEARSALS,
    Inference,
    InferenceOptions,
    Outcome,
    Request,
    Result,
)
from gapless.testing.models import (
    FAILS,
    FixedModels,
    FunctionModel,
    Gate,
    ServerSum,
    double,
    gated,
    mirror,
    picky,
    row_sums,
    running_sum,
    upper,
)

PATIENCE_S = 20.0


class House:
    """An engine with one executor over all the test models, one of which waits at a gate."""

    def __init__(self, *more: FunctionModel, **options: int) -> None:
        self.gated, self.gate = gated()
        self.double = double()
        self.picky = picky()
        self.server_sum = ServerSum()
        self.models = FixedModels(
            self.gated,
            self.double,
            self.picky,
            self.server_sum,
            running_sum(),
            row_sums(),
            mirror(),
            upper(),
            *more,
        )
        # The watchdog bites only where a test asks it to.
        options = {"remote_calls": 2, "watchdog_ms": 600_000, **options}
        self.inference = Inference(self.models, InferenceOptions(**options))  # type: ignore[arg-type]

    def block(self) -> Future[Outcome]:
        """Let a call stand at the gate: the executor is taken until ``gate.let_pass``."""
        future = self.submit(Request(model="gated", inputs={"x": floats(1, 4)}))
        self.gate.wait_for_arrival()
        return future

    def submit(self, request: Request) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.inference.submit(request, future.set_result)
        return future

    def waiting(self, model: str) -> int:
        return sum(s.waiting_rows for s in self.inference.statistics() if s.name == model)

    def close(self) -> None:
        self.gate.open()
        self.server_sum.gate.open()
        self.inference.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


def floats(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def ask(model: str = "double", **more: object) -> Request:
    return Request(model=model, inputs={"x": floats(1, 4)}, **more)  # type: ignore[arg-type]


def result(future: Future[Outcome]) -> Result:
    outcome = future.result(PATIENCE_S)
    assert isinstance(outcome, Result)
    return outcome


def error(future: Future[Outcome]) -> GaplessError:
    outcome = future.result(PATIENCE_S)
    assert isinstance(outcome, GaplessError)
    return outcome


# --- asking ---


def test_a_thread_asks_and_waits(house: House) -> None:
    answer = house.inference.infer(ask())
    assert answer.outputs["y"].tolist() == [[0, 2, 4, 6]]
    assert (answer.model, answer.version, answer.rows) == ("double", "1", 1)
    assert answer.queue_ns >= 0
    assert answer.compute_ns > 0


async def ask_in_a_task(house: House) -> Result:
    return await house.inference.infer_async(ask())


def test_a_task_asks_and_waits(house: House) -> None:
    assert asyncio.run(ask_in_a_task(house)).outputs["y"].tolist() == [[0, 2, 4, 6]]


def test_who_submits_is_told_later(house: House) -> None:
    assert result(house.submit(ask())).outputs["y"].tolist() == [[0, 2, 4, 6]]


def test_models_without_a_batch_axis_get_what_was_sent(house: House) -> None:
    x = floats(5)
    answer = house.inference.infer(Request(model="mirror", inputs={"x": x}))
    assert answer.outputs["y"].tolist() == x[::-1].tolist()


def test_texts_go_in_and_out(house: House) -> None:
    texts = np.array([[b"one"], [b"two"], [b"three"]], np.object_)
    answer = house.inference.infer(Request(model="upper", inputs={"text": texts}))
    assert answer.outputs["shouted"].tolist() == [[b"ONE"], [b"TWO"], [b"THREE"]]


def test_only_the_wanted_outputs_are_given(house: House) -> None:
    request = Request(model="running_sum", inputs={"x": floats(1, 3)}, outputs=("steps",))
    assert list(house.inference.infer(request).outputs) == ["steps"]


def test_states_are_not_given(house: House) -> None:
    answer = house.inference.infer(Request(model="running_sum", inputs={"x": floats(1, 3)}))
    assert set(answer.outputs) == {"sum", "steps"}


def test_the_newest_version_answers_unless_another_is_named() -> None:
    new = double(version="12")
    with Inference(FixedModels(double(version="9"), new)) as inference:
        assert inference.infer(ask()).version == "12"
        assert inference.infer(ask(version="9")).version == "9"
        with pytest.raises(ModelNotFoundError):
            inference.infer(ask(version="10"))


def test_a_request_that_does_not_fit_fails_before_it_waits(house: House) -> None:
    with pytest.raises(ModelError) as caught:
        house.inference.infer(Request(model="double", inputs={"x": floats(1, 5)}))
    assert caught.value.param == "x"
    with pytest.raises(ModelNotFoundError):
        house.inference.infer(ask("no such model"))
    assert house.models.held == 0
    assert list(house.double.calls) == []


# --- together ---


def test_rows_that_wait_together_are_run_together(house: House) -> None:
    blocked = house.block()
    futures = [house.submit(ask()) for _ in range(5)]
    house.gate.let_pass()
    answers = [result(future) for future in futures]
    assert [answer.rows for answer in answers] == [5] * 5
    assert list(house.double.calls) == [8]
    assert result(blocked).rows == 1


def test_tasks_and_threads_share_calls(house: House) -> None:
    async def tasks() -> list[Result]:
        asking = [asyncio.create_task(house.inference.infer_async(ask())) for _ in range(3)]
        await asyncio.sleep(
            0
        )  # They have asked when this returns: an engine takes requests at once.
        assert house.waiting("double") == 5
        house.gate.let_pass()
        return await asyncio.gather(*asking)

    house.block()
    futures = [house.submit(ask()) for _ in range(2)]
    answers = asyncio.run(tasks()) + [result(future) for future in futures]
    assert [answer.rows for answer in answers] == [5] * 5
    assert list(house.double.calls) == [8]


def test_rows_of_other_lengths_are_not_mixed(house: House) -> None:
    house.block()
    futures = [
        house.submit(Request(model="row_sums", inputs={"x": floats(2, length)}))
        for length in (3, 5, 3)
    ]
    with_y = {"x": floats(1, 3), "y": floats(1, 2)}
    futures.append(house.submit(Request(model="row_sums", inputs=with_y)))
    house.gate.let_pass()
    answers = [result(future) for future in futures]
    assert [answer.rows for answer in answers] == [4, 2, 4, 1]
    sums = [answer.outputs["sum"][:, 0].tolist() for answer in answers]
    assert sums == [[3, 12], [10, 35], [3, 12], [4]]


def test_live_rows_go_before_bulk_ones(house: House) -> None:
    house.block()
    order: list[str] = []
    asked = threading.Semaphore(0)

    def note(outcome: Outcome) -> None:
        assert isinstance(outcome, Result)
        order.append(outcome.model)
        asked.release()

    house.inference.submit(ask("picky", live=False), note)
    house.inference.submit(ask("double"), note)
    house.gate.let_pass()
    assert asked.acquire(timeout=PATIENCE_S)
    assert asked.acquire(timeout=PATIENCE_S)
    assert order == ["double", "picky"]


def test_what_comes_out_is_the_callers_own(house: House) -> None:
    house.block()
    futures = [house.submit(ask()) for _ in range(3)]
    house.gate.let_pass()
    first, second, third = (result(future).outputs["y"] for future in futures)
    first[:] = -1
    assert first.base is None
    assert second.tolist() == third.tolist() == [[0, 2, 4, 6]]
    house.inference.infer(ask())
    assert second.tolist() == [[0, 2, 4, 6]]


# --- executors ---


def test_a_caller_computes_itself_while_an_executor_is_free() -> None:
    computed_by: list[str] = []

    def function(inputs: Tensors) -> dict[str, Array]:
        computed_by.append(threading.current_thread().name)
        return {"y": inputs["x"]}

    house = House(FunctionModel(double("named").info, function))
    try:
        house.inference.infer(ask("named"))
        result(house.submit(ask("named")))
    finally:
        house.close()
    assert computed_by == [threading.current_thread().name, "gapless-infer"]


def test_a_caller_that_has_its_answer_computes_for_nobody_else() -> None:
    waiting: list[Future[Outcome]] = []

    def function(inputs: Tensors) -> dict[str, Array]:
        # Somebody else comes while the caller computes: a thread must take over, and the caller leave.
        waiting.append(home.submit(ask("gated")))
        return {"y": inputs["x"]}

    home = House(FunctionModel(double("busy").info, function))
    try:
        assert home.inference.infer(ask("busy")).rows == 1
        home.gate.wait_for_arrival()
        assert not waiting[0].done()
        home.gate.let_pass()
        assert result(waiting[0]).rows == 1
    finally:
        home.close()


def test_executors_run_calls_side_by_side() -> None:
    house = House(executors=2)
    try:
        first, second = house.block(), house.block()
        house.gate.let_pass(2)
        assert result(first).rows == result(second).rows == 1
    finally:
        house.close()


def test_no_more_calls_run_than_there_are_executors(house: House) -> None:
    house.block()
    waiting = [house.submit(ask("gated")) for _ in range(3)]
    assert house.waiting("gated") == 3
    assert list(house.gated.calls) == [1]
    house.gate.let_pass(2)
    assert [result(future).rows for future in waiting] == [3, 3, 3]


def test_a_server_that_hangs_stops_no_model_that_is_here(house: House) -> None:
    hanging = house.server_sum
    hanging.gate = Gate()
    streams = [house.inference.open_sequence("server_sum") for _ in range(3)]
    x = floats(1, 1)
    futures = [
        house.submit(Request(model="server_sum", inputs={"x": x}, sequence=stream))
        for stream in streams
    ]
    hanging.gate.wait_for_arrival()
    hanging.gate.wait_for_arrival()
    assert house.inference.infer(ask()).rows == 1
    assert asyncio.run(ask_in_a_task(house)).rows == 1
    hanging.gate.open()
    assert [result(future).outputs["sum"].tolist() for future in futures] == [[[0]]] * 3


def test_an_interrupted_caller_leaves_the_engine_in_order() -> None:
    calls = 0

    def function(inputs: Tensors) -> dict[str, Array]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        return {"y": inputs["x"]}

    house = House(FunctionModel(double("interrupted").info, function))
    try:
        with pytest.raises(KeyboardInterrupt):
            house.inference.infer(ask("interrupted"))
        assert house.inference.infer(ask("interrupted")).rows == 1
        assert house.models.held == 0
    finally:
        house.close()


def test_a_model_that_exits_takes_no_executor_with_it() -> None:
    calls = 0

    def function(inputs: Tensors) -> dict[str, Array]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise SystemExit
        return {"y": inputs["x"]}

    house = House(FunctionModel(double("exits").info, function))
    try:
        assert "interrupted" in str(error(house.submit(ask("exits"))))
        assert result(house.submit(ask("exits"))).rows == 1
    finally:
        house.close()


# --- failing ---


def test_a_row_that_fails_fails_alone(house: House) -> None:
    house.block()
    values = [1.0, FAILS, 2.0, float("nan"), 3.0]
    futures = [
        house.submit(Request(model="picky", inputs={"x": np.full((1, 4), v, np.float32)}))
        for v in values
    ]
    house.gate.let_pass()
    assert [result(futures[i]).outputs["y"][0, 0] for i in (0, 2, 4)] == [2, 4, 6]
    assert "does not like" in str(error(futures[1]))
    bad = error(futures[3])
    assert isinstance(bad, ModelError)
    assert bad.param == "x"


def test_values_that_are_no_numbers_pass_where_the_model_allows_them() -> None:
    plain = double("tolerant")
    model = FunctionModel(
        msgspec.structs.replace(plain.info, allows_nan=True), lambda inputs: {"y": inputs["x"]}
    )
    x = np.array([[np.nan, np.inf, 1, 2]], np.float32)
    with Inference(FixedModels(model)) as inference:
        answer = inference.infer(Request(model="tolerant", inputs={"x": x}))
    assert np.array_equal(answer.outputs["y"], x, equal_nan=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: {}, "gave no 'y'"),
        (lambda x: {"y": x[:1]}, "asked 2 rows and gave 'y' of shape"),
        (lambda x: {"y": np.float32(1).reshape(())}, "gave 'y' of shape"),
        (lambda x: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_a_model_that_does_not_do_what_it_says_is_reported(answer: object, words: str) -> None:
    assert callable(answer)
    model = FunctionModel(double("odd").info, lambda inputs: answer(inputs["x"]))
    with Inference(FixedModels(model)) as inference, pytest.raises(ModelError, match=words):
        inference.infer(Request(model="odd", inputs={"x": floats(2, 4)}))


def test_a_server_that_is_away_is_asked_once_and_every_caller_gets_an_error_of_its_own() -> None:
    def function(inputs: Tensors) -> dict[str, Array]:
        raise ConnectionLostError("the server is away; start it", retry_after_ms=70)

    model = FunctionModel(double("away").info, function)
    house = House(model)
    try:
        house.block()
        futures = [house.submit(ask("away")) for _ in range(3)]
        house.gate.let_pass()
        errors = [error(future) for future in futures]
    finally:
        house.close()
    assert [(type(e), str(e), e.retry_after_ms) for e in errors] == [
        (ConnectionLostError, "the server is away; start it", 70)
    ] * 3
    assert len({id(e) for e in errors}) == 3
    assert list(model.calls) == [4]


# --- too large, too many, too late ---


def test_a_request_larger_than_a_batch_is_cut_and_joined(house: House) -> None:
    x = floats(21, 4)
    answer = house.inference.infer(Request(model="double", inputs={"x": x}))
    assert np.array_equal(answer.outputs["y"], 2 * x)
    assert sorted(house.double.calls) == [8, 8, 8]
    assert asyncio.run(
        house.inference.infer_async(Request(model="double", inputs={"x": x}))
    ).outputs["y"].shape == (21, 4)
    assert house.models.held == 0


def test_a_part_that_fails_fails_the_request(house: House) -> None:
    x = floats(21, 4)
    x[12, 0] = FAILS
    with pytest.raises(ModelError, match="does not like"):
        house.inference.infer(Request(model="picky", inputs={"x": x}))
    assert house.models.held == 0


def test_a_large_request_is_taken_back_as_a_whole(house: House) -> None:
    house.block()
    outcomes: list[Outcome] = []
    request = Request(model="double", inputs={"x": floats(21, 4)})
    ticket = house.inference.submit(request, outcomes.append)
    assert house.waiting("double") == 21
    assert ticket.cancel()
    assert not ticket.cancel()
    assert house.waiting("double") == 0
    house.gate.let_pass()
    house.inference.infer(ask())
    assert outcomes == []
    assert list(house.double.calls) == [1]


def test_a_request_has_a_largest_size(house: House) -> None:
    with pytest.raises(TooLargeError, match="513 rows are more than the 512"):
        house.inference.infer(Request(model="double", inputs={"x": floats(513, 4)}))
    assert house.inference.infer(Request(model="double", inputs={"x": floats(512, 4)})).rows == 8


def small(limit: int) -> FunctionModel:
    return double("small", limits=ModelLimits(buckets=(1, 2, 4), max_waiting_rows=limit))


def test_a_full_queue_refuses_at_once_and_keeps_what_it_has() -> None:
    house = House(small(6))
    try:
        house.block()
        accepted = [house.submit(ask("small")) for _ in range(6)]
        with pytest.raises(OverloadError) as caught:
            house.inference.infer(ask("small"))
        assert caught.value.retry_after_ms
        house.gate.let_pass()
        assert [result(future).rows for future in accepted] == [4, 4, 4, 4, 2, 2]
        stats = {s.name: s for s in house.inference.statistics()}
        assert stats["small"].refused == 1
    finally:
        house.close()


def test_of_a_large_request_all_parts_are_accepted_or_none() -> None:
    house = House(small(12))
    try:
        house.block()
        accepted = [house.submit(ask("small")) for _ in range(7)]
        with pytest.raises(OverloadError):
            house.submit(Request(model="small", inputs={"x": floats(6, 4)}))
        assert house.waiting("small") == 7
        house.gate.let_pass()
        assert all(result(future) for future in accepted)
    finally:
        house.close()
    assert house.models.held == 0


def test_the_bound_of_all_models_together_holds() -> None:
    house = House(max_waiting_rows=3)
    try:
        house.block()
        futures = [house.submit(ask(name)) for name in ("double", "picky", "gated")]
        with pytest.raises(OverloadError):
            house.submit(ask("double"))
        house.gate.let_pass(2)
        assert all(result(future) for future in futures)
    finally:
        house.close()


def test_a_row_past_its_deadline_is_never_run(house: House) -> None:
    house.block()
    with pytest.raises(DeadlineError, match="was not run in time"):
        house.inference.infer(ask(timeout_ms=5))
    assert house.waiting("double") == 0
    house.gate.let_pass()
    assert house.inference.infer(ask(timeout_ms=60_000)).rows == 1
    assert list(house.double.calls) == [1]
    stats = {s.name: s for s in house.inference.statistics()}
    assert stats["double"].expired == 1


def test_a_model_has_a_deadline_for_those_who_name_none() -> None:
    hasty = double("hasty", limits=ModelLimits(timeout_ms=5))
    house = House(hasty)
    try:
        house.block()
        with pytest.raises(DeadlineError):
            house.inference.infer(ask("hasty"))
    finally:
        house.close()


def test_the_watchdog_fails_rows_that_nobody_runs_and_reports_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(watchdog_ms=30)
    try:
        house.block()
        with pytest.raises(DeadlineError):
            house.inference.infer(ask())
        assert house.models.held == 1
    finally:
        house.close()
    (record,) = [r for r in caplog.records if "never run" in r.message]
    assert record.levelname == "WARNING"
    assert vars(record)["model"] == "double"


def test_rows_wait_for_company_where_their_model_asks_for_it() -> None:
    patient = double("patient", limits=ModelLimits(buckets=(1, 2, 4), max_delay_ms=10_000))
    slow = double("slow", limits=ModelLimits(buckets=(1, 2, 4), max_delay_ms=10))
    house = House(patient, slow)
    try:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(house.inference.infer, [ask("patient")] * 4))
        assert [answer.rows for answer in answers] == [4] * 4
        assert house.inference.infer(ask("slow")).rows == 1
    finally:
        house.close()


# --- taking back ---


def test_a_row_that_waits_can_be_taken_back(house: House) -> None:
    running = house.inference.submit(ask("gated"), lambda _: None)
    house.gate.wait_for_arrival()
    outcomes: list[Outcome] = []
    ticket = house.inference.submit(ask(), outcomes.append)
    assert ticket.cancel()
    assert not ticket.cancel()
    assert not running.cancel()
    house.gate.let_pass()
    house.inference.infer(ask())
    assert outcomes == []
    assert list(house.double.calls) == [1]
    stats = {s.name: s for s in house.inference.statistics()}
    assert stats["double"].cancelled == 1


def test_cancelled_tasks_leave_nothing_waiting(house: House) -> None:
    async def cancel_all() -> None:
        tasks = [asyncio.create_task(house.inference.infer_async(ask())) for _ in range(200)]
        await asyncio.sleep(0)
        assert house.waiting("double") == 200
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)

    house.block()
    asyncio.run(cancel_all())
    assert house.waiting("double") == 0
    assert house.models.held == 1
    house.gate.let_pass()
    assert house.inference.infer(ask()).rows == 1
    assert list(house.double.calls) == [1]


def test_a_task_that_is_cancelled_while_it_runs_harms_nobody(house: House) -> None:
    async def cancel_one() -> Result:
        gone = asyncio.create_task(house.inference.infer_async(ask("gated")))
        await asyncio.to_thread(house.gate.wait_for_arrival)
        stays = asyncio.create_task(house.inference.infer_async(ask("gated")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        house.gate.let_pass(2)
        return await stays

    assert asyncio.run(cancel_one()).rows == 1


def test_an_event_loop_that_is_gone_is_not_waited_for(house: House) -> None:
    async def leave() -> None:
        task = asyncio.create_task(house.inference.infer_async(ask("gated")))
        await asyncio.to_thread(house.gate.wait_for_arrival)
        task.cancel()

    asyncio.run(leave())
    house.gate.let_pass()
    assert house.inference.infer(ask()).rows == 1


# --- the end ---


def test_closing_fails_what_waits_finishes_what_runs_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    house = House()
    running = house.block()
    waiting = house.submit(ask())
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(house.inference.close)
        assert "engine is closed" in str(error(waiting))
        house.gate.let_pass()
        closing.result(PATIENCE_S)
    assert result(running).rows == 1
    assert house.models.closed
    assert house.models.held == 0
    house.inference.close()
    with pytest.raises(ModelError, match="closed"):
        house.inference.infer(ask())
    assert set(threading.enumerate()) <= before


def test_nothing_is_held_once_everything_is_answered(house: House) -> None:
    for name in ("double", "picky"):
        house.inference.infer(ask(name))
    asyncio.run(ask_in_a_task(house))
    assert house.models.held == 0


def test_models_of_a_known_shape_are_rehearsed_when_they_are_preloaded() -> None:
    models = FixedModels(double(), running_sum(), mirror(), ServerSum())
    with Inference(models) as inference:
        inference.preload()

        rows = {counted.name: counted.rows for counted in inference.statistics()}
        assert rows == {"double": REHEARSALS, "running_sum": REHEARSALS}


def test_a_model_that_wants_no_zeros_may_still_be_rehearsed() -> None:
    def refuse(inputs: Tensors) -> dict[str, Array]:
        raise ModelError("this model wants no zeros; give it others")

    with Inference(FixedModels(FunctionModel(double().info, refuse))) as inference:
        inference.rehearse("double")

        assert [counted.fail.count for counted in inference.statistics()] == [1]
