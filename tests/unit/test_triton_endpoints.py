"""Which server is asked, who is asked next, and who is left alone: over servers that are functions."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.errors import ConnectionLostError, DeadlineError, ModelError, OverloadError
from gapless.infer.triton.endpoint import PROBE, Endpoint
from gapless.infer.triton.endpoints import Endpoints
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages
from gapless.testing.clock import ManualClock
from gapless.testing.triton_channel import FakeTriton, Status

REQUEST = messages.ModelInferRequest(model_name="m")
ANSWER = messages.ModelInferResponse(model_name="m")
READY = messages.ModelReadyResponse(ready=True)
NOT_READY = messages.ModelReadyResponse(ready=False)


def answering(method: str, request: Any) -> Any:
    return READY if method == "ModelReady" else ANSWER


def failing(status: str, details: str = "") -> Any:
    def fail(method: str, request: Any) -> Any:
        raise Status(status, details)

    return fail


class World:
    """Servers, the endpoints that lead to them, and the time."""

    def __init__(self, *servers: Any, **options: Any) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self.woken = 0
        self.servers = [FakeTriton(answer) for answer in servers]
        self.options = TritonOptions(
            urls=tuple(f"server:{n + 1}" for n in range(len(servers))),
            **{"min_channels": 0, "breaker_failures": 3, "breaker_pause_ms": 100} | options,
        )
        self.all = Endpoints(
            [self.endpoint(n, url) for n, url in enumerate(self.options.urls)],
            self.options,
            clock=self.clock,
            random=lambda: 0.5,
            pause=self.pause,
        )

    def endpoint(self, number: int, url: str) -> Endpoint:
        return Endpoint(
            url,
            f"m at {url}",
            self.options,
            self.servers[number].connect,
            clock=self.clock,
            random=lambda: 0.5,
            wake=self.wake,
        )

    def wake(self) -> None:
        self.woken += 1

    def pause(self, pause_ms: float) -> None:
        self.pauses.append(pause_ms)
        self.clock.advance(round(pause_ms))

    def call(self, timeout_ms: int = 1000) -> Any:
        return self.all.call("ModelInfer", REQUEST, self.clock() + timeout_ms)

    def calls(self) -> list[int]:
        """How many inferences each server was asked for."""
        return [
            sum(method == "ModelInfer" for _, method, _ in server.calls) for server in self.servers
        ]

    def look_after(self) -> int:
        """One round of the caretaker; gives the number of its questions."""
        questions = [(one, question) for one in self.all.all for question in one.questions()]
        for endpoint, question in questions:
            endpoint.answered(
                question, question.connection.call("ModelReady", messages.ModelReadyRequest(), 100)
            )
        return len(questions)


def error_of(outcome: Any) -> Exception:
    assert isinstance(outcome, Failure)
    return outcome.error


def test_a_call_that_finds_a_server_gone_goes_to_the_next() -> None:
    world = World(failing("UNAVAILABLE"), answering, backoff_ms=20)
    assert world.call() == ANSWER
    assert world.calls() == [1, 1]
    assert world.pauses == [10]


def test_a_single_server_is_asked_as_often_as_there_are_attempts() -> None:
    world = World(failing("UNAVAILABLE"), attempts=2, backoff_ms=20)
    assert isinstance(error_of(world.call()), ConnectionLostError)
    assert world.calls() == [2]
    assert world.pauses == [10]


def test_pauses_grow_with_each_attempt() -> None:
    world = World(failing("UNAVAILABLE"), attempts=4, breaker_failures=9, backoff_ms=20)
    world.call()
    assert world.pauses == [10, 20, 30]


def test_nothing_is_repeated_past_the_deadline() -> None:
    world = World(failing("UNAVAILABLE"), attempts=4, breaker_failures=9, backoff_ms=20)
    world.call(timeout_ms=31)
    assert world.pauses == [10, 20]
    assert world.calls() == [3]


def test_a_call_whose_time_is_over_is_not_sent() -> None:
    world = World(answering)
    assert isinstance(error_of(world.call(timeout_ms=0)), DeadlineError)
    assert world.calls() == [0]


def test_a_busy_server_is_not_bothered_again_but_another_may_have_room() -> None:
    alone = World(failing("RESOURCE_EXHAUSTED"))
    assert isinstance(error_of(alone.call()), OverloadError)
    assert alone.calls() == [1]
    beside = World(failing("RESOURCE_EXHAUSTED"), answering)
    assert beside.call() == ANSWER


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "INTERNAL", "UNIMPLEMENTED"])
def test_what_the_caller_or_the_model_got_wrong_is_neither_repeated_nor_held_against_the_server(
    status: str,
) -> None:
    world = World(failing(status), answering)
    for _ in range(10):
        assert isinstance(error_of(world.all.all[0].call("ModelInfer", REQUEST, 999)), ModelError)
    assert world.all.all[0].healthy
    assert isinstance(error_of(world.call()), ModelError)
    assert world.calls() == [11, 0]


def test_calls_are_spread_over_the_least_busy_servers() -> None:
    world = World(answering, answering)
    first, second = world.all.all
    assert world.all.choose() is first
    lease = first.acquire(999)
    assert not isinstance(lease, Failure)
    assert world.all.choose() is second
    first.release(lease, ANSWER)
    assert world.all.choose() is first


def test_a_server_that_fails_again_and_again_is_left_alone() -> None:
    world = World(failing("UNAVAILABLE"), answering)
    for _ in range(10):
        assert world.call() == ANSWER
    assert world.calls() == [3, 10]
    first = world.all.all[0]
    assert not first.healthy
    assert "cannot be reached" in first.trouble
    assert world.all.trouble == ""
    assert world.woken
    world.look_after()
    assert world.servers[0].open == set()


def test_a_server_that_answers_now_and_then_is_not_left_alone() -> None:
    world = World(answering)
    for _ in range(5):
        for answer in (failing("UNAVAILABLE"), failing("UNAVAILABLE"), answering):
            world.servers[0].answer = answer
            world.all.all[0].call("ModelInfer", REQUEST, world.clock() + 1000)
    assert world.all.trouble == ""


def test_when_all_are_away_callers_are_told_why_and_when_to_come_back() -> None:
    world = World(failing("UNAVAILABLE"), failing("UNAVAILABLE"), breaker_failures=1)
    world.call()
    before = world.calls()
    world.clock.advance(30)
    refused = error_of(world.call())
    assert isinstance(refused, ConnectionLostError)
    assert refused.message == world.all.trouble
    assert refused.retry_after_ms is not None
    assert 0 < refused.retry_after_ms <= 90 - 30
    assert world.calls() == before


def test_one_probe_finds_out_that_a_server_is_back() -> None:
    world = World(failing("UNAVAILABLE"), breaker_failures=1, min_channels=2)
    world.call()
    world.servers[0].answer = answering
    assert world.look_after() == 0
    assert world.all.all[0].next_event_ms() == 90
    world.clock.advance(90)
    assert world.look_after() == 1
    assert world.all.trouble == ""
    # The probe's own channel is gone again; the fewest are opened and checked.
    assert len(world.servers[0].open - {PROBE}) == len(world.servers[0].open) == 2
    assert world.look_after() == 2
    assert world.call() == ANSWER


def test_a_server_whose_model_is_not_ready_stays_away() -> None:
    world = World(failing("UNAVAILABLE"), breaker_failures=1)
    world.call()
    world.servers[0].answer = lambda method, request: NOT_READY
    for _ in range(3):
        world.clock.advance(world.all.all[0].retry_after_ms())
        assert world.look_after() == 1
        assert "not ready" in world.all.trouble
    assert world.servers[0].open == set()


def test_checks_count_as_calls_do() -> None:
    world = World(failing("UNAVAILABLE"), min_channels=3)
    assert world.look_after() == 3
    assert "cannot be reached" in world.all.trouble
    assert world.servers[0].open == set()


def test_a_channel_on_which_a_call_was_late_is_checked_before_it_is_used_again() -> None:
    world = World(failing("DEADLINE_EXCEEDED"))
    assert isinstance(error_of(world.call(timeout_ms=10)), DeadlineError)
    assert world.all.trouble == "", "a caller in a hurry opened the breaker"
    world.servers[0].answer = answering
    assert world.call() == ANSWER
    assert [number for number, _, _ in world.servers[0].calls] == [1, 2]
    assert world.look_after() == 1
    assert world.all.all[0].stats().pool.checking == 0


def test_late_answers_of_calls_with_all_their_time_open_the_breaker() -> None:
    world = World(failing("DEADLINE_EXCEEDED"), call_timeout_ms=1000)
    for _ in range(3):
        world.call(timeout_ms=1000)
    assert "did not answer in time" in world.all.trouble


def test_calls_that_are_cut_off_by_the_outage_do_not_prolong_it() -> None:
    world = World(answering, breaker_failures=1)
    endpoint = world.all.all[0]

    def fail_while_another_opens_the_breaker(method: str, request: Any) -> Any:
        world.servers[0].answer = failing("UNAVAILABLE")
        assert isinstance(endpoint.call("ModelInfer", REQUEST, 999), Failure)
        raise Status("UNAVAILABLE", "too late to say")

    world.servers[0].answer = fail_while_another_opens_the_breaker
    world.call()
    assert endpoint.stats().breaker_opened == 1
    assert endpoint.stats().in_flight == 0
    assert endpoint.stats().pool.channels == 0


def test_closing_leaves_no_channel() -> None:
    world = World(answering, answering, min_channels=3)
    world.look_after()
    assert len(world.servers[0].open) == 3
    world.all.close()
    world.all.close()
    assert [server.open for server in world.servers] == [set(), set()]
    assert isinstance(error_of(world.call()), ConnectionLostError)
