"""``/metrics`` of real servers under use: exact figures, and every metric that is declared has a source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gapless.audio.types import Samples
from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.clean.mic.control import respond
from gapless.clean.mic.endpoint import Endpoint as MicEndpoint
from gapless.clean.mic.places import runtime_folder
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.running import RunningMic
from gapless.infer.inference import Inference
from gapless.infer.triton.endpoint import Endpoint, EndpointStats
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages
from gapless.jobs.runner import Runner
from gapless.serve.metrics.declared import BY_FAMILY, SUPPRESSED
from gapless.settings import GuardName, Settings
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device
from gapless.testing.jobs_ears import ScriptedEars
from gapless.testing.models import FixedModels, FunctionModel, double
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices
from gapless.testing.trace_collector import running_collector
from gapless.testing.triton_channel import FakeTriton

KEY = "secret"

LoadSpeech = Callable[[str], Samples]


class Scrape:
    """What a server said."""

    def __init__(self, found: list[Metric]) -> None:
        self.found = found
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in found
            for sample in family.samples
        }
        assert len(self._values) == sum(len(family.samples) for family in found), "a series twice"

    def __call__(self, metric: str, **labels: str) -> float:
        """One value; 0: nobody has counted anything."""
        return self._values.get((metric, frozenset(labels.items())), 0.0)


def scraped(url: str, **headers: str) -> Scrape:
    response = httpx.get(f"{url}/metrics", headers={"x-api-key": KEY, **headers}, timeout=30)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape(list(text_string_to_metric_families(response.text)))


def scraped_until(url: str, condition: Callable[[Scrape], bool]) -> Scrape:
    """A scrape of a moment later, for what is counted after its client was answered."""
    ends_at = time.monotonic() + 20
    while True:
        scrape = scraped(url)
        if condition(scrape):
            return scrape
        assert time.monotonic() < ends_at, "it was never counted"
        time.sleep(0.01)


class RemoteModel(FunctionModel):  # type: ignore[misc]  # final for everybody else
    """A model with a Triton server behind it, as the pool sees one."""

    def __init__(self) -> None:
        super().__init__(replace(double().info, name="remote"), double().run)
        triton = FakeTriton(lambda *_: messages.ModelInferResponse(model_name="remote"))
        self.endpoint = Endpoint(
            "triton:8001",
            "remote",
            TritonOptions(urls=("triton:8001",), min_channels=0, max_channels=5),
            triton.connect,
            clock=lambda: time.monotonic_ns() // 1_000_000,
            random=lambda: 0.5,
            wake=lambda: None,
        )

    def endpoints(self) -> list[EndpointStats]:
        return [self.endpoint.stats()]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of models that has a key."""
    remembered = FunctionModel(replace(double().info, digest="d1"), double().run)
    with ExitStack() as stack:
        inference = stack.enter_context(Inference(FixedModels(remembered, RemoteModel())))
        collector = stack.enter_context(running_collector())
        services = ScriptedServices(
            Settings(
                port=0,
                grpc_port=0,
                tensor_model="double",
                api_key=KEY,
                data_dir=str(tmp_path),
                save=False,
                traces_url=collector.url,
            ),
            inference=inference,
        )
        yield stack.enter_context(running_server(stack.enter_context(services)))


@pytest.fixture
def heard(tmp_path: Path, inference: Inference) -> Iterator[RunningServer]:
    """A server that hears, and keeps what it heard."""
    with ExitStack() as stack:
        settings = Settings(
            port=0, api_key=KEY, data_dir=str(tmp_path), job_workers=1, save_inferences=True
        )
        store = SqliteStore(tmp_path / "transcripts.db")
        stack.callback(store.close)
        recogniser = ScriptedRecogniser()
        runner = Runner(settings, ScriptedEars(inference, recogniser), store.queue)
        stack.enter_context(runner)
        runner.start()
        services = ScriptedServices(settings, recogniser, store, inference=inference, jobs=runner)
        yield stack.enter_context(running_server(stack.enter_context(services)))


def ask(server: RunningServer, path: str, *, body: Any = None) -> httpx.Response:
    method = "GET" if body is None else "POST"
    return httpx.request(
        method, f"{server.url}{path}", json=body, headers={"x-api-key": KEY}, timeout=30
    )


def talk(server: RunningServer, audio: Samples) -> None:
    """One stream from its first sample to its end."""
    sound = (audio * 32_767).astype("<i2").tobytes()

    async def main() -> None:
        url = f"{server.ws_url}/v1/stream"
        async with connect(url, additional_headers={"x-api-key": KEY}) as socket:
            for start in range(0, len(sound), 3200):
                await socket.send(sound[start : start + 3200])
            await socket.send('{"type":"configure","language":"nowhere"}')
            await socket.send('{"type":"stop"}')
            try:
                async with asyncio.timeout(30):
                    while True:
                        await socket.recv()
            except ConnectionClosed:
                return

    asyncio.run(main())


@pytest.mark.long
def test_requests_to_models(asked: RunningServer) -> None:
    for _ in range(3):
        assert ask(asked, "/v1/infer", body={"inputs": {"x": [1, 2, 3, 4]}}).status_code == 200
    assert ask(asked, "/v1/infer", body={"inputs": {"y": [1]}}).status_code == 400
    assert ask(asked, "/v2/models/double").status_code == 200
    assert httpx.get(f"{asked.url}/v2/models/double").status_code == 401
    assert ask(asked, "/v2/models/none").status_code == 404

    found = scraped(asked.url)

    infer = {"dialect": "native", "method": "POST", "route": "/v1/infer"}
    about = {"dialect": "kserve", "method": "GET", "route": "/v2/models/{model}"}
    assert found("gapless_requests_total", **infer, status="200") == 3
    assert found("gapless_requests_total", **infer, status="400") == 1
    assert found("gapless_request_duration_seconds_count", **infer) == 4
    assert found("gapless_requests_total", **about, status="200") == 1
    assert found("gapless_requests_total", **about, status="404") == 1
    assert found("gapless_rejects_total", dialect="kserve", reason="unauthorized") == 1
    assert found("gapless_rejects_total", dialect="kserve", reason="model_not_found") == 1
    assert found("gapless_rejects_total", dialect="native", reason="invalid_request") == 1
    model = {"model": "double", "version": "1"}
    assert found("gapless_model_calls_total", **model) == 1
    assert found("gapless_model_requests_total", **model, outcome="ok") == 1
    assert found("gapless_model_queue_seconds_count", **model) == 1
    assert found("gapless_model_step_seconds_count", **model) == 1
    assert found("gapless_model_batch_rows_bucket", **model, le="1.0") == 1
    assert found("gapless_cache_misses_total", namespace="inference") == 1
    assert found("gapless_cache_hits_total", namespace="inference", tier="memory") >= 2
    assert found("gapless_workers") == found("gapless_workers_ready") == 1
    assert found("gapless_process_cpu_seconds_total") > 0
    assert found("gapless_event_loop_lateness_seconds_count") > 0


@pytest.mark.long
def test_calls_over_grpc(asked: RunningServer) -> None:
    ready = "/inference.GRPCInferenceService/ModelReady"
    question = messages.ModelReadyRequest(name="double").SerializeToString()
    with grpc.insecure_channel(asked.grpc) as channel:
        for path, key in ((ready, KEY), (ready, "wrong"), ("/made.up/Method", KEY)):
            call = channel.unary_unary(path)
            with suppress(grpc.RpcError):
                call(question, metadata=(("x-api-key", key),), timeout=20)

    found = scraped(asked.url)

    known = {"dialect": "grpc", "method": "GRPC", "route": ready}
    unmatched = {"dialect": "grpc", "method": "GRPC", "route": "unmatched"}
    assert found("gapless_requests_total", **known, status="OK") == 1
    assert found("gapless_request_duration_seconds_count", **known) == 1
    assert found("gapless_requests_total", **unmatched, status="UNAUTHENTICATED") == 1
    assert found("gapless_requests_total", **unmatched, status="UNIMPLEMENTED") == 1
    assert found("gapless_rejects_total", dialect="grpc", reason="unauthorized") == 1


@pytest.mark.long
def test_a_stream_is_seen_while_it_lasts_and_counted_when_it_is_over(
    heard: RunningServer, load_speech: LoadSpeech
) -> None:
    speech = load_speech("sentence.flac")

    async def while_it_lasts() -> Scrape:
        url = f"{heard.ws_url}/v1/stream"
        async with connect(url, additional_headers={"x-api-key": KEY}) as socket:
            await socket.recv()
            return await asyncio.to_thread(scraped, heard.url)

    live = asyncio.run(while_it_lasts())
    talk(heard, speech)
    assert ask(heard, "/metrics?scope=nothing").status_code == 400
    over = scraped_until(
        heard.url,
        lambda scrape: scrape("gapless_streams", dialect="native", state="live") == 0,
    )

    assert live("gapless_streams", dialect="native", state="live") == 1
    upgrade = {"dialect": "native", "method": "WEBSOCKET", "route": "/v1/stream"}
    assert over("gapless_requests_total", **upgrade, status="101") == 2
    assert over("gapless_request_duration_seconds_count", **upgrade) == 2
    assert over("gapless_streams_opened_total", dialect="native") == 2
    chunks = -(-len(speech) * 2 // 3200)
    assert over("gapless_stream_lag_seconds_count", dialect="native") == chunks
    # One of the stream, one of the request.
    assert over("gapless_rejects_total", dialect="native", reason="invalid_request") == 2
    assert over("gapless_recogniser_places", model="scripted") == 4
    assert over("gapless_recogniser_places_used", model="scripted") == 0
    assert over("gapless_store_rows_written_total") > 0
    writes = over("gapless_store_operation_seconds_count", operation="write")
    assert writes >= over("gapless_store_operation_seconds_count", operation="commit") > 0


@pytest.mark.long
def test_reads_of_the_store_by_what_was_asked(heard: RunningServer) -> None:
    assert ask(heard, "/v1/transcripts").status_code == 200
    assert ask(heard, "/v1/transcripts?q=hello").status_code == 200
    assert ask(heard, "/v1/transcripts?q=hallo").status_code == 200
    assert ask(heard, "/v1/transcripts/none").status_code == 404

    found = scraped(heard.url)

    counts = {
        operation: found("gapless_store_operation_seconds_count", operation=operation)
        for operation in ("list", "search", "get")
    }
    assert counts == {"list": 1, "search": 2, "get": 1}
    assert found("gapless_store_connection_wait_seconds_count") >= 4
    assert found("gapless_store_connections", state="lent") == 0
    assert found("gapless_store_connections", state="idle") >= 1


@pytest.mark.long
def test_a_key_is_needed_and_both_formats_are_spoken(asked: RunningServer) -> None:
    refused = httpx.get(f"{asked.url}/metrics")
    newer = httpx.get(
        f"{asked.url}/metrics",
        headers={"x-api-key": KEY, "accept": "application/openmetrics-text; version=1.0.0"},
    )
    wrong = ask(asked, "/metrics?scope=world")

    assert refused.status_code == 401
    assert newer.headers["content-type"].startswith("application/openmetrics-text")
    names = [family.name for family in read_openmetrics(newer.text)]  # type: ignore[no-untyped-call]
    assert "gapless_workers" in names
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "scope")


@pytest.mark.long
def test_texts_that_were_dropped_are_told_by_guard() -> None:
    class Suspicious(ScriptedServices):  # type: ignore[misc]  # final for everybody else
        def suppressed(self) -> dict[str, dict[GuardName, int]]:
            return {"whisper": {"no_speech": 3, "repetition": 0}}

    with Suspicious(Settings(port=0, api_key=KEY)) as services, running_server(services) as server:
        found = scraped(server.url)

    assert found("gapless_suppressed_texts_total", model="whisper", guard="no_speech") == 3


@pytest.mark.long
def test_every_metric_has_a_source_and_none_is_undeclared(
    heard: RunningServer,
    asked: RunningServer,
    tmp_path: Path,
    load_speech: LoadSpeech,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    sound = FakeSound(make_device("built_in", default=True))
    mic = RunningMic(MicPlan(name="Mic"), open_engine=FakeMicEngine, find_server=sound.find)
    mic.tick()
    ask(asked, "/v1/infer", body={"model": "remote", "inputs": {"x": [1, 2, 3, 4]}})
    share = httpx.put(
        f"{asked.url}/v1/flags", json={"flags": {"answers": "50%"}}, headers={"x-api-key": KEY}
    )
    assert share.status_code == 200, share.text
    ask(asked, "/v1/infer", body={"inputs": {"x": [1, 2, 3, 4]}})
    talk(heard, load_speech("sentence.flac"))

    with MicEndpoint("Mic", runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})) as endpoint:
        endpoint.answer(lambda line, token: respond(line, mic, token))
        found = {
            family.name: family for family in (*scraped(heard.url).found, *scraped(asked.url).found)
        }
    mic.close()

    assert set(found) | {SUPPRESSED.family} == set(BY_FAMILY)
    for name, family in found.items():
        declared = BY_FAMILY[name]
        assert (family.type, family.documentation) == (declared.kind, declared.says)
        for sample in family.samples:
            own = set(sample.labels) - {"le", "quantile"}
            assert own == set(declared.labels), sample


@pytest.mark.long
def test_a_redis_that_is_not_there_is_an_open_breaker(tmp_path: Path) -> None:
    cache = open_cache(
        CacheOptions(
            budget_bytes=1 << 20, redis_url=f"unix://{tmp_path}/nowhere.sock", redis_timeout_ms=50
        )
    )
    remembered = FunctionModel(replace(double().info, digest="d1"), double().run)
    with (
        Inference(FixedModels(remembered)) as inference,
        ScriptedServices(
            Settings(port=0, tensor_model="double", api_key=KEY), inference=inference, cache=cache
        ) as services,
        running_server(services) as server,
    ):
        before = scraped(server.url)
        ask(server, "/v1/infer", body={"inputs": {"x": [1, 2, 3, 4]}})
        found = scraped(server.url)

    assert before("gapless_breaker_opened_total", breaker="redis") in (0, 1)
    assert found("gapless_breaker_opened_total", breaker="redis") == 1
    states = {
        state: found("gapless_breaker_state", breaker="redis", state=state)
        for state in ("closed", "half-open", "open")
    }
    assert states["closed"] == 0
    assert sum(states.values()) == 1
    assert found("gapless_cache_hits_total", namespace="inference", tier="redis") == 0
