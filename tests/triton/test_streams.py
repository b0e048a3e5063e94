"""Streams whose state a real Triton server keeps: they stay where they began, and every one of them is ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from gapless.errors import ConnectionLostError, DeadlineError, ModelError, OverloadError
from gapless.infer.contract import SequenceStep
from gapless.infer.inference import Inference, Request
from gapless.infer.repository.library import Library
from gapless.infer.repository.manifest import LimitEntries
from gapless.infer.triton.model import TritonLoader, TritonModel
from gapless.testing.triton_models import write_sum
from gapless.testing.triton_server import TritonServer

pytestmark = pytest.mark.triton

SLOTS = 4
"""Streams that the model ``sum`` has room for; more wait until one of these ends."""


class Load(Protocol):
    def __call__(self, name: str, *servers: TritonServer, **changes: Any) -> TritonModel: ...


class Seen(Protocol):
    stream: int
    start: bool
    end: bool
    x: float


Steps = Callable[[TritonServer], Sequence[Seen]]
Until = Callable[[Callable[[], bool]], None]


def send(model: TritonModel, stream: int, x: float, **where: bool) -> float:
    """One step; gives the sum so far."""
    step = SequenceStep(stream, **where)
    total = model.run({"x": np.array([[x]], np.float32)}, step=step)["total"]
    return float(total.item())


def test_streams_that_alternate_do_not_see_each_other(
    server: TritonServer, load: Load, steps: Steps
) -> None:
    before = len(steps(server))
    model = load("sum", server)
    totals: dict[int, list[float]] = {stream: [] for stream in range(1, SLOTS + 1)}
    for number in range(5):
        for stream, seen in totals.items():
            x = 10 * stream + number
            seen.append(send(model, stream, x, start=number == 0, end=number == 4))

    for stream, seen in totals.items():
        assert seen == list(accumulate(10 * stream + number for number in range(5)))
    at_server = steps(server)[before:]
    assert len({step.stream for step in at_server}) == SLOTS
    assert sum(step.start for step in at_server) == sum(step.end for step in at_server) == SLOTS
    assert model.endpoints()[0].streams == 0


def test_a_stream_that_is_let_go_is_ended_once_and_makes_room(
    server: TritonServer, load: Load, steps: Steps, until: Until
) -> None:
    before = len(steps(server))
    model = load("sum", server)
    for stream in range(1, 3 * SLOTS + 1):
        # Without END the fifth of them would wait for a place in vain.
        assert send(model, stream, stream, start=True) == stream
        model.end(stream)
        model.end(stream)

    def ended() -> bool:
        return sum(step.end for step in steps(server)[before:]) == 3 * SLOTS

    until(ended)
    until(lambda: model.endpoints()[0].streams == 0)
    counted = Counter(step.stream for step in steps(server)[before:])
    assert set(counted.values()) == {2}
    assert all(step.x == 0 for step in steps(server)[before:] if step.end)


def test_closing_the_model_ends_the_streams_that_are_open(
    server: TritonServer, load: Load, steps: Steps
) -> None:
    before = len(steps(server))
    model = load("sum", server)
    for stream in range(1, SLOTS + 1):
        send(model, stream, 1, start=True)
    model.close()
    assert sum(step.end for step in steps(server)[before:]) == SLOTS


def test_a_stream_outlives_a_step_that_the_model_refused(server: TritonServer, load: Load) -> None:
    model = load("sum", server)
    assert send(model, 1, 5, start=True) == 5
    with pytest.raises(ModelError, match="unexpected shape"):
        model.run({"x": np.ones((1, 2), np.float32)}, step=SequenceStep(1))
    assert send(model, 1, 2, end=True) == 7


def test_a_stream_can_begin_anew(server: TritonServer, load: Load) -> None:
    model = load("sum", server)
    assert send(model, 1, 5, start=True) == 5
    assert send(model, 1, 2, start=True) == 2
    assert send(model, 1, 1, end=True) == 3


def test_a_stream_that_never_began_is_refused(server: TritonServer, load: Load) -> None:
    model = load("sum", server)
    with pytest.raises(ModelError, match="has not begun"):
        send(model, 1, 5)
    with pytest.raises(ModelError, match="which step of which stream"):
        model.run({"x": np.ones((1, 1), np.float32)})


def test_no_more_streams_are_open_than_the_manifest_allows(
    server: TritonServer, load: Load
) -> None:
    model = load("sum", server, manifest={"limits": LimitEntries(max_sequences=2)})
    send(model, 1, 1, start=True)
    send(model, 2, 1, start=True)
    with pytest.raises(OverloadError, match="2 streams"):
        send(model, 3, 1, start=True)
    send(model, 1, 1, end=True)
    assert send(model, 3, 1, start=True) == 1


def test_streams_share_channels_but_keep_to_theirs(
    server: TritonServer, load: Load, connections: Callable[[TritonServer], int], until: Until
) -> None:
    until(lambda: connections(server) == 0)
    model = load("sum", server, min_channels=1, max_channels=2, idle_ms=100)
    with ThreadPoolExecutor(SLOTS) as callers:

        def talk(stream: int) -> list[float]:
            return [send(model, stream, 1, start=n == 0, end=n == 29) for n in range(30)]

        for totals in callers.map(talk, range(1, SLOTS + 1)):
            assert totals == [float(n + 1) for n in range(30)]
    assert model.endpoints()[0].pool.pins == 0
    assert connections(server) <= 2


def test_a_killed_server_loses_its_streams_and_says_so(
    victim: TritonServer, load: Load, until: Until
) -> None:
    model = load("sum", victim)
    send(model, 1, 5, start=True)
    send(model, 2, 5, start=True)
    victim.kill()
    with pytest.raises(ConnectionLostError):
        send(model, 1, 2)
    with pytest.raises(ConnectionLostError, match="begin a new one"):
        send(model, 1, 2)
    until(lambda: model.trouble != "")

    victim.start()
    until(lambda: model.trouble == "")
    # The server knows nothing of it, though no step of it ever failed.
    with pytest.raises(ConnectionLostError):
        send(model, 2, 2)
    assert send(model, 1, 7, start=True) == 7
    assert send(model, 2, 8, start=True) == 8
    assert send(model, 1, 1, end=True) == 8


def test_a_hung_server_is_told_of_the_end_when_it_goes_on(
    victim: TritonServer, load: Load, steps: Steps, until: Until
) -> None:
    model = load("sum", victim, call_timeout_ms=200)
    for stream in range(1, SLOTS + 1):
        send(model, stream, 1, start=True)
    victim.pause()
    with pytest.raises(DeadlineError):
        send(model, 1, 1)
    until(lambda: model.trouble != "")
    for stream in range(1, SLOTS + 1):
        model.end(stream)
    victim.resume()

    until(lambda: sum(step.end for step in steps(victim)) == SLOTS)
    until(lambda: model.trouble == "")
    ended = [step.stream for step in steps(victim) if step.end]
    assert len(set(ended)) == len(ended) == SLOTS
    assert send(model, 1, 3, start=True, end=True) == 3


def test_streams_are_spread_and_only_those_of_the_dead_server_are_lost(
    victim: TritonServer, load: Load, tmp_path: Path, until: Until
) -> None:
    write_sum(tmp_path / "other")
    (tmp_path / "work").mkdir()
    with TritonServer(tmp_path / "other", tmp_path / "work") as other:
        model = load("sum", victim, other)
        for stream in range(1, SLOTS + 1):
            send(model, stream, stream, start=True)
        assert [endpoint.streams for endpoint in model.endpoints()] == [2, 2]
        victim.kill()

        lost, kept = [], []
        for stream in range(1, SLOTS + 1):
            try:
                assert send(model, stream, 1) == stream + 1
                kept.append(stream)
            except ConnectionLostError:
                lost.append(stream)
        assert len(lost) == len(kept) == SLOTS // 2
        until(lambda: model.endpoints()[0].breaker != "closed")
        assert model.trouble == ""

        # Those that are lost go on elsewhere.
        for stream in lost:
            assert send(model, stream, 100, start=True) == 100
        assert [endpoint.streams for endpoint in model.endpoints()][1] == SLOTS
        for stream in range(1, SLOTS + 1):
            send(model, stream, 0, end=True)


def test_the_engine_s_sequences_run_there_and_are_ended(
    server: TritonServer, steps: Steps, until: Until, tmp_path: Path
) -> None:
    before = len(steps(server))
    (tmp_path / "total").mkdir()
    (tmp_path / "total" / "manifest.toml").write_text(
        f'platform = "triton"\n[triton]\nurls = ["{server.url}"]\nmodel = "sum"\n'
    )
    library = Library([tmp_path], {"triton": TritonLoader()}, budget_bytes=2**20)
    with Inference(library) as engine:
        totals = []
        with engine.open_sequence("total") as first, engine.open_sequence("total") as second:
            for x in (1, 2, 3):
                for sequence in (first, second):
                    inputs = {"x": np.array([[x]], np.float32)}
                    asked = Request(model="total", inputs=inputs, sequence=sequence)
                    totals.append(engine.infer(asked).outputs["total"].item())
        assert totals == [1, 1, 3, 3, 6, 6]
        until(lambda: sum(step.end for step in steps(server)[before:]) == 2)
