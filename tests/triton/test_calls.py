"""A model on a healthy Triton server: the contract, its facts, and failures that are nobody's fault but the call's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    ModelError,
    OverloadError,
)
from gapless.infer.triton.model import TritonModel
from gapless.testing.model_contract import check_model
from gapless.testing.triton_models import write_double
from gapless.testing.triton_server import TritonServer

pytestmark = pytest.mark.triton


class Load(Protocol):
    def __call__(self, name: str, *servers: TritonServer, **changes: Any) -> TritonModel: ...


Connections = Callable[[TritonServer], int]
Until = Callable[[Callable[[], bool]], None]


def moment(seconds: float) -> dict[str, np.ndarray[Any, Any]]:
    """What the model ``moody`` takes so many seconds for."""
    return {"x": np.array([[seconds]], np.float32)}


@pytest.mark.parametrize("name", ["double", "sum", "unbatched"])
def test_the_model_keeps_the_contract(name: str, server: TritonServer, load: Load) -> None:
    check_model(lambda: load(name, server))


def test_the_server_says_what_the_model_takes_and_gives(server: TritonServer, load: Load) -> None:
    double, total, unbatched = (load(name, server).info for name in ("double", "sum", "unbatched"))

    assert [(t.name, t.datatype, t.shape) for t in double.inputs] == [("x", "FP32", (-1,))]
    assert [(t.name, t.datatype, t.shape) for t in double.outputs] == [("y", "FP32", (-1,))]
    assert (double.batched, double.limits.buckets[-1], double.sequences) == (True, 32, "none")
    assert (total.batched, total.limits.buckets, total.sequences) == (True, (1,), "server")
    assert (unbatched.batched, unbatched.limits.buckets) == (False, (1,))
    assert [(t.datatype, t.shape) for t in unbatched.inputs] == [("INT64", (2, -1))]
    assert all(info.platform == "triton" for info in (double, total, unbatched))


def test_the_manifest_may_ask_for_less_but_not_for_more_than_the_server_gives(
    server: TritonServer, load: Load
) -> None:
    def double(max_batch: int) -> TritonModel:
        return load("double", server, manifest={"max_batch": max_batch, "kind": "doubler"})

    assert double(8).info.limits.buckets == (1, 2, 4, 8)
    assert double(8).info.kind == "doubler"
    for wrong in (0, 64):
        with pytest.raises(ModelError, match="32 on the Triton server"):
            double(wrong)


def test_a_model_may_have_another_name_there(server: TritonServer, load: Load) -> None:
    model = load("here", server, model="double", version="1")
    assert model.info.name == "here"
    assert model.run({"x": np.ones((1, 2), np.float32)})["y"].tolist() == [[2.0, 2.0]]


def test_a_model_that_is_not_there_cannot_be_loaded(server: TritonServer, load: Load) -> None:
    with pytest.raises(ConnectionLostError, match=r"'nothing'.*load it there"):
        load("nothing", server)
    with pytest.raises(ConnectionLostError, match="version 7"):
        load("double", server, version="7")


def test_a_failing_model_is_not_held_against_the_server(server: TritonServer, load: Load) -> None:
    model = load("moody", server)
    for _ in range(10):
        with pytest.raises(ModelError, match="does not like what is below zero"):
            model.run(moment(-1))
    assert model.trouble == ""
    assert model.run(moment(0))["y"].tolist() == [[0.0]]


def test_a_late_answer_fails_by_its_deadline_and_only_that_call(
    server: TritonServer, load: Load
) -> None:
    model = load("moody", server)
    for _ in range(5):
        with pytest.raises(DeadlineError, match="did not answer in time"):
            model.run(moment(0.2), timeout_s=0.05)
    with pytest.raises(DeadlineError):
        model.run(moment(0), timeout_s=0)
    assert model.trouble == ""
    assert model.run(moment(0))["y"].tolist() == [[0.0]]


def test_a_full_queue_at_the_server_is_an_overload_and_not_an_outage(
    server: TritonServer, load: Load
) -> None:
    model = load("crowded", server, attempts=3)

    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(model.run, moment(0.1)) for _ in range(8)]
    failures = [call.exception() for call in calls if call.exception()]
    assert 0 < len(failures) < 8
    assert {type(failure) for failure in failures} == {OverloadError}
    assert model.trouble == ""


def test_a_busy_pool_refuses_after_its_timeout(server: TritonServer, load: Load) -> None:
    model = load("moody", server, min_channels=1, max_channels=1, acquire_timeout_ms=50)
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(model.run, moment(0.5))
        while model.endpoints()[0].pool.lent == 0:
            pass
        with pytest.raises(OverloadError, match="came free within 50 ms"):
            model.run(moment(0))
        assert slow.result()["y"].tolist() == [[0.5]]
    assert model.run(moment(0))["y"].tolist() == [[0.0]]


def test_64_callers_share_50_connections_of_their_own_and_leave_none_open(
    server: TritonServer, load: Load, connections: Connections, until: Until
) -> None:
    until(lambda: connections(server) == 0)
    model = load("double", server, min_channels=5, max_channels=50, acquire_timeout_ms=10_000)
    until(lambda: connections(server) == 5)

    def call(seed: int) -> None:
        for step in range(20):
            x = np.full((1, 3), seed * 100 + step, np.float32)
            assert np.array_equal(model.run({"x": x})["y"], 2 * x)

    with ThreadPoolExecutor(64) as callers:
        list(callers.map(call, range(64)))

    pool = model.endpoints()[0].pool
    assert 5 < pool.channels <= 50
    assert pool.opened == pool.channels == connections(server)
    assert pool.timed_out == pool.refused == 0
    model.close()
    until(lambda: connections(server) == 0)


def test_channels_that_nobody_needs_any_more_are_closed(
    server: TritonServer, load: Load, connections: Connections, until: Until
) -> None:
    until(lambda: connections(server) == 0)
    model = load("double", server, min_channels=2, max_channels=20, idle_ms=300)
    x = {"x": np.ones((1, 1), np.float32)}
    with ThreadPoolExecutor(20) as callers:
        list(callers.map(lambda _: model.run(x), range(200)))
    assert model.endpoints()[0].pool.channels > 2
    until(lambda: connections(server) == 2)


def test_loading_and_closing_many_times_leaves_nothing(
    server: TritonServer, load: Load, connections: Connections, until: Until
) -> None:
    def cycle() -> None:
        model = load("double", server)
        model.run({"x": np.ones((1, 1), np.float32)})
        model.close()
        until(lambda: connections(server) == 0)

    cycle()
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        cycle()
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 2


def test_a_server_behind_tls_is_reached_with_its_certificate(tmp_path: Path, load: Load) -> None:
    if shutil.which("openssl") is None and not os.environ.get("GAPLESS_REQUIRE_TRITON"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    subprocess.run(
        [*make.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    write_double(tmp_path / "models")
    (tmp_path / "server").mkdir()
    arguments = (
        "--grpc-use-ssl=true",
        f"--grpc-server-key={key}",
        f"--grpc-server-cert={certificate}",
    )
    with TritonServer(tmp_path / "models", tmp_path / "server", arguments=arguments) as secured:
        model = load("double", secured, tls=True, root_certificates=str(certificate))
        assert model.run({"x": np.ones((1, 1), np.float32)})["y"].tolist() == [[2.0]]
        with pytest.raises(ConnectionLostError):
            load("double", secured, tls=True)
        with pytest.raises(ConnectionLostError):
            load("double", secured)
