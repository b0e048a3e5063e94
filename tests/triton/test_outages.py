"""Triton servers that die, hang, retire connections or unload models under real calls, and come back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from gapless.errors import ConnectionLostError, DeadlineError, OverloadError
from gapless.infer.contract import Model
from gapless.infer.repository.library import Library
from gapless.infer.triton.model import TritonLoader, TritonModel
from gapless.testing.triton_models import write_double
from gapless.testing.triton_server import TritonServer

pytestmark = pytest.mark.triton

X = {"x": np.array([[1, 2, 3]], np.float32)}
CALLERS = 16


class Load(Protocol):
    def __call__(self, name: str, *servers: TritonServer, **changes: Any) -> TritonModel: ...


Until = Callable[[Callable[[], bool]], None]


class Callers:
    """Threads that call all the time, and count what comes of it."""

    def __init__(self, model: Model) -> None:
        self.outcomes: Counter[str] = Counter()
        self._model = model
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def count(self, outcome: str) -> int:
        with self._lock:
            return self.outcomes[outcome]

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                wrong = self._model.run(X)["y"].tolist() != [[2.0, 4.0, 6.0]]
                outcome = "wrong" if wrong else "answered"
            except (ConnectionLostError, DeadlineError, OverloadError) as error:
                outcome = type(error).__name__
                # As a caller should: come back when it is worth while, and not in a hurry.
                self._stopped.wait(min(error.retry_after_ms or 1, 20) / 1000)
            with self._lock:
                self.outcomes[outcome] += 1

    def stop(self) -> None:
        self._stopped.set()


@contextmanager
def calling(model: Model) -> Iterator[Callers]:
    callers = Callers(model)
    with ThreadPoolExecutor(CALLERS) as threads:
        futures = [threads.submit(callers.run) for _ in range(CALLERS)]
        try:
            yield callers
        finally:
            callers.stop()
    for future in futures:
        future.result()
    assert callers.outcomes["wrong"] == 0


def test_a_killed_server_opens_the_breaker_and_calls_recover_by_themselves(
    victim: TritonServer, load: Load, until: Until
) -> None:
    model = load("double", victim)
    with calling(model) as callers:
        until(lambda: callers.count("answered") > 100)
        victim.kill()
        until(lambda: model.trouble != "")
        assert victim.url in model.trouble
        with pytest.raises(ConnectionLostError) as refused:
            model.run(X)
        assert refused.value.retry_after_ms is not None
        until(lambda: callers.count("ConnectionLostError") > 0)
        answered = callers.count("answered")
        assert model.endpoints()[0].pool.channels <= 8

        victim.start()
        until(lambda: model.trouble == "")
        until(lambda: callers.count("answered") > answered + 100)
    assert callers.outcomes["DeadlineError"] == 0
    (endpoint,) = model.endpoints()
    assert endpoint.breaker_opened >= 1
    assert endpoint.in_flight == 0
    until(lambda: 2 <= model.endpoints()[0].pool.channels <= 8)


def test_readiness_comes_back_without_any_traffic(
    victim: TritonServer, load: Load, until: Until
) -> None:
    model = load("double", victim)
    victim.kill()
    until(lambda: model.trouble != "")
    victim.start()
    until(lambda: model.trouble == "")
    assert model.run(X)["y"].tolist() == [[2.0, 4.0, 6.0]]


def test_a_hung_server_is_found_out_and_left_alone_until_it_goes_on(
    victim: TritonServer, load: Load, until: Until
) -> None:
    model = load("double", victim, call_timeout_ms=300)
    with calling(model) as callers:
        until(lambda: callers.count("answered") > 100)
        victim.pause()
        until(lambda: model.trouble != "")
        until(lambda: callers.count("ConnectionLostError") > 0)
        assert callers.count("DeadlineError") > 0
        answered = callers.count("answered")
        victim.resume()
        until(lambda: model.trouble == "")
        until(lambda: callers.count("answered") > answered + 100)
    assert model.endpoints()[0].in_flight == 0


def test_a_second_server_takes_over_without_a_call_failing(
    victim: TritonServer, server: TritonServer, load: Load, until: Until
) -> None:
    model = load("double", victim, server)
    with calling(model) as callers:
        until(lambda: callers.count("answered") > 100)
        victim.kill()
        until(lambda: model.endpoints()[0].breaker != "closed")
        assert model.trouble == ""
        answered = callers.count("answered")
        until(lambda: callers.count("answered") > answered + 100)

        # It is used again when it is back.
        granted = model.endpoints()[0].pool.granted
        victim.start()
        until(lambda: model.endpoints()[0].pool.granted > granted + 100)
    assert set(callers.outcomes) == {"answered"}


def test_one_server_that_answers_is_enough_to_load(
    victim: TritonServer, server: TritonServer, load: Load, until: Until
) -> None:
    victim.kill()
    model = load("double", victim, server)
    assert model.run(X)["y"].tolist() == [[2.0, 4.0, 6.0]]
    victim.start()
    until(lambda: model.endpoints()[0].breaker == "closed")


def test_connections_that_the_server_retires_cost_no_call(
    tmp_path: Path, load: Load, until: Until
) -> None:
    write_double(tmp_path / "models")
    (tmp_path / "work").mkdir()
    retire = ("--grpc-max-connection-age=200", "--grpc-max-connection-age-grace=2000")
    with TritonServer(tmp_path / "models", tmp_path / "work", arguments=retire) as retiring:
        model = load("double", retiring)
        with calling(model) as callers:
            until(lambda: callers.count("answered") > 2000)
        assert set(callers.outcomes) == {"answered"}
        assert model.endpoints()[0].breaker_opened == 0


def test_a_model_that_is_unloaded_there_is_in_trouble_here(
    tmp_path: Path, load: Load, until: Until
) -> None:
    write_double(tmp_path / "models")
    (tmp_path / "work").mkdir()
    by_hand = ("--model-control-mode=explicit", "--load-model=double")
    with TritonServer(tmp_path / "models", tmp_path / "work", arguments=by_hand) as server:
        model = load("double", server)
        with InferenceServerClient(server.url) as hand:
            hand.unload_model("double")
            until(lambda: "not ready" in model.trouble)
            with pytest.raises(ConnectionLostError, match="load it there"):
                model.run(X)
            hand.load_model("double")
            until(lambda: model.trouble == "")
            assert model.run(X)["y"].tolist() == [[2.0, 4.0, 6.0]]


def test_a_server_that_is_away_at_first_makes_the_model_ready_when_it_comes(
    victim: TritonServer, tmp_path: Path, until: Until
) -> None:
    victim.kill()
    folder = tmp_path / "here" / "double"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(
        f'platform = "triton"\n[triton]\nurls = ["{victim.url}"]\n'
    )
    library = Library([folder.parent], {"triton": TritonLoader()}, budget_bytes=2**20, poll_ms=50)
    try:
        with pytest.raises(ConnectionLostError):
            library.acquire("double")
        (status,) = library.index()
        assert status.state == "UNAVAILABLE"
        assert victim.url in status.reason
        victim.start()
        until(lambda: library.index()[0].state == "READY")
        held = library.acquire("double")
        assert held.model.run(X)["y"].tolist() == [[2.0, 4.0, 6.0]]
        held.release()
    finally:
        library.close()
