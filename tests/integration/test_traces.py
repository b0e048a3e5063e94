"""Traces as a collector gets them: of utterances that a real recogniser heard, and of calls of models."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from websockets.asyncio.client import connect

import gapless.testing
from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ
from gapless.engine import Engine
from gapless.infer.inference import Inference
from gapless.serve.stream.messages import FinalMessage, decode_server
from gapless.settings import Settings
from gapless.testing.models import FixedModels, double
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices
from gapless.testing.sound_programs import wait_until
from gapless.testing.trace_collector import Collector, Received, running_collector

SOUNDS = Path(gapless.testing.__file__).with_name("sounds") / "commands-en"
CHUNK_BYTES = LISTEN_RATE_HZ * 40 // 1000 * 2

SPAN_ID = "00f067aa0ba902b7"
SERVER = 2
"""The kind of a span that serves, in the protocol."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def models(collector: Collector) -> Iterator[RunningServer]:
    with (
        Inference(FixedModels(double())) as inference,
        ScriptedServices(
            Settings(port=0, grpc_port=0, tensor_model="double", traces_url=collector.url),
            inference=inference,
        ) as services,
        running_server(services) as server,
    ):
        yield server


def ask(server: RunningServer, *, values: int = 4, **headers: str) -> httpx.Response:
    body = {"inputs": {"x": [[1.0] * values]}}
    return httpx.post(f"{server.url}/v1/infer", json=body, headers=headers)


def trace_id() -> str:
    return secrets.token_hex(16)


def roots(collector: Collector, trace: str) -> list[Received]:
    """What a collector has of a caller's trace, right below that."""
    return [
        span
        for span in collector.spans
        if span.trace_id.hex() == trace and span.parent_id.hex() == SPAN_ID
    ]


def root_of(collector: Collector, trace: str) -> Received:
    collector.wait_for(lambda came: roots(came, trace))
    (root,) = roots(collector, trace)
    return root


def check_tree(collector: Collector, parent: Received) -> None:
    """Every child lies within its parent."""
    for child in collector.children(parent):
        order = (parent.start_ns, child.start_ns, child.end_ns, parent.end_ns)
        assert list(order) == sorted(order), (parent.name, child.name)
        check_tree(collector, child)


def check_model_call(collector: Collector, call: Received) -> None:
    """It waited, rows were gathered, the model computed: one after the other, without a gap."""
    queue, gather, compute = collector.children(call)
    assert [queue.name, gather.name, compute.name] == ["queue", "gather", "compute"]
    assert (queue.end_ns, gather.end_ns) == (gather.start_ns, compute.start_ns)
    assert compute.start_ns < compute.end_ns


@pytest.mark.long
def test_a_call_over_http_is_part_of_its_callers_trace(
    collector: Collector, models: RunningServer
) -> None:
    trace = trace_id()
    assert ask(models, traceparent=f"00-{trace}-{SPAN_ID}-01").status_code == 200
    root = root_of(collector, trace)
    assert (root.name, root.kind, root.is_error) == ("infer", SERVER, False)
    assert root.attributes == {
        "http.request.method": "POST",
        "url.path": "/v1/infer",
        "http.response.status_code": 200,
    }
    assert root.resource["service.name"] == "gapless"
    (call,) = collector.children(root)
    assert call.attributes == {
        "gapless.model": "double",
        "gapless.version": "1",
        "gapless.rows": 1,
        "gapless.cached": False,
    }
    check_model_call(collector, call)
    check_tree(collector, root)


@pytest.mark.long
def test_a_call_of_nobodys_is_a_trace_of_its_own(
    collector: Collector, models: RunningServer
) -> None:
    before = len(collector.named("infer"))
    ask(models)
    ask(models, traceparent="nonsense")
    collector.wait_for(lambda came: len(came.named("infer")) == before + 2)
    one, other = collector.named("infer")[before:]
    assert one.parent_id == other.parent_id == b""
    assert one.trace_id != other.trace_id


@pytest.mark.long
def test_what_a_caller_does_not_record_is_not_recorded(
    collector: Collector, models: RunningServer
) -> None:
    silent, heard = trace_id(), trace_id()
    ask(models, traceparent=f"00-{silent}-{SPAN_ID}-00")
    ask(models, traceparent=f"00-{heard}-{SPAN_ID}-01")
    root_of(collector, heard)
    assert not roots(collector, silent)


@pytest.mark.long
def test_a_refused_question_says_its_code_and_nothing_else(
    collector: Collector, models: RunningServer
) -> None:
    trace = trace_id()
    refused = ask(models, values=3, traceparent=f"00-{trace}-{SPAN_ID}-01")
    assert refused.status_code == 400
    root = root_of(collector, trace)
    assert not root.is_error, "it is the caller's"
    (call,) = collector.children(root)
    assert call.is_error
    assert call.attributes == {"gapless.model": "double", "error.type": "model_error"}


@pytest.mark.long
def test_what_became_of_spans_is_counted(collector: Collector, models: RunningServer) -> None:
    def counted() -> dict[str, float]:
        lines = httpx.get(f"{models.url}/metrics").text.splitlines()
        spans = [line for line in lines if line.startswith("gapless_trace_spans_total")]
        return {line.split('"')[1]: float(line.split()[1]) for line in spans}

    before, others = counted()["sent"], len(collector.spans)
    trace = trace_id()
    ask(models, traceparent=f"00-{trace}-{SPAN_ID}-01")
    root_of(collector, trace)
    # It is counted once the collector has answered.
    wait_until(lambda: counted()["sent"] - before == len(collector.spans) - others, "the count")
    assert len(collector.spans) > others
    assert counted() | {"sent": 0} == {"sent": 0, "dropped": 0, "refused": 0}


@pytest.mark.long
def test_a_call_that_asks_no_model_leaves_no_trace(
    collector: Collector, models: RunningServer
) -> None:
    without, behind = trace_id(), trace_id()
    httpx.get(
        f"{models.url}/v2/models/double", headers={"traceparent": f"00-{without}-{SPAN_ID}-01"}
    )
    ask(models, traceparent=f"00-{behind}-{SPAN_ID}-01")
    root_of(collector, behind)
    assert not roots(collector, without)


@pytest.mark.long
def test_a_call_over_grpc_is_part_of_its_callers_trace(
    collector: Collector, models: RunningServer
) -> None:
    trace = trace_id()
    inputs = triton.InferInput("x", [1, 4], "FP32")
    inputs.set_data_from_numpy(np.ones((1, 4), np.float32))
    with triton.InferenceServerClient(models.grpc) as client:
        client.infer("double", [inputs], headers={"traceparent": f"00-{trace}-{SPAN_ID}-01"})
    root = root_of(collector, trace)
    assert (root.name, root.kind) == ("infer", SERVER)
    assert root.attributes == {"rpc.system": "grpc"}
    check_model_call(collector, *collector.children(root))
    check_tree(collector, root)


async def hear(url: str, audio: bytes) -> list[FinalMessage]:
    finals = []
    async with connect(f"{url}/v1/stream?sample_rate={LISTEN_RATE_HZ}") as socket:
        for start in range(0, len(audio), CHUNK_BYTES):
            await socket.send(audio[start : start + CHUNK_BYTES])
            await asyncio.sleep(0.01)
        await socket.send('{"type":"stop"}')
        async for frame in socket:
            message = decode_server(frame)
            if isinstance(message, FinalMessage):
                finals.append(message)
    return finals


def speech() -> bytes:
    """Two commands, with silence around each."""
    parts = [np.zeros(LISTEN_RATE_HZ, np.float32)]
    for name in ("01.opus", "02.opus"):
        parts += read_audio(SOUNDS / name, LISTEN_RATE_HZ)
        parts.append(np.zeros(LISTEN_RATE_HZ, np.float32))
    return (np.concatenate(parts) * 32_767).astype("<i2").tobytes()


@pytest.mark.long
def test_an_utterance_is_one_trace_from_its_first_sample_to_its_final_sent(
    collector: Collector, tmp_path: Path
) -> None:
    settings = Settings(
        port=0, data_dir=str(tmp_path), model="commands-en", traces_url=collector.url
    )
    with Engine(settings) as engine:
        engine.start()
        with running_server(engine) as server:
            finals = asyncio.run(hear(server.ws_url, speech()))
    assert len(finals) >= 2
    # The server has stopped, and has sent them all before.
    for final in finals:
        (root,) = (
            span
            for span in collector.named("utterance")
            if span.attributes["gapless.utterance"] == final.utt
        )
        check_utterance(collector, root, final)
    for span in collector.spans:
        said = f"{span.name} {span.attributes} {span.resource}".lower()
        assert not any(final.text.lower() in said for final in finals), (
            "texts are nobody's business"
        )


def check_utterance(collector: Collector, root: Received, final: FinalMessage) -> None:
    assert root.parent_id == b""
    assert root.attributes | {"gapless.session": "", "gapless.final_after_ms": 0.0} == {
        "gapless.session": "",
        "gapless.dialect": "native",
        "gapless.model": "commands-en",
        "gapless.utterance": final.utt,
        "gapless.start_ms": final.start_ms,
        "gapless.end_ms": final.end_ms,
        "gapless.audio_ms": final.end_ms - final.start_ms,
        "gapless.outcome": "final",
        "gapless.sent": True,
        "gapless.final_after_ms": 0.0,
    }
    check_tree(collector, root)
    chunks = collector.children(root, "chunk")
    assert sum(chunk.attributes["gapless.audio_ms"] for chunk in chunks) >= (
        final.end_ms - final.start_ms
    )
    for chunk in chunks:
        queue, hearing = collector.children(chunk)
        assert (queue.name, hearing.name) == ("queue", "hear")
        assert queue.end_ns == hearing.start_ns
        assert [part.name for part in collector.children(hearing)] == ["clean"]
    for window in collector.children(root, "vad"):
        check_model_call(collector, window)
    (recognised,) = collector.children(root, "recognise")
    place, *steps = collector.children(recognised)
    (finish,) = collector.children(recognised, "finish")
    steps.remove(finish)
    assert place.name == "place"
    assert {step.name for step in steps} == {"step"}
    for step in steps:
        check_model_call(collector, step)
    (endpoint,) = collector.children(root, "endpoint")
    (store,) = collector.children(root, "store")
    (send,) = collector.children(root, "send")
    assert [part.name for part in collector.children(store)] == ["queue", "write"]
    # It was over, then understood, then kept, then told.
    assert endpoint.end_ns <= recognised.end_ns <= store.start_ns
    assert store.end_ns <= send.start_ns
    assert send.end_ns == root.end_ns
    after_ms = (root.end_ns - endpoint.start_ns) / 1e6
    assert root.attributes["gapless.final_after_ms"] == pytest.approx(after_ms, abs=0.001)


@pytest.mark.long
def test_without_the_setting_nothing_of_opentelemetry_is_loaded() -> None:
    program = """
import sys
from gapless.serve.app import create_app
from gapless.settings import Settings
from gapless.testing.services import ScriptedServices
import asyncio
async def main():
    with ScriptedServices(Settings()) as services:
        create_app(services)
asyncio.run(main())
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
