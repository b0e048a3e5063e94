"""Streams over servers that are functions: sent once, lost with their server, ended whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gapless.errors import ConnectionLostError, ModelError, OverloadError
from gapless.infer.contract import SequenceStep
from gapless.infer.triton.affinity import Affinity
from gapless.infer.triton.endings import Endings
from gapless.infer.triton.endpoint import Endpoint
from gapless.infer.triton.endpoints import Endpoints
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages
from gapless.testing.triton_channel import FakeTriton, Status

ANSWER = messages.ModelInferResponse(model_name="m")
LONG_MS = 1000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def answering(method: str, request: Any) -> Any:
    return ANSWER


def failing(status: str, details: str = "") -> Callable[[str, Any], Any]:
    def fail(method: str, request: Any) -> Any:
        raise Status(status, details)

    return fail


class World:
    """Servers, and the streams that go there."""

    def __init__(
        self, servers: int = 1, clock: Callable[[], int] | None = None, **options: Any
    ) -> None:
        self.now_ms = 0
        self.clock = clock or (lambda: self.now_ms)
        self.servers = [FakeTriton(answering) for _ in range(servers)]
        urls = tuple(f"server:{n + 1}" for n in range(servers))
        self.options = TritonOptions(urls=urls, **{"min_channels": 0} | options)
        self.endpoints = Endpoints(
            [self.endpoint(url, server) for url, server in zip(urls, self.servers, strict=True)],
            self.options,
            clock=self.clock,
            random=lambda: 0.5,
            pause=lambda pause_ms: None,
        )
        self.endings = Endings(self.clock, "endings")
        self.streams = Affinity(self.endpoints, self.endings, max_streams=3)

    def endpoint(self, url: str, server: FakeTriton) -> Endpoint:
        return Endpoint(
            url,
            f"m at {url}",
            self.options,
            server.connect,
            clock=self.clock,
            random=lambda: 0.5,
            wake=lambda: None,
        )

    def send(self, stream: int, **where: bool) -> Any:
        step = SequenceStep(stream, **where)
        return self.streams.step(
            step, messages.ModelInferRequest(model_name="m"), self.clock() + LONG_MS
        )

    def close(self) -> None:
        self.streams.close()

    def seen(self, server: int = 0) -> list[str]:
        """The steps that a server saw: ``start``, ``step``, ``end``, in order."""
        marks = [call.parameters for _, _, call in self.servers[server].calls]
        return [
            "+".join(name for name in ("start", "end") if mark[f"sequence_{name}"].bool_param)
            or "step"
            for mark in marks
        ]


@pytest.fixture
def world() -> World:
    return World()


def error_of(outcome: Any) -> Exception:
    assert isinstance(outcome, Failure)
    return outcome.error


def test_a_stream_has_a_start_steps_and_one_end(world: World) -> None:
    assert world.send(1, start=True) == ANSWER
    assert world.send(1) == ANSWER
    assert world.send(1, end=True) == ANSWER
    world.streams.end(1)
    world.close()
    assert world.seen() == ["start", "step", "end"]
    ids = {call.parameters["sequence_id"].int64_param for _, _, call in world.servers[0].calls}
    assert len(ids) == 1
    assert 0 not in ids
    assert world.endpoints.all[0].stats().streams == 0


def test_a_stream_may_have_a_single_step(world: World) -> None:
    assert world.send(1, start=True, end=True) == ANSWER
    world.close()
    assert world.seen() == ["start+end"]


def test_a_stream_that_is_let_go_is_ended_once(world: World) -> None:
    world.send(1, start=True)
    world.streams.end(1)
    world.streams.end(1)
    world.close()
    assert world.seen() == ["start", "end"]
    assert world.endpoints.all[0].stats().pool.pins == 0


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"])
def test_a_step_that_may_have_arrived_is_never_sent_again_and_its_stream_is_lost(
    status: str,
) -> None:
    world = World(servers=2)
    world.send(1, start=True)
    world.servers[0].answer = failing(status)
    error_of(world.send(1))
    sent = world.seen()
    world.servers[0].answer = answering
    lost = error_of(world.send(1))
    assert isinstance(lost, ConnectionLostError)
    assert "begin a new one" in lost.message
    assert sent[:2] == ["start", "step"]
    assert world.seen(1) == []
    world.close()
    assert world.seen().count("step") == 1
    assert "end" in world.seen()


def test_a_lost_stream_begins_anew_under_another_name(world: World) -> None:
    world.send(1, start=True)
    world.servers[0].answer = failing("UNAVAILABLE")
    world.send(1)
    world.servers[0].answer = answering
    assert world.send(1, start=True) == ANSWER
    world.streams.end(1)
    world.close()
    steps = [call.parameters for _, _, call in world.servers[0].calls]
    ends = {mark["sequence_id"].int64_param for mark in steps if mark["sequence_end"].bool_param}
    starts = {
        mark["sequence_id"].int64_param for mark in steps if mark["sequence_start"].bool_param
    }
    assert len(starts) == 2
    assert starts == ends


def test_a_server_that_forgot_the_stream_loses_it(world: World) -> None:
    world.send(1, start=True)
    world.servers[0].answer = failing("INVALID_ARGUMENT", "must specify the START flag")
    error_of(world.send(1))
    assert isinstance(error_of(world.send(1)), ConnectionLostError)
    world.close()


def test_a_step_that_was_refused_does_not_end_the_stream(world: World) -> None:
    world.send(1, start=True)
    for answer, error in (
        (failing("INVALID_ARGUMENT", "unexpected shape"), ModelError),
        (failing("UNAVAILABLE", "Exceeds maximum queue size"), OverloadError),
    ):
        world.servers[0].answer = answer
        assert isinstance(error_of(world.send(1)), error)
    world.servers[0].answer = answering
    assert world.send(1) == ANSWER
    world.close()


def test_a_stream_begins_where_there_is_a_channel_for_it() -> None:
    world = World(servers=2, clock=monotonic_ms, max_channels=1, acquire_timeout_ms=1)
    first, second = world.endpoints.all
    busy, lent = first.acquire(monotonic_ms() + LONG_MS), second.acquire(monotonic_ms() + LONG_MS)
    assert not isinstance(busy, Failure)
    assert not isinstance(lent, Failure)
    # The second has a stream, so that the first comes first; but its only channel is taken.
    second.pin(lent)
    second.release(lent, ANSWER)
    assert world.endpoints.choose() is first
    assert world.send(1, start=True) == ANSWER
    assert (world.seen(0), world.seen(1)) == ([], ["start"])
    second.unpin(lent)
    first.release(busy, ANSWER)
    world.close()
    assert [endpoint.stats().in_flight for endpoint in (first, second)] == [0, 0]


def test_a_stream_that_is_let_go_during_its_last_step_is_ended_once(world: World) -> None:
    world.send(1, start=True)

    def let_go(method: str, request: Any) -> Any:
        world.streams.end(1)
        return ANSWER

    world.servers[0].answer = let_go
    assert world.send(1, end=True) == ANSWER
    world.close()
    stats = world.endpoints.all[0].stats()
    assert (stats.streams, stats.pool.pins) == (0, 0)


def test_no_more_streams_are_open_than_there_may_be(world: World) -> None:
    for stream in range(3):
        world.send(stream, start=True)
    assert isinstance(error_of(world.send(3, start=True)), OverloadError)
    world.streams.end(0)
    assert world.send(3, start=True) == ANSWER
    world.close()
    assert world.seen().count("end") == 4


def test_a_server_that_is_away_keeps_nobody_waiting_when_all_is_closed() -> None:
    world = World(breaker_failures=1)
    for stream in range(3):
        world.send(stream, start=True)
    world.servers[0].answer = failing("UNAVAILABLE")
    error_of(world.send(0))
    world.close()
    stats = world.endpoints.all[0].stats()
    assert (stats.streams, stats.pool.pins) == (0, 0)


def test_what_ends_after_the_close_is_left_to_the_server(world: World) -> None:
    world.send(1, start=True)
    world.endings.close()
    world.streams.end(1)
    assert world.seen() == ["start"]
    assert world.endpoints.all[0].stats().streams == 0


def test_a_server_that_does_not_know_the_stream_any_more_is_told_once(world: World) -> None:
    world.send(1, start=True)
    world.servers[0].answer = failing("INVALID_ARGUMENT", "must specify the START flag")
    world.streams.end(1)
    while world.endpoints.all[0].stats().streams:
        pass
    assert world.seen() == ["start", "end"]
    world.close()


def test_a_stream_whose_channel_is_gone_is_ended_over_another() -> None:
    world = World(breaker_failures=1, breaker_pause_ms=1)
    (endpoint,) = world.endpoints.all
    world.send(1, start=True)
    world.send(2, start=True)
    world.servers[0].answer = failing("UNAVAILABLE")
    error_of(world.send(2))
    endpoint.questions()
    assert not world.servers[0].open

    world.servers[0].answer = answering
    world.now_ms += 1
    (probe,) = endpoint.questions()
    endpoint.answered(probe, messages.ModelReadyResponse(ready=True))
    world.streams.end(1)
    world.close()
    assert world.seen()[-1] == "end"
    assert (endpoint.stats().streams, endpoint.stats().pool.pins) == (0, 0)
