"""The server for gRPC over real sockets: its door, its bounds, clients that break off, and its end."""

from __future__ import annotations

import asyncio
import gzip
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
import tritonclient.grpc as triton

from gapless.errors import ConfigError
from gapless.infer.contract import ModelLimits
from gapless.infer.engine.statistics import ModelStatistics
from gapless.infer.inference import Inference
from gapless.infer.wire import messages
from gapless.serve.kserve.grpc_bounds import MAX_FIELDS
from gapless.serve.kserve.grpc_call import MAX_MESSAGE_BYTES, MAX_SMALL_BYTES
from gapless.serve.kserve.grpc_health import MAX_WATCHERS
from gapless.serve.kserve.grpc_server import MAX_CALLS
from gapless.serve.kserve.grpc_stream import MAX_IN_FLIGHT
from gapless.settings import Settings
from gapless.testing.models import FixedModels, Gate, double, gated, running_sum
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

pytestmark = pytest.mark.long

PATIENCE_S = 20.0
TIGHT = ModelLimits(buckets=(1,), max_waiting_rows=2)
WIDE = ModelLimits(buckets=(1,), max_waiting_rows=1000)

INFER = f"/{messages.SERVICE}/ModelInfer"
STREAM = f"/{messages.SERVICE}/ModelStreamInfer"


class Edge:
    """A server and a plain channel to it."""

    def __init__(self, running: RunningServer, inference: Inference, gate: Gate) -> None:
        assert running.grpc is not None
        self.address = running.grpc
        self.server = running.server
        self.inference = inference
        self.gate = gate
        """Of the model ``gated``, which runs one row at a time."""
        self.channel = grpc.insecure_channel(
            self.address,
            [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)],
        )

    def call(self, path: str, data: bytes = b"", **more: Any) -> bytes:
        answer: bytes = self.channel.unary_unary(path)(data, timeout=PATIENCE_S, **more)
        return answer

    def refusal(self, path: str, data: bytes = b"", **more: Any) -> Any:
        with pytest.raises(grpc.RpcError) as refused:
            self.call(path, data, **more)
        return refused.value

    def works(self) -> bool:
        data = self.call(INFER, request_for("double"))
        read = messages.ModelInferResponse.FromString(data)
        return bool(np.frombuffer(read.raw_output_contents[0], "<f4").tolist() == [2, 2, 2, 2])

    def statistics(self, model: str) -> ModelStatistics:
        return next(each for each in self.inference.statistics() if each.name == model)

    def health(self, service: str = "") -> str:
        data = self.call("/grpc.health.v1.Health/Check", health_request(service))
        return health_status(data)


@contextmanager
def open_edge(limits: ModelLimits = WIDE, **settings: Any) -> Iterator[Edge]:
    model, gate = gated(limits=limits)
    with (
        Inference(FixedModels(double(), running_sum(), model)) as inference,
        ScriptedServices(
            Settings(port=0, grpc_port=0, save=False, **settings), inference=inference
        ) as services,
    ):
        try:
            with running_server(services) as running:
                edge = Edge(running, inference, gate)
                with edge.channel:
                    yield edge
        finally:
            gate.open()


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with open_edge() as edge:
        yield edge


def request_for(model: str, value: float = 1, width: int = 4, **parameters: Any) -> bytes:
    request = messages.ModelInferRequest(
        model_name=model,
        inputs=[{"name": "x", "datatype": "FP32", "shape": (1, width)}],
        raw_input_contents=[np.full((1, width), value, "<f4").tobytes()],
    )
    for name, given in parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(given)]
        setattr(request.parameters[name], kind, given)
    data: bytes = request.SerializeToString()
    return data


def health_request(service: str = "") -> bytes:
    data: bytes = messages.HealthCheckRequest(service=service).SerializeToString()
    return data


def health_status(data: bytes) -> str:
    kind = messages.HealthCheckResponse
    name: str = kind.ServingStatus.Name(kind.FromString(data).status)
    return name


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


class Requests:
    """The sending half of a stream."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send(self, data: bytes) -> None:
        self._waiting.put(data)

    def close(self) -> None:
        self._waiting.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while (data := self._waiting.get()) is not None:
            yield data


@contextmanager
def open_stream(edge: Edge) -> Iterator[tuple[Requests, Any]]:
    requests = Requests()
    call = edge.channel.stream_stream(STREAM)(iter(requests))
    try:
        yield requests, call
    finally:
        requests.close()
        call.cancel()


def answer_of(call: Any) -> Any:
    return messages.ModelStreamInferResponse.FromString(next(call))


# --- health ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", messages.SERVICE, messages.HEALTH_SERVICE])
def test_the_health_of_what_is_here_can_be_checked(edge: Edge, service: str) -> None:
    assert edge.health(service) == "SERVING"


def test_a_service_that_is_not_here_is_not_found(edge: Edge) -> None:
    refused = edge.refusal("/grpc.health.v1.Health/Check", health_request("nobody"))

    assert refused.code() is grpc.StatusCode.NOT_FOUND


def test_a_watcher_is_told_of_the_end() -> None:
    with open_edge() as edge:
        watch = edge.channel.unary_stream("/grpc.health.v1.Health/Watch")
        known, unknown = watch(health_request(messages.SERVICE)), watch(health_request("nobody"))
        assert health_status(next(known)) == "SERVING"
        assert health_status(next(unknown)) == "SERVICE_UNKNOWN"

        edge.server.should_exit = True

        assert [health_status(data) for data in known] == ["NOT_SERVING"]
        assert list(unknown) == []


def test_the_number_of_watchers_is_bounded(edge: Edge) -> None:
    watch = edge.channel.unary_stream("/grpc.health.v1.Health/Watch")
    watchers = [watch(health_request()) for _ in range(MAX_WATCHERS)]
    try:
        assert [health_status(next(each)) for each in watchers] == ["SERVING"] * MAX_WATCHERS
        with pytest.raises(grpc.RpcError, match="ask with Check") as refused:
            next(watch(health_request()))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        for each in watchers:
            each.cancel()

    def there_is_room_again() -> bool:
        call = watch(health_request())
        try:
            return health_status(next(call)) == "SERVING"
        except grpc.RpcError:
            return False
        finally:
            call.cancel()

    eventually(there_is_room_again)


# --- the door -------------------------------------------------------------------------------------


def test_a_server_with_a_key_lets_nobody_in_without_it() -> None:
    with open_edge(api_key="open sesame") as edge:
        for path in (INFER, STREAM, f"/{messages.SERVICE}/RepositoryIndex", "/nobody/Knows"):
            for metadata in (
                (),
                (("authorization", "Bearer no"),),
                (("x-api-key", "open sesame!"),),
                (("authorization", "Basic b3BlbiBzZXNhbWU="),),
            ):
                refused = edge.refusal(path, metadata=metadata)
                assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
                assert "open sesame" not in refused.details()
        for metadata in (
            (("authorization", "Bearer open sesame"),),
            (("x-api-key", "open sesame"),),
        ):
            assert edge.call(INFER, request_for("double"), metadata=metadata)
        assert edge.health() == "SERVING"
        assert edge.call(f"/{messages.SERVICE}/ServerLive")
        assert edge.call(f"/{messages.SERVICE}/ServerReady")


def test_tritonclient_brings_the_key_as_a_header() -> None:
    with open_edge(api_key="k") as edge, triton.InferenceServerClient(edge.address) as client:
        assert client.get_model_metadata("double", headers={"authorization": "Bearer k"})
        with pytest.raises(Exception, match="needs a key"):
            client.get_model_metadata("double")


@pytest.mark.parametrize(
    "method", ["SystemSharedMemoryStatus", "CudaSharedMemoryRegister", "TraceSetting", "Nonsense"]
)
def test_what_is_not_done_here_says_so(edge: Edge, method: str) -> None:
    refused = edge.refusal(f"/{messages.SERVICE}/{method}")

    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "is not done here; docs/reference/kserve-grpc.md lists what is" in refused.details()


def test_a_port_that_is_taken_stops_the_start(edge: Edge) -> None:
    port = int(edge.address.rpartition(":")[2])
    settings = Settings(port=0, grpc_port=port, save=False)
    with (
        ScriptedServices(settings, inference=edge.inference) as services,
        pytest.raises(ConfigError, match="choose another with --grpc-port"),
        running_server(services),
    ):
        pass

    assert edge.works()


# --- what nobody should send ----------------------------------------------------------------------

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no message": (lambda: b"\xff" * 100, "INVALID_ARGUMENT"),
    "half a message": (lambda: request_for("double")[:-3], "INVALID_ARGUMENT"),
    "nothing": (lambda: b"", "NOT_FOUND"),
    "a name of 100,000 letters": (lambda: request_for("m" * 100_000), "NOT_FOUND"),
    "inputs of nothing": (lambda: b"\x2a\x00" * (MAX_FIELDS + 1), "RESOURCE_EXHAUSTED"),
    "more than a message may hold": (
        lambda: bytes(MAX_MESSAGE_BYTES + 1),
        "RESOURCE_EXHAUSTED",
    ),
    "a row too wide": (lambda: request_for("double", width=5), "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize(("make", "code"), HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_refused_and_the_server_goes_on(
    edge: Edge, make: Callable[[], bytes], code: str
) -> None:
    refused = edge.refusal(INFER, make())

    assert refused.code() is grpc.StatusCode[code]
    assert edge.works()


def test_a_request_that_unpacks_to_more_than_may_be_sent_is_refused(edge: Edge) -> None:
    bomb = bytes(MAX_MESSAGE_BYTES + 1)
    assert len(gzip.compress(bomb, 1)) < MAX_MESSAGE_BYTES / 100

    refused = edge.refusal(INFER, bomb, compression=grpc.Compression.Gzip)

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert edge.works()


def test_a_question_without_tensors_is_small(edge: Edge) -> None:
    path = f"/{messages.SERVICE}/ModelMetadata"
    name = "m" * (MAX_SMALL_BYTES + 1)

    refused = edge.refusal(path, messages.ModelMetadataRequest(name=name).SerializeToString())
    no_message = edge.refusal(path, b"\xff")

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert no_message.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_answers_what_cannot_be_read_and_goes_on(edge: Edge) -> None:
    with open_stream(edge) as (requests, call):
        requests.send(b"\xff")
        first = answer_of(call)
        requests.send(
            messages.ModelInferRequest(
                id="7", model_name="double", raw_input_contents=[b""]
            ).SerializeToString()
        )
        second = answer_of(call)
        requests.send(request_for("double"))
        third = answer_of(call)

    assert "is no message" in first.error_message
    assert (second.error_message != "", second.infer_response.id) == (True, "7")
    code = second.infer_response.parameters["gapless-error-code"].string_param
    assert code == "invalid_request"
    assert third.infer_response.model_name == "double"


# --- clients that do not wait ---------------------------------------------------------------------


def test_a_call_that_is_taken_back_is_never_run() -> None:
    with open_edge() as edge:
        ask = edge.channel.unary_unary(INFER)
        runs = ask.future(request_for("gated"))
        edge.gate.wait_for_arrival()
        waits = ask.future(request_for("gated"))
        late = ask.future(request_for("gated"), timeout=0.2)
        eventually(lambda: edge.statistics("gated").waiting_rows == 2)

        waits.cancel()
        eventually(lambda: edge.statistics("gated").waiting_rows == 0)
        edge.gate.open()

        assert runs.result(PATIENCE_S)
        assert late.exception(PATIENCE_S).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert edge.statistics("gated").calls == 1


def test_a_row_that_waited_for_too_long_is_not_run() -> None:
    with open_edge() as edge:
        runs = edge.channel.unary_unary(INFER).future(request_for("gated"))
        edge.gate.wait_for_arrival()

        refused = edge.refusal(INFER, request_for("gated", timeout=50_000))
        edge.gate.open()

        assert refused.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert dict(refused.trailing_metadata())["gapless-error-code"] == "deadline_exceeded"
        assert runs.result(PATIENCE_S)
        assert edge.statistics("gated").calls == 1


def test_a_full_queue_says_when_to_come_back() -> None:
    with open_edge(TIGHT) as edge:
        ask = edge.channel.unary_unary(INFER)
        calls = [ask.future(request_for("gated"))]
        edge.gate.wait_for_arrival()
        calls += [ask.future(request_for("gated")) for _ in range(2)]
        eventually(lambda: edge.statistics("gated").waiting_rows == 2)

        refused = edge.refusal(INFER, request_for("gated"))
        edge.gate.open()

        metadata = dict(refused.trailing_metadata())
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert metadata["gapless-error-code"] == "overloaded"
        assert int(metadata["grpc-retry-pushback-ms"]) > 0
        assert all(call.result(PATIENCE_S) for call in calls)


def test_a_stream_that_is_broken_off_takes_back_its_rows_and_ends_its_sequences() -> None:
    with open_edge() as edge:
        with open_stream(edge) as (requests, call):
            requests.send(request_for("running_sum", width=3, sequence_id=1, sequence_start=True))
            answer_of(call)
            for _ in range(4):
                requests.send(request_for("gated"))
            edge.gate.wait_for_arrival()
            eventually(lambda: edge.statistics("gated").waiting_rows == 3)
            assert edge.statistics("running_sum").sequences == 1

            call.cancel()
            eventually(lambda: edge.statistics("gated").waiting_rows == 0)
            eventually(lambda: edge.statistics("running_sum").sequences == 0)
        edge.gate.open()

        assert edge.works()
        assert edge.statistics("gated").calls == 1


def test_a_stream_that_is_closed_in_order_leaves_its_sequences_open() -> None:
    with open_edge() as edge:
        with open_stream(edge) as (requests, call):
            requests.send(request_for("running_sum", width=3, sequence_id="s", sequence_start=True))
            requests.close()
            assert [len(data) > 0 for data in call] == [True]

        data = edge.call(
            INFER, request_for("running_sum", width=3, sequence_id="s", sequence_end=True)
        )

        raw = messages.ModelInferResponse.FromString(data).raw_output_contents[0]
        assert np.frombuffer(raw, "<f4").tolist() == [2, 2, 2]
        eventually(lambda: edge.statistics("running_sum").sequences == 0)


def test_a_stream_has_a_bounded_number_of_requests_under_way() -> None:
    with open_edge() as edge, open_stream(edge) as (requests, call):
        for _ in range(3 * MAX_IN_FLIGHT):
            requests.send(request_for("gated"))
        edge.gate.wait_for_arrival()
        eventually(lambda: edge.statistics("gated").waiting_rows == MAX_IN_FLIGHT - 1)
        time.sleep(0.2)
        assert edge.statistics("gated").waiting_rows == MAX_IN_FLIGHT - 1

        edge.gate.open()
        requests.close()
        assert sum(1 for _ in call) == 3 * MAX_IN_FLIGHT


def test_the_number_of_calls_is_bounded(edge: Edge) -> None:
    async def fill_and_empty() -> None:
        async with grpc.aio.insecure_channel(edge.address) as channel:
            calls = [channel.stream_stream(STREAM)() for _ in range(MAX_CALLS)]
            for call in calls:
                await call.write(request_for("double"))
            for call in calls:
                assert await call.read()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(INFER)(request_for("double"))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for call in calls:
                await call.done_writing()
            for call in calls:
                assert await call.read() is grpc.aio.EOF

    asyncio.run(fill_and_empty())

    assert edge.works()


# --- the end --------------------------------------------------------------------------------------


def test_a_server_that_stops_answers_what_came_and_tells_its_streams() -> None:
    with open_edge() as edge, open_stream(edge) as (requests, call):
        requests.send(request_for("gated"))
        edge.gate.wait_for_arrival()
        waits = edge.channel.unary_unary(INFER).future(request_for("gated"))
        eventually(lambda: edge.statistics("gated").waiting_rows == 1)

        edge.server.should_exit = True
        eventually(lambda: not answers(edge))
        edge.gate.open()

        assert waits.result(PATIENCE_S)
        assert answer_of(call).infer_response.model_name == "gated"
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "the server is stopping" in ended.value.details()


def answers(edge: Edge) -> bool:
    try:
        return edge.health() == "SERVING"
    except grpc.RpcError:
        return False


COME_AND_GO = """
import gc, threading, time
from pathlib import Path
import tritonclient.grpc
from gapless.infer.inference import Inference
from gapless.settings import Settings
from gapless.testing.models import FixedModels, double
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

def once():
    with (
        Inference(FixedModels(double())) as inference,
        ScriptedServices(Settings(port=0, grpc_port=0, save=False), inference=inference) as services,
        running_server(services) as running,
        tritonclient.grpc.InferenceServerClient(running.grpc) as client,
    ):
        assert client.get_model_metadata("double")

def held():
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

def settled():
    end = time.monotonic() + 20
    while threading.active_count() > 1 and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    return held()

once()
first = settled()
for _ in range(3):
    once()
print(*first, *settled())
"""


def test_servers_that_come_and_go_leave_nothing_behind() -> None:
    # In a process of its own: gRPC's threads serve all of a process, and those of other tests come and go.
    result = subprocess.run(
        [sys.executable, "-c", COME_AND_GO], capture_output=True, text=True, check=True, timeout=60
    )

    files, threads, files_later, threads_later = map(int, result.stdout.split()[-4:])
    assert files_later <= files
    assert threads == threads_later == 1
