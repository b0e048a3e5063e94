"""A row of every call of a model: there when the answer is, and a warning where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec.structs import replace

from gapless.infer.inference import Inference, InferenceOptions
from gapless.settings import Settings
from gapless.store.inferences import InferenceQuery, InferenceRecord
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.models import FAILS, FixedModels, FunctionModel, picky
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

ROWS = {"inputs": {"x": [[1, 2, 3, 4], [5, 6, 7, 8]]}}


class Station:
    """A server that keeps calls, its store, and a client."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        inner = picky()
        model = FunctionModel(replace(inner.info, digest="d1"), inner.run)
        self.store = stack.enter_context(closing(SqliteStore(folder / "transcripts.db")))
        inference = stack.enter_context(
            Inference(FixedModels(model), InferenceOptions(executors=1))
        )
        settings = Settings(
            port=0, grpc_port=0, tensor_model="picky", data_dir=str(folder), save_inferences=True
        )
        services = stack.enter_context(
            ScriptedServices(settings, store=self.store, inference=inference)
        )
        running = stack.enter_context(running_server(services))
        self.grpc = running.grpc
        self.client = stack.enter_context(httpx.Client(base_url=running.url, timeout=30))

    def ask(self, question: Any, path: str = "/v1/infer") -> httpx.Response:
        return self.client.post(path, json=question, headers={"x-request-id": "r-7"})

    def rows(self) -> tuple[InferenceRecord, ...]:
        return self.store.inferences(InferenceQuery())


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with ExitStack() as stack:
        yield Station(stack, tmp_path)


def test_the_row_is_there_when_the_answer_is(station: Station) -> None:
    first = station.ask(ROWS)
    assert "x-gapless-warning" not in first.headers
    (row,) = station.rows()
    assert (row.model, row.version, row.rows, row.batch_rows) == ("picky", "1", 2, 2)
    assert (row.cached, row.status, row.request_id) == (False, "ok", "r-7")
    assert row.compute_us / 1000 == pytest.approx(first.json()["timing_ms"]["compute"], abs=0.01)


def test_a_remembered_answer_has_a_row_as_well_however_it_is_asked(station: Station) -> None:
    for _ in range(4):
        station.ask(ROWS)
    rows = station.rows()
    assert [row.cached for row in rows] == [True, True, True, False]
    assert [row.batch_rows for row in rows] == [0, 0, 0, 2]
    assert {row.request_id for row in rows} == {"r-7"}


def test_a_call_that_fails_has_a_row_with_its_code(station: Station) -> None:
    failed = station.ask({"inputs": {"x": [[FAILS, 0, 0, 0]]}})
    assert failed.status_code == 500
    unknown = station.ask({"inputs": [], "id": "own"}, "/v2/models/nobody/infer")
    assert unknown.status_code == 404
    # Nobody waits for the row of a failure; that of the next answer comes behind it.
    station.ask(ROWS)
    _, missing, broken = station.rows()
    assert (missing.model, missing.version, missing.request_id) == ("nobody", "", "own")
    assert missing.status == "model_not_found"
    assert (broken.status, broken.rows) == (failed.json()["error"]["code"], 1)


def test_an_answer_whose_row_is_lost_says_so(station: Station) -> None:
    station.store.close()
    for number in range(3):  # the first goes the long way
        answer = station.ask({"inputs": {"x": [[number, 2, 3, 4]]}})
        assert answer.status_code == 200
        assert answer.json()["outputs"]
        assert answer.headers["x-gapless-warning"] == "not_saved"


def test_calls_over_grpc_have_rows_and_warnings(station: Station) -> None:
    triton = pytest.importorskip("tritonclient.grpc")
    x = triton.InferInput("x", [1, 4], "FP32")
    x.set_data_from_numpy(np.ones((1, 4), np.float32))
    with triton.InferenceServerClient(station.grpc) as client:
        client.infer("picky", [x], request_id="over-grpc")
        (row,) = station.rows()
        assert (row.request_id, row.rows, row.status) == ("over-grpc", 1, "ok")
        assert streamed_warning(client, triton, x) is None
        station.store.close()
        client.infer("picky", [x])
        assert streamed_warning(client, triton, x) == "not_saved"


def streamed_warning(client: Any, triton: Any, x: Any) -> str | None:
    """What the answer of a stream is marked with."""
    answers: list[Any] = []
    told: Callable[..., None] = lambda result, error: answers.append(error or result)  # noqa: E731
    client.start_stream(told)
    client.async_stream_infer("picky", [x])
    client.stop_stream()
    (answer,) = answers
    parameters = answer.get_response().parameters
    if "x-gapless-warning" not in parameters:
        return None
    warning: str = parameters["x-gapless-warning"].string_param
    return warning


def test_rows_are_counted_kept_or_dropped(station: Station) -> None:
    station.ask(ROWS)
    station.store.close()
    station.ask(ROWS)
    told = station.client.get("/metrics").text
    assert 'gapless_inference_rows_total{result="kept"} 1.0' in told
    assert 'gapless_inference_rows_total{result="dropped"} 1.0' in told
