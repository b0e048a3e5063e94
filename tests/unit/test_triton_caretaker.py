"""The caretaker warms up, checks, and finds out by itself who is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gapless.infer.triton.caretaker import Caretaker
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages
from gapless.testing.triton_channel import Answer, FakeTriton, Status

LONG_MS = 60_000


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class World:
    """A server that is ready until it is told otherwise, and who looks after it."""

    def __init__(self) -> None:
        self.away = False
        self.server = FakeTriton(self.answer)
        self.options = TritonOptions(
            urls=("here:1",),
            min_channels=3,
            breaker_failures=3,
            breaker_pause_ms=1,
            breaker_max_pause_ms=2,
        )
        self.caretaker = Caretaker(self.options, now_ms, "caretaker")
        self.endpoint = Endpoint(
            "here:1",
            "the model here",
            self.options,
            self.server.connect,
            clock=now_ms,
            random=lambda: 0.0,
            wake=self.caretaker.wake,
        )

    def answer(self, method: str, request: Any) -> Any:
        if self.away:
            raise Status("UNAVAILABLE", "away")
        return messages.ModelReadyResponse(ready=True)

    def start(self) -> None:
        self.caretaker.start([self.endpoint], messages.ModelReadyRequest(name="m"))

    def close(self) -> None:
        self.caretaker.stop()
        self.caretaker.stop()
        self.endpoint.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()
    assert world.server.open == set()
    assert "caretaker" not in [thread.name for thread in threading.enumerate()]


def test_the_fewest_channels_are_warm_when_it_has_started(world: World) -> None:
    world.start()
    assert world.server.opened == [1, 2, 3]
    assert {number for number, method, _ in world.server.calls if method == "ModelReady"} == {
        1,
        2,
        3,
    }
    assert world.endpoint.stats().pool.checking == 0


def test_a_server_that_is_away_at_first_is_found_when_it_comes(world: World) -> None:
    world.away = True
    world.start()
    assert "away" in world.endpoint.trouble
    world.away = False
    while world.endpoint.trouble:
        pass
    while world.endpoint.stats().pool.channels != 3:
        pass


def test_a_suspect_channel_is_checked_at_once(world: World) -> None:
    world.start()
    world.server.answer = late_once_then(world.answer)
    outcome = world.endpoint.call("ModelInfer", messages.ModelInferRequest(), now_ms() + LONG_MS)
    assert isinstance(outcome, Failure)
    while world.endpoint.stats().pool.checking:
        pass
    assert [method for _, method, _ in world.server.calls[3:]] == ["ModelInfer", "ModelReady"]
    assert world.server.calls[3][0] == world.server.calls[4][0]
    assert world.server.opened == [1, 2, 3]


def late_once_then(answer: Answer) -> Answer:
    late = iter([Status("DEADLINE_EXCEEDED")])

    def answer_late(method: str, request: Any) -> Any:
        for status in late:
            raise status
        return answer(method, request)

    return answer_late


def test_it_stops_though_it_never_started(world: World) -> None:
    world.caretaker.stop()
