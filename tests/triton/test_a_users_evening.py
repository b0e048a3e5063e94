"""What a user would show a friend: models dropped in, batches forming, a Triton that dies and comes back."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tritonclient import grpc as triton_grpc
from tritonclient import http as triton_http
from tritonclient.utils import InferenceServerException

from gapless.testing.triton_models import write_double
from gapless.testing.triton_server import TritonServer

pytestmark = pytest.mark.triton

CALLERS = 32
WAIT_S = 30.0


@contextmanager
def serving(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A real ``gapless serve``; gives its HTTP and its gRPC address."""
    command = [sys.executable, "-m", "gapless", "serve", "--port", "0", "--grpc-port", "0"]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path), "--models-dir", str(tmp_path / "models")],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    with log, server:
        assert server.stdout is not None
        try:
            said = ""
            while not (http := re.search(r"http://(127\.0\.0\.1:\d+)\b", said)) or not (
                grpc := re.search(r"gRPC at (\S+)", said)
            ):
                line = server.stdout.readline()
                assert line, said + (tmp_path / "log").read_text()
                said += line
            yield http[1], grpc[1]
        finally:
            server.terminate()
            server.wait(WAIT_S)


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition that other processes bring about."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def drop_in(models: Path, name: str, size: int = 512) -> np.ndarray[Any, Any]:
    """Put y = x W into the folder, as a user would: a file, no manifest."""
    weights = np.random.default_rng(1).standard_normal((size, size)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    shape: list[str | int | None] = ["batch", size]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "w")],
    )
    folder = models / name / "1"
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return weights


def point_at_triton(models: Path, url: str) -> None:
    folder = models / "double"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(
        f'platform = "triton"\n\n[triton]\nurls = ["{url}"]\nbreaker_pause_ms = 100\nbreaker_max_pause_ms = 400\n'
    )


def ask(client: Any, kit: Any, model: str, row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One row to a model, with either of the unmodified clients."""
    given = kit.InferInput("x", [1, len(row)], "FP32")
    given.set_data_from_numpy(row[None])
    answer: np.ndarray[Any, Any] = client.infer(model, [given]).as_numpy("y")[0]
    return answer


def test_models_come_and_go_while_the_server_runs(tmp_path: Path) -> None:
    repository = tmp_path / "triton"
    write_double(repository)
    (work := tmp_path / "work").mkdir()
    (models := tmp_path / "models").mkdir()
    triton = TritonServer(repository, work)
    with triton, serving(tmp_path) as (http_url, grpc_url):
        http = triton_http.InferenceServerClient(http_url)
        grpc = triton_grpc.InferenceServerClient(grpc_url)
        rng = np.random.default_rng(2)

        # A model is dropped into the folder, and answers.
        weights = drop_in(models, "mixer")
        until(lambda: http.is_model_ready("mixer"))
        row = rng.standard_normal(512).astype(np.float32)
        assert np.allclose(ask(http, triton_http, "mixer", row), row @ weights, atol=1e-3)
        assert np.array_equal(
            ask(grpc, triton_grpc, "mixer", row), ask(http, triton_http, "mixer", row)
        )

        # Equal questions are one: it was asked three times.
        (counted,) = http.get_inference_statistics("mixer")["model_stats"]
        assert int(counted["inference_count"]) == 1

        # Many callers, few calls.
        def call(caller: int) -> None:
            for number in range(30):
                ask(grpc, triton_grpc, "mixer", row + np.float32(1 + caller + number / 32))

        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(call, range(CALLERS)))
        (counted,) = http.get_inference_statistics("mixer")["model_stats"]
        assert int(counted["inference_count"]) == CALLERS * 30 + 1
        assert int(counted["execution_count"]) < int(counted["inference_count"])
        assert max(int(batch["batch_size"]) for batch in counted["batch_stats"]) > 1

        # Another runs on a Triton, which dies.
        point_at_triton(models, triton.url)
        until(lambda: grpc.is_model_ready("double"))
        assert ask(grpc, triton_grpc, "double", row).tolist() == (row * 2).tolist()
        triton.kill()

        def is_given_up() -> bool:
            with pytest.raises(InferenceServerException) as caught:
                ask(grpc, triton_grpc, "double", row)
            assert caught.value.status() in (
                "StatusCode.UNAVAILABLE",
                "StatusCode.DEADLINE_EXCEEDED",
            )
            return not grpc.is_model_ready("double")

        until(is_given_up)
        assert not http.is_model_ready("double")
        (away,) = [m for m in http.get_model_repository_index() if m["name"] == "double"]
        assert away["state"] == "UNAVAILABLE"
        assert away["reason"]
        # What does not live there goes on.
        assert http.is_model_ready("mixer")
        assert http.is_server_live()
        assert np.allclose(ask(http, triton_http, "mixer", row), row @ weights, atol=1e-3)

        # It comes back, and nobody has to do anything.
        triton.start()
        until(lambda: grpc.is_model_ready("double"))
        assert ask(grpc, triton_grpc, "double", row).tolist() == (row * 2).tolist()
        http.close()
        grpc.close()
