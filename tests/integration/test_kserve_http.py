"""KServe's addresses over plain HTTP: what no client library sends, and what the network edge adds."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from gapless.infer.contract import ModelLimits
from gapless.infer.inference import Inference, Request
from gapless.infer.models import Held, ModelStatus
from gapless.serve.kserve.codec import HEADER_LENGTH
from gapless.settings import Settings
from gapless.testing.models import FixedModels, double, gated, mirror, running_sum, upper
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

MAX_BODY_BYTES = 64 * 1024
KEY = {"X-API-Key": "sesame"}
ROW = np.array([1, 2, 3, 4], "<f4").tobytes()


class LazyModels:
    """A library whose models load when they are first asked for, as slowly as its test wants."""

    def __init__(self, models: FixedModels) -> None:
        self._models = models
        self.is_loading = threading.Event()
        self.may_load = threading.Event()

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        return self._models.digest_of(name, version)

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        return self._models.try_acquire(name, version) if self.may_load.is_set() else None

    def acquire(self, name: str, version: str | None = None) -> Held:
        self.is_loading.set()
        assert self.may_load.wait(20)
        return self._models.acquire(name, version)

    def preload(self) -> None:
        pass

    def index(self) -> list[ModelStatus]:
        return self._models.index()

    def load(self, name: str) -> None:
        self._models.load(name)

    def unload(self, name: str) -> None:
        self._models.unload(name)

    def close(self) -> None:
        self._models.close()


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = Settings(port=0, save=False, api_key="sesame", max_body_bytes=MAX_BODY_BYTES)
    models = FixedModels(double(), upper(), mirror(), running_sum())
    with (
        Inference(models) as inference,
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
    ):
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=KEY) as client:
        yield client


def question(**fields: Any) -> dict[str, Any]:
    x = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    return {"inputs": [x], **fields}


def test_health_has_the_body_of_the_protocol_and_needs_no_key(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        live, ready = client.get("/v2/health/live"), client.get("/v2/health/ready")

        assert (live.status_code, live.json()) == (200, {"live": True})
        assert (ready.status_code, ready.json()) == (200, {"ready": True})


def test_everything_else_needs_the_key(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        for refusal in (
            client.get("/v2"),
            client.post("/v2/models/double/infer", json=question()),
            client.post("/v2/repository/models/double/unload"),
        ):
            assert refusal.status_code == 401
            assert set(refusal.json()) == {"error"}
            assert "key" in refusal.json()["error"]


def test_a_model_is_ready_in_the_body_of_the_protocol(client: httpx.Client) -> None:
    assert client.get("/v2/models/double/ready").json() == {"name": "double", "ready": True}


def test_a_question_in_json_is_answered_in_json(client: httpx.Client) -> None:
    response = client.post("/v2/models/double/infer", json=question(id="q"))

    assert response.headers["content-type"] == "application/json"
    assert HEADER_LENGTH not in response.headers
    assert response.json() == {
        "id": "q",
        "model_name": "double",
        "model_version": "1",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [2, 4, 6, 8]}],
    }


def test_a_body_without_json_is_one_row_and_is_answered_with_bytes(client: httpx.Client) -> None:
    response = client.post(
        "/v2/models/double/versions/1/infer", content=ROW, headers={HEADER_LENGTH: "0"}
    )

    json_length = int(response.headers[HEADER_LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    assert np.frombuffer(response.content[json_length:], "<f4").tolist() == [2, 4, 6, 8]


def test_a_raw_text_comes_back_as_one(client: httpx.Client) -> None:
    response = client.post("/v2/models/upper/infer", content=b"abc", headers={HEADER_LENGTH: "0"})

    assert response.content[int(response.headers[HEADER_LENGTH]) :] == b"\x03\0\0\0ABC"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("gzip, deflate, br", None), ("identity", None)],
)
def test_an_answer_is_compressed_for_who_wants_nothing_else(
    client: httpx.Client, accept: str, encoding: str | None
) -> None:
    response = client.post(
        "/v2/models/double/infer", json=question(), headers={"Accept-Encoding": accept}
    )

    assert response.headers.get("content-encoding") == encoding
    assert response.json()["outputs"][0]["data"] == [2, 4, 6, 8]


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999", "2000"])
def test_a_hostile_length_of_the_json_is_refused(client: httpx.Client, length: str) -> None:
    response = client.post(
        "/v2/models/double/infer", json=question(), headers={HEADER_LENGTH: length}
    )

    assert response.status_code == 400
    assert HEADER_LENGTH in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[" * 1000, {}, 400),
        (b"x" * (MAX_BODY_BYTES + 1), {}, 413),
        (b"x", {"Content-Encoding": "gzip"}, 400),
        (b"x", {"Content-Encoding": "br"}, 415),
        (gzip.compress(bytes(MAX_BODY_BYTES + 1), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(b"{}", mtime=0)[:-3], {"Content-Encoding": "gzip"}, 400),
        (ROW[:-1], {HEADER_LENGTH: "0"}, 400),
    ],
)
def test_a_hostile_body_is_refused_and_the_connection_goes_on(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = client.post("/v2/models/double/infer", content=body, headers=headers)

    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert client.post("/v2/models/double/infer", json=question()).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v2/models/double/infer/more", "/v2/x", "/v2/models/a%2Fb/ready"]
)
def test_what_is_not_here_is_said_in_kserves_shape(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert set(response.json()) == {"error"}


def test_a_wrong_method_names_the_right_one(client: httpx.Client) -> None:
    response = client.get("/v2/models/double/infer")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert set(response.json()) == {"error"}


def test_the_index_may_be_only_of_models_that_answer(client: httpx.Client) -> None:
    client.post(
        "/v2/repository/models/mirror/unload", json={"parameters": {"unload_dependents": 1}}
    )
    try:
        everything = client.post("/v2/repository/index").json()
        ready = client.post("/v2/repository/index", json={"ready": True}).json()
    finally:
        client.post("/v2/repository/models/mirror/load")

    assert {entry["name"] for entry in everything} - {entry["name"] for entry in ready} == {
        "mirror"
    }
    assert client.post("/v2/repository/index", content=b"{").status_code == 400


@pytest.mark.long
def test_a_full_queue_says_when_to_come_back() -> None:
    model, gate = gated(limits=ModelLimits(max_waiting_rows=1))
    settings = Settings(port=0, save=False)
    with (
        Inference(FixedModels(model)) as inference,
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
    ):
        x = np.ones((1, 4), np.float32)
        try:
            inference.submit(Request(model="gated", inputs={"x": x}), lambda _: None)
            gate.wait_for_arrival()
            inference.submit(Request(model="gated", inputs={"x": x}), lambda _: None)
            response = httpx.post(f"{running.url}/v2/models/gated/infer", json=question())
        finally:
            gate.open()

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert set(response.json()) == {"error"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/double/infer", question()),
        ("/v2/models/double/infer", question(parameters={"binary_data_output": True})),
        ("/v1/infer", {"model": "double", "inputs": {"x": [1, 2, 3, 4]}}),
    ],
)
def test_a_model_that_is_loading_keeps_nobody_else_waiting(path: str, body: dict[str, Any]) -> None:
    models = LazyModels(FixedModels(double()))
    with (
        Inference(models) as inference,
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as running,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            asked = pool.submit(httpx.post, f"{running.url}{path}", json=body)
            assert models.is_loading.wait(20)
            assert httpx.get(f"{running.url}/v2/health/live").status_code == 200
            assert not asked.done()
        finally:
            models.may_load.set()
        assert asked.result(20).status_code == 200


@pytest.mark.long
def test_a_server_that_stops_ends_the_sequences_that_are_open() -> None:
    models = FixedModels(running_sum())
    x = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
    asked = {"inputs": [x], "parameters": {"sequence_id": 1, "sequence_start": True}}
    with Inference(models) as inference:
        with (
            ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
            running_server(services) as running,
        ):
            url = f"{running.url}/v2/models/running_sum/infer"
            assert httpx.post(url, json=asked).status_code == 200
            assert inference.statistics()[0].sequences == 1
        assert inference.statistics()[0].sequences == 0


@pytest.mark.long
def test_a_last_step_that_cannot_be_used_ends_its_sequence_all_the_same() -> None:
    models = FixedModels(running_sum())
    with (
        Inference(models) as inference,
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as running,
    ):
        bad = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
        asked = {
            "inputs": [bad],
            "parameters": {"sequence_id": 1, "sequence_start": True, "sequence_end": True},
        }
        response = httpx.post(f"{running.url}/v2/models/running_sum/infer", json=asked)
        assert response.status_code == 400
        assert inference.statistics()[0].sequences == 0
