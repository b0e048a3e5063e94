"""Flags of a running server: asked for, changed, followed, and compared."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec.structs import replace

from gapless.infer.inference import Inference, InferenceOptions
from gapless.serve.flags.flags import Flags
from gapless.settings import Settings
from gapless.settings.flags import FLAGS
from gapless.settings.flags_file import FlagsFile
from gapless.testing.models import FixedModels, FunctionModel, double
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

ROW = {"inputs": {"x": [1, 2, 3, 4]}}

PATIENCE_S = 10.0


class Station:
    """A server over a model whose answers may be remembered, and a client."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        inner = double()
        model = FunctionModel(replace(inner.info, digest="d1"), inner.run)
        self.inference = stack.enter_context(
            Inference(FixedModels(model), InferenceOptions(executors=1))
        )
        settings = Settings(port=0, grpc_port=0, tensor_model="double", data_dir=str(folder))
        self.services = stack.enter_context(ScriptedServices(settings, inference=self.inference))
        running = stack.enter_context(running_server(self.services))
        self.grpc = running.grpc
        self.file = FlagsFile(folder)
        self.client = stack.enter_context(httpx.Client(base_url=running.url, timeout=30))

    def ask(self, session: str = "", **more: Any) -> dict[str, Any]:
        headers = {"x-session-id": session} if session else {}
        response = self.client.post("/v1/infer", json=ROW | more, headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def put(self, **shares: str) -> None:
        response = self.client.put("/v1/flags", json={"flags": shares})
        assert response.status_code == 200, response.text


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with ExitStack() as stack:
        yield Station(stack, tmp_path)


def test_all_flags_are_told_with_what_they_do(station: Station) -> None:
    flags = station.client.get("/v1/flags").json()["flags"]
    assert flags == [
        {"name": name, "share": "on", "help": text, "compared": False}
        for name, text in FLAGS.items()
    ]


def test_a_change_is_in_force_when_it_is_answered_and_in_the_file_for_others(
    station: Station,
) -> None:
    station.ask()
    assert station.ask()["cached"]
    station.put(answers="off", batching="10%")
    assert not station.ask()["cached"]
    assert station.file.read() == {"answers": 0.0, "batching": 10.0}
    told = {flag["name"]: flag for flag in station.client.get("/v1/flags").json()["flags"]}
    assert told["answers"]["share"] == "off"
    assert told["batching"]["share"] == "10%"
    assert told["batching"]["compared"]
    # What is left out is as the settings say again.
    station.put(batching="10%")
    assert station.ask()["cached"]


@pytest.mark.parametrize("body", [{"flags": {"fast": "on"}}, {"flags": {"quick": "5"}}, {}, []])
def test_a_change_that_cannot_be_read_changes_nothing(station: Station, body: object) -> None:
    response = station.client.put("/v1/flags", json=body)
    assert response.status_code == 400
    assert station.file.stamp() is None


@pytest.mark.long
def test_a_file_that_was_changed_by_others_is_followed(station: Station) -> None:
    station.ask()
    station.file.write({"answers": 0.0})
    until = time.monotonic() + PATIENCE_S
    while station.ask()["cached"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_session_keeps_its_side(station: Station) -> None:
    station.put(answers="50%")
    station.ask()
    flags = Flags(station.services.settings)
    sessions = [f"session {number}" for number in range(20)]
    for _ in range(2):
        for session in sessions:
            cached = station.ask(session)["cached"]
            assert cached <= flags.is_on("answers", session)
    inside = next(session for session in sessions if flags.is_on("answers", session))
    outside = next(session for session in sessions if not flags.is_on("answers", session))
    assert station.ask(inside)["cached"]
    assert not station.ask(outside)["cached"]


def test_answers_are_compressed_for_the_sessions_that_have_it_on(station: Station) -> None:
    def is_compressed() -> bool:
        return "content-encoding" in station.client.get("/openapi.json").headers

    seen = [is_compressed()]
    station.put(compression="off")
    seen.append(is_compressed())
    assert seen == [True, False]


def test_what_was_remembered_goes_the_long_way_where_there_is_no_quick_one(
    station: Station,
) -> None:
    station.ask()
    station.ask()
    station.put(quick="50%")
    for number in range(20):
        assert station.ask(f"session {number}")["cached"]
    text = station.client.get("/metrics").text
    calls = {
        side: float(found[1])
        for side in ("on", "off")
        if (found := re.search(rf'flag_calls_total{{flag="quick",side="{side}"}} (\S+)', text))
    }
    # Whoever is answered on the quick way is counted as much as who is not.
    assert sum(calls.values()) >= 20
    assert min(calls.values()) > 0
    assert len(calls) == 2


def test_rows_of_a_session_that_is_not_batched_have_calls_of_their_own(station: Station) -> None:
    rows = {"inputs": {"x": [[1, 2, 3, 4]] * 4}, "parameters": {"cache": False}}

    def sizes() -> list[int]:
        (counted,) = station.inference.statistics()
        return [batch.rows for batch in counted.batches for _ in range(batch.compute.count)]

    station.client.post("/v1/infer", json=rows)
    assert sizes() == [4]
    station.put(batching="off")
    station.client.post("/v1/infer", json=rows)
    assert sizes() == [1, 1, 1, 1, 4]


def test_a_step_over_grpc_is_on_a_side_too(station: Station) -> None:
    triton = pytest.importorskip("tritonclient.grpc")
    x = triton.InferInput("x", [1, 4], "FP32")
    x.set_data_from_numpy(np.ones((1, 4), np.float32))

    def calls() -> int:
        (counted,) = station.inference.statistics()
        return counted.calls

    with triton.InferenceServerClient(station.grpc) as client:
        client.infer("double", [x])
        client.infer("double", [x])
        assert calls() == 1
        station.put(answers="off")
        client.infer("double", [x])
        assert calls() == 2
