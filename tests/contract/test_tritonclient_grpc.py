"""The models of a real server, called over gRPC by tritonclient as it is: blocking, asyncio and streams."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.http as triton_http
from onnx import TensorProto, helper, numpy_helper, save_model
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from gapless.infer.contract import Model, ModelInfo, TensorInfo
from gapless.infer.inference import Inference
from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.repository.manifest import Manifest
from gapless.infer.wire.tensors import DATATYPES
from gapless.settings import Settings
from gapless.testing.models import (
    FixedModels,
    FunctionModel,
    double,
    mirror,
    picky,
    row_sums,
    running_sum,
    upper,
)
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

SETTINGS = Settings(port=0, grpc_port=0, save=False)
SAMPLES: dict[str, list[Any]] = {
    name: [b"", b"\x00\xff"] if name == "BYTES" else [0, 1] for name in DATATYPES
}


def every_type() -> FunctionModel:
    """A model that gives back what it gets, of every type at once."""
    tensors = tuple(TensorInfo(name, name, (2,)) for name in DATATYPES)
    info = ModelInfo(name="every_type", platform="python", inputs=tensors, outputs=tensors)
    return FunctionModel(info, lambda inputs: {name: inputs[name].copy() for name in DATATYPES})


def dense(folder: Path) -> Model:
    """A real ONNX model: ``x`` FP32 [rows, 3] -> ``y`` FP32 [rows, 2], a matrix product and a rectifier."""
    weights = np.random.default_rng(5).standard_normal((3, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["y"]),
        ],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    file = folder / "model.onnx"
    opset = helper.make_opsetid("", 17)
    save_model(helper.make_model(graph, opset_imports=[opset], ir_version=9), file)
    return OnnxLoader(provider="cpu")("dense", "1", Manifest(), file)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    models = FixedModels(
        dense(tmp_path_factory.mktemp("dense")),
        double(),
        double(version="3"),
        every_type(),
        mirror(),
        picky(),
        row_sums(),
        running_sum(),
        upper(),
    )
    with (
        Inference(models) as inference,
        ScriptedServices(SETTINGS, inference=inference) as services,
        running_server(services) as running,
    ):
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Any]:
    with triton.InferenceServerClient(server.grpc) as client:
        yield client


@pytest.fixture
def http(server: RunningServer) -> Iterator[Any]:
    with triton_http.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def tensor(name: str, array: Any, library: Any = triton) -> Any:
    tensor = library.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def rows(*values: float, width: int = 4) -> Any:
    return np.repeat(np.array(values, np.float32)[:, np.newaxis], width, axis=1)


def status_of(error: InferenceServerException) -> str:
    return str(error.status()).removeprefix("StatusCode.")


# --- what is here ---------------------------------------------------------------------------------


def test_the_server_tells_what_it_is(client: Any) -> None:
    metadata = client.get_server_metadata(as_json=True)

    assert client.is_server_live()
    assert client.is_server_ready()
    assert metadata["name"] == "gapless"
    assert {"sequence", "sequence(string_id)", "statistics"} <= set(metadata["extensions"])


def test_a_model_tells_what_it_takes_and_gives(client: Any) -> None:
    metadata = client.get_model_metadata("double")
    config = client.get_model_config("running_sum").config

    assert list(metadata.versions) == ["1", "3"]
    assert [(x.name, x.datatype, list(x.shape)) for x in metadata.inputs] == [
        ("x", "FP32", [-1, 4])
    ]
    assert config.max_batch_size == 8
    assert [output.name for output in config.output] == ["sum", "steps"]
    assert config.HasField("sequence_batching")
    assert list(client.get_model_metadata("dense").outputs[0].shape) == [-1, 2]


def test_a_model_that_is_not_here_is_not_ready_and_is_not_found(client: Any) -> None:
    assert client.is_model_ready("double")
    assert client.is_model_ready("double", "3")
    assert not client.is_model_ready("double", "2")
    assert not client.is_model_ready("nobody")
    for ask in (client.get_model_metadata, client.get_model_config):
        with pytest.raises(InferenceServerException, match="no model") as refused:
            ask("nobody")
        assert status_of(refused.value) == "NOT_FOUND"


def test_the_statistics_count_what_was_asked(client: Any) -> None:
    def counted() -> tuple[int, int, int]:
        (stats,) = client.get_inference_statistics("row_sums").model_stats
        return stats.inference_count, stats.execution_count, stats.inference_stats.success.count

    before = counted()
    client.infer("row_sums", [tensor("x", rows(1, 2, 3))])
    after = counted()

    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 1, 1]
    everything = client.get_inference_statistics().model_stats
    assert {"double", "every_type", "upper"} <= {stats.name for stats in everything}


def test_a_model_is_unloaded_and_loaded_again(client: Any) -> None:
    def index() -> dict[str, tuple[str, str]]:
        found = client.get_model_repository_index().models
        return {f"{each.name} {each.version}": (each.state, each.reason) for each in found}

    assert index()["mirror 1"] == ("READY", "")
    client.unload_model("mirror")
    assert index()["mirror 1"] == ("UNAVAILABLE", "unloaded")
    assert not client.is_model_ready("mirror")
    client.load_model("mirror")
    assert index()["mirror 1"] == ("READY", "")
    with pytest.raises(InferenceServerException, match="configured by its folder"):
        client.load_model("mirror", config="{}")
    with pytest.raises(InferenceServerException) as refused:
        client.load_model("nobody")
    assert status_of(refused.value) == "NOT_FOUND"


# --- questions and answers ------------------------------------------------------------------------


def test_an_answer_carries_the_model_the_version_and_the_id(client: Any) -> None:
    result = client.infer("double", [tensor("x", rows(1, 2))], request_id="r-7")

    assert result.as_numpy("y").tolist() == [[2] * 4, [4] * 4]
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("double", "3", "r-7")
    older = client.infer("double", [tensor("x", rows(1))], model_version="1").get_response()
    assert older.model_version == "1"


def test_every_type_of_tensor_travels_both_ways(client: Any) -> None:
    given = {name: np.array(SAMPLES[name], DATATYPES[name]) for name in DATATYPES}

    result = client.infer("every_type", [tensor(name, array) for name, array in given.items()])

    for name, array in given.items():
        back = result.as_numpy(name)
        assert back.dtype == array.dtype
        assert back.tolist() == array.tolist()


def test_only_the_outputs_that_were_asked_for_come_in_the_order_asked(client: Any) -> None:
    wanted = [triton.InferRequestedOutput("steps"), triton.InferRequestedOutput("sum")]
    x = tensor("x", rows(5, width=3))

    response = client.infer("running_sum", [x], outputs=wanted).get_response()
    only = client.infer("running_sum", [x], outputs=wanted[:1]).get_response()

    assert [output.name for output in response.outputs] == ["steps", "sum"]
    assert [output.name for output in only.outputs] == ["steps"]
    assert len(only.raw_output_contents) == 1


def test_texts_and_models_without_a_batch_axis_are_served_too(client: Any) -> None:
    texts = np.array([["grüße".encode()], [b"b"]], object)

    shouted = client.infer("upper", [tensor("text", texts)]).as_numpy("shouted")
    back = client.infer("mirror", [tensor("x", np.array([1, 2, 3], np.float32))]).as_numpy("y")

    assert shouted.tolist() == [["grüße".encode().upper()], [b"B"]]
    assert back.tolist() == [3, 2, 1]


@pytest.mark.parametrize(("model", "name", "width"), [("dense", "x", 3), ("double", "x", 4)])
def test_the_same_model_gives_the_same_bytes_over_grpc_and_http(
    client: Any, http: Any, model: str, name: str, width: int
) -> None:
    x = np.random.default_rng(7).standard_normal((3, width)).astype(np.float32)

    over_grpc = client.infer(model, [tensor(name, x)]).as_numpy("y")
    over_http = http.infer(model, [tensor(name, x, triton_http)]).as_numpy("y")

    assert over_grpc.any()
    assert over_grpc.tobytes() == over_http.tobytes()
    assert over_grpc.shape == over_http.shape


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_read(client: Any, algorithm: str) -> None:
    result = client.infer(
        "double", [tensor("x", rows(1, 2))], compression_algorithm=algorithm, priority=2
    )

    assert result.as_numpy("y").tolist() == [[2] * 4, [4] * 4]


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no such model": ("nobody", {"x": rows(1)}, "NOT_FOUND", "no model"),
    "a missing input": ("double", {}, "INVALID_ARGUMENT", "x"),
    "an unknown input": (
        "double",
        {"x": rows(1), "z": rows(1)},
        "INVALID_ARGUMENT",
        "z",
    ),
    "a wrong shape": ("double", {"x": rows(1, width=5)}, "INVALID_ARGUMENT", "x"),
    "a wrong type": ("double", {"x": np.zeros((1, 4), np.int32)}, "INVALID_ARGUMENT", "x"),
    "too many dimensions": ("double", {"x": np.zeros((1, 4, 1), np.float32)}, "INVALID_ARGUMENT", "x"),
    "a value that is no number": ("double", {"x": rows(np.nan)}, "INVALID_ARGUMENT", "x"),
    "a model that fails": ("picky", {"x": rows(-999)}, "INTERNAL", "does not like"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "inputs", "code", "word"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_ends_with_a_status_and_the_next_call_works(
    client: Any, model: str, inputs: dict[str, Any], code: str, word: str
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        client.infer(model, [tensor(name, array) for name, array in inputs.items()])

    assert status_of(refused.value) == code
    assert word in refused.value.message()
    assert client.infer("double", [tensor("x", rows(1))]).as_numpy("y").tolist() == [[2] * 4]


def test_an_output_that_does_not_exist_is_refused(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="nothing") as refused:
        client.infer(
            "double", [tensor("x", rows(1))], outputs=[triton.InferRequestedOutput("nothing")]
        )

    assert status_of(refused.value) == "INVALID_ARGUMENT"


def test_answers_come_to_callbacks(client: Any) -> None:
    outcomes: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
    for value in (1, 2):
        client.async_infer(
            "double",
            [tensor("x", rows(value))],
            lambda result, error: outcomes.put((result, error)),
        )
    client.async_infer("nobody", [], lambda result, error: outcomes.put((result, error)))

    results, errors = zip(*[outcomes.get(timeout=30) for _ in range(3)], strict=True)

    assert sorted(r.as_numpy("y")[0, 0] for r in results if r) == [2, 4]
    assert [status_of(error) for error in errors if error] == ["NOT_FOUND"]


# --- sequences ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [41, 2**62, "call-1"])
def test_a_sequence_has_its_state_from_step_to_step(client: Any, sequence: int | str) -> None:
    sums = [
        client.infer(
            "running_sum",
            [tensor("x", rows(value, width=3))],
            sequence_id=sequence,
            sequence_start=value == 1,
            sequence_end=value == 3,
        ).as_numpy("sum")[0, 0]
        for value in (1, 2, 3)
    ]

    assert sums == [1, 3, 6]
    with pytest.raises(InferenceServerException, match="mark its first step") as refused:
        client.infer("running_sum", [tensor("x", rows(1, width=3))], sequence_id=sequence)
    assert status_of(refused.value) == "INVALID_ARGUMENT"


def test_a_sequence_goes_on_whichever_way_its_steps_come(client: Any, http: Any) -> None:
    def step(caller: Any, library: Any, value: float, **more: Any) -> float:
        x = tensor("x", rows(value, width=3), library)
        result = caller.infer("running_sum", [x], sequence_id=77, **more)
        return float(result.as_numpy("sum")[0, 0])

    assert step(client, triton, 1, sequence_start=True) == 1
    assert step(http, triton_http, 10) == 11
    assert step(client, triton, 100, sequence_end=True) == 111


# --- streams --------------------------------------------------------------------------------------


class Stream:
    """A stream of tritonclient's, with its answers in the order in which they came."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        client.start_stream(lambda result, error: self.answers.put((result, error)))

    def send(self, model: str, x: Any, **more: Any) -> None:
        self.client.async_stream_infer(model, [tensor("x", x)], **more)

    def next(self) -> tuple[Any, Any]:
        return self.answers.get(timeout=30)

    def result(self) -> Any:
        result, error = self.next()
        assert error is None, error
        return result


@pytest.fixture
def stream(client: Any) -> Iterator[Stream]:
    yield Stream(client)
    client.stop_stream()


@pytest.mark.long
def test_the_steps_of_a_sequence_are_answered_in_their_order(stream: Stream) -> None:
    steps = 50
    for number in range(steps):
        for sequence in (5, "six"):
            stream.send(
                "running_sum",
                rows(1, width=3),
                request_id=f"{sequence}:{number}",
                sequence_id=sequence,
                sequence_start=number == 0,
                sequence_end=number == steps - 1,
            )
    seen: dict[str, list[tuple[int, float]]] = {"5": [], "six": []}
    for _ in range(2 * steps):
        result = stream.result()
        sequence, number = result.get_response().id.split(":")
        seen[sequence].append((int(number), result.as_numpy("sum")[0, 0]))

    assert seen["5"] == seen["six"] == [(n, n + 1) for n in range(steps)]


def test_an_error_comes_within_the_stream_which_goes_on(stream: Stream) -> None:
    stream.send("nobody", rows(1), request_id="a")
    result, error = stream.next()
    assert result is None
    assert "no model" in error.message()

    stream.send("double", rows(1, width=5), request_id="b")
    assert "x" in stream.next()[1].message()

    stream.send("running_sum", rows(1, width=3), sequence_id=8)
    assert "mark its first step" in stream.next()[1].message()

    stream.send("double", rows(1), request_id="c")
    assert stream.result().as_numpy("y").tolist() == [[2] * 4]


def test_the_final_answer_is_marked_where_that_is_asked_for(stream: Stream) -> None:
    stream.send("double", rows(1), enable_empty_final_response=True)
    marked = stream.result().get_response().parameters
    stream.send("double", rows(1))
    plain = stream.result().get_response().parameters

    assert marked["triton_final_response"].bool_param
    assert "triton_final_response" not in plain


@pytest.mark.long
def test_what_was_sent_before_a_stream_is_closed_is_answered(client: Any) -> None:
    stream = Stream(client)
    for _ in range(200):
        stream.send("double", rows(1))
    client.stop_stream()

    assert stream.answers.qsize() == 200
    assert all(stream.next()[1] is None for _ in range(200))


# --- asyncio --------------------------------------------------------------------------------------


def test_many_asyncio_calls_share_batches(server: RunningServer) -> None:
    async def ask() -> list[float]:
        async with triton_aio.InferenceServerClient(server.grpc) as client:
            results = await asyncio.gather(
                *(client.infer("double", [tensor("x", rows(value))]) for value in range(64))
            )
            assert await client.is_model_ready("double")
            return [result.as_numpy("y")[0, 0] for result in results]

    assert asyncio.run(ask()) == [2 * value for value in range(64)]


def test_an_asyncio_stream_answers_every_request(server: RunningServer) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number in range(5):
            yield {
                "model_name": "running_sum",
                "inputs": [tensor("x", rows(1, width=3))],
                "sequence_id": 3,
                "sequence_start": number == 0,
                "sequence_end": number == 4,
            }
        yield {"model_name": "nobody", "inputs": []}

    async def ask() -> tuple[list[float], list[str]]:
        sums, errors = [], []
        async with triton_aio.InferenceServerClient(server.grpc) as client:
            async for result, error in client.stream_infer(requests()):
                if error is None:
                    sums.append(result.as_numpy("sum")[0, 0])
                else:
                    errors.append(error.message())
        return sums, errors

    sums, errors = asyncio.run(ask())

    assert sums == [1, 2, 3, 4, 5]
    assert len(errors) == 1
    assert "no model" in errors[0]
