"""KServe over HTTP, as NVIDIA's own client knows it: unmodified, against a real server and real models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException

from gapless.infer.contract import Array, ModelInfo, ModelLimits, TensorInfo
from gapless.infer.inference import Inference, Request
from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.open import open_inference
from gapless.infer.repository.manifest import Manifest
from gapless.infer.wire.tensors import DATATYPES, datatype_of
from gapless.serve.kserve.facts import EXTENSIONS
from gapless.settings import Settings
from gapless.testing.models import (
    FixedModels,
    FunctionModel,
    Gate,
    double,
    gated,
    mirror,
    picky,
    running_sum,
    upper,
)
from gapless.testing.server import RunningServer, running_server
from gapless.testing.services import ScriptedServices

T = TypeVar("T")


def echo(datatype: str) -> FunctionModel:
    """``x`` [any] of a type -> ``y``: the same."""
    x = TensorInfo(name="x", datatype=datatype, shape=(-1,))
    y = TensorInfo(name="y", datatype=datatype, shape=(-1,))
    info = ModelInfo(
        name=f"echo_{datatype}",
        platform="python",
        inputs=(x,),
        outputs=(y,),
        batched=True,
        allows_nan=True,
    )
    return FunctionModel(info, lambda inputs: {"y": inputs["x"].copy()})


def write_linear(path: Path) -> None:
    """An ONNX file: ``x`` FP32 [rows, 3] -> ``y`` FP32 [rows, 2]."""
    weights = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


@pytest.fixture(scope="module")
def gated_model() -> tuple[FunctionModel, Gate]:
    return gated(limits=ModelLimits(max_waiting_rows=1))


@pytest.fixture(scope="module")
def inference(
    tmp_path_factory: pytest.TempPathFactory, gated_model: tuple[FunctionModel, Gate]
) -> Iterator[Inference]:
    path = tmp_path_factory.mktemp("linear") / "model.onnx"
    write_linear(path)
    models = FixedModels(
        double(),
        double(version="2"),
        upper(),
        running_sum(),
        mirror(),
        picky(),
        gated_model[0],
        OnnxLoader(provider="cpu")("linear", "1", Manifest(), path),
        *map(echo, DATATYPES),
    )
    with Inference(models) as engine:
        yield engine


@pytest.fixture(scope="module")
def server(inference: Inference) -> Iterator[RunningServer]:
    with (
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as running,
    ):
        yield running


@pytest.fixture
def address(server: RunningServer) -> str:
    """As tritonclient takes it."""
    return server.url.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address, concurrency=4) as client:
        yield client


def tensor(array: Array, name: str = "x", *, binary: bool = True) -> Any:
    given = triton.InferInput(name, list(array.shape), datatype_of(array))
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def floats(*values: float) -> Array:
    """One row."""
    return np.array([values], np.float32)


def texts(*values: bytes) -> Array:
    array = np.empty((1, len(values)), np.object_)
    array[0] = values
    return array


# --- server and models --------------------------------------------------------------------------


def test_the_server_lives_is_ready_and_says_what_it_can(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()

    metadata = client.get_server_metadata()

    assert metadata["name"] == "gapless"
    assert tuple(metadata["extensions"]) == EXTENSIONS


def test_a_model_is_ready_and_one_that_is_not_here_is_not(client: Any) -> None:
    assert client.is_model_ready("double")
    assert client.is_model_ready("double", "1")
    assert not client.is_model_ready("double", "3")
    assert not client.is_model_ready("nothing")


def test_metadata_tell_versions_and_shapes_with_the_batch_axis(client: Any) -> None:
    metadata = client.get_model_metadata("double")

    assert metadata == {
        "name": "double",
        "versions": ["1", "2"],
        "platform": "python",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }
    assert client.get_model_metadata("mirror")["inputs"][0]["shape"] == [-1]
    assert client.get_model_metadata("linear", "1")["platform"] == "onnxruntime_onnx"


def test_the_configuration_is_tritons_with_whole_numbers(client: Any) -> None:
    config = client.get_model_config("double", "1")

    assert config["name"] == "double"
    assert config["max_batch_size"] == 8
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert config["input"][0]["dims"] == [4]
    assert config["dynamic_batching"]["preferred_batch_size"] == [1, 2, 4, 8]
    state = client.get_model_config("running_sum")["sequence_batching"]["state"][0]
    assert (state["input_name"], state["dims"]) == ("before", [2, 3])


def test_statistics_count_rows_calls_and_time(client: Any) -> None:
    before = client.get_inference_statistics("mirror", "1")["model_stats"][0]

    for _ in range(3):
        client.infer("mirror", [tensor(np.ones(5, np.float32))])

    (after,) = client.get_inference_statistics("mirror")["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 3
    assert after["execution_count"] - before["execution_count"] == 3
    success = after["inference_stats"]["success"]
    assert success["count"] - before["inference_stats"]["success"]["count"] == 3
    assert success["ns"] > before["inference_stats"]["success"]["ns"]
    assert [batch["batch_size"] for batch in after["batch_stats"]] == [1]
    assert after["last_inference"] > 0


def test_statistics_of_all_models_have_every_version(client: Any) -> None:
    stats = client.get_inference_statistics()["model_stats"]

    named = {(each["name"], each["version"]) for each in stats}
    assert {("double", "1"), ("double", "2"), ("linear", "1")} <= named


# --- inference ----------------------------------------------------------------------------------


def test_binary_tensors_go_in_and_come_out(client: Any) -> None:
    answer = client.infer("linear", [tensor(floats(1, 2, 3))], request_id="q")

    assert answer.as_numpy("y").tolist() == [[4, 5]]
    response = answer.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == (
        "q",
        "linear",
        "1",
    )
    assert answer.get_output("y")["parameters"] == {"binary_data_size": 8}


@pytest.mark.parametrize(
    ("datatype", "binary"),
    [
        (datatype, binary)
        for datatype in sorted(set(DATATYPES) - {"BYTES"})
        for binary in (True, False)
        if binary or datatype != "FP16"
    ],
)
def test_every_type_of_number_comes_back_as_it_went(
    client: Any, datatype: str, binary: bool
) -> None:
    dtype = np.dtype(DATATYPES[datatype])
    bits = 8 * dtype.itemsize
    extremes = {"i": [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1], "u": [0, 2**bits - 1]}
    values = extremes.get(dtype.kind, [0, 1])
    array = np.array([values], dtype)

    answer = client.infer(
        f"echo_{datatype}",
        [tensor(array, binary=binary)],
        outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
    )

    assert answer.as_numpy("y").dtype == dtype
    assert answer.as_numpy("y").tolist() == array.tolist()
    assert ("parameters" in answer.get_output("y")) == binary


def test_fp16_in_json_is_refused_with_the_way_out(client: Any) -> None:
    array = np.ones((1, 2), np.float16)

    with pytest.raises(InferenceServerException, match="binary tensor") as caught:
        client.infer("echo_FP16", [tensor(array, binary=False)])
    assert caught.value.status() == "400"
    asked = triton.InferRequestedOutput("y", binary_data=False)
    with pytest.raises(InferenceServerException, match="binary tensor"):
        client.infer("echo_FP16", [tensor(array)], outputs=[asked])


@pytest.mark.parametrize("binary", [True, False])
def test_texts_come_back_whatever_they_hold(client: Any, binary: bool) -> None:
    array = texts("gr\u00fc\u00df".encode(), b"", b"x" * 1000)

    answer = client.infer(
        "echo_BYTES",
        [tensor(array, binary=binary)],
        outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
    )

    got = answer.as_numpy("y")
    assert got.shape == (1, 3)
    assert [value.encode() if isinstance(value, str) else value for value in got[0]] == [*array[0]]


def test_bytes_that_are_no_text_come_back_as_bytes_only(client: Any) -> None:
    array = texts(b"\xff\x00")

    answer = client.infer("echo_BYTES", [tensor(array)])

    assert answer.as_numpy("y").tolist() == [[b"\xff\x00"]]
    asked = triton.InferRequestedOutput("y", binary_data=False)
    with pytest.raises(InferenceServerException, match="no UTF-8"):
        client.infer("echo_BYTES", [tensor(array)], outputs=[asked])


def test_empty_tensors_travel(client: Any) -> None:
    answer = client.infer("echo_FP32", [tensor(np.empty((1, 0), np.float32))])

    assert answer.as_numpy("y").shape == (1, 0)


@pytest.mark.parametrize("answered", [None, "gzip", "deflate"])
@pytest.mark.parametrize("asked", [None, "gzip", "deflate"])
def test_bodies_may_be_compressed_both_ways(
    client: Any, asked: str | None, answered: str | None
) -> None:
    array = np.arange(40_000, dtype=np.float32)[np.newaxis]

    answer = client.infer(
        "echo_FP32",
        [tensor(array)],
        request_compression_algorithm=asked,
        response_compression_algorithm=answered,
    )

    assert np.array_equal(answer.as_numpy("y"), array)


def test_a_version_may_be_named(client: Any) -> None:
    x = [tensor(floats(1, 2, 3, 4))]

    assert client.infer("double", x).get_response()["model_version"] == "2"
    assert client.infer("double", x, "1").get_response()["model_version"] == "1"


def test_async_infer_runs_many_at_a_time_and_each_gets_its_own(client: Any) -> None:
    pending = [
        client.async_infer("linear", [tensor(floats(number, 0, 0))], request_id=str(number))
        for number in range(16)
    ]

    answers = [request.get_result() for request in pending]

    assert [answer.as_numpy("y")[0, 0] for answer in answers] == list(range(16))
    assert [answer.get_response()["id"] for answer in answers] == [str(n) for n in range(16)]


# --- sequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [7, 2**64 - 1, "call-7"])
def test_steps_of_a_sequence_remember_and_its_end_forgets(client: Any, sequence: int | str) -> None:
    def step(value: float, **where: bool) -> list[float]:
        x = [tensor(floats(value, 0, 0))]
        answer = client.infer("running_sum", x, sequence_id=sequence, **where)
        return [float(answer.as_numpy("sum")[0, 0]), float(answer.as_numpy("steps")[0, 0])]

    assert step(1, sequence_start=True) == [1, 1]
    assert step(2) == [3, 2]
    assert step(3, sequence_start=True) == [3, 1]
    assert step(4, sequence_end=True) == [7, 2]
    with pytest.raises(InferenceServerException, match="start") as caught:
        step(5)
    assert caught.value.status() == "400"


def test_sequences_of_several_clients_do_not_mix(client: Any) -> None:
    for step in range(4):
        for sequence in range(1, 6):
            answer = client.infer(
                "running_sum",
                [tensor(floats(sequence, 0, 0))],
                sequence_id=sequence,
                sequence_start=step == 0,
                sequence_end=step == 3,
            )
            assert answer.as_numpy("sum")[0, 0] == sequence * (step + 1)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        (lambda c: c.infer("nothing", [tensor(floats(1))]), "404", "no model"),
        (lambda c: c.infer("double", [tensor(floats(1))], "9"), "404", "no model"),
        (lambda c: c.get_model_metadata("nothing"), "404", "no model"),
        (lambda c: c.get_model_config("nothing"), "404", "no model"),
        (lambda c: c.get_inference_statistics("nothing"), "404", "no model"),
        (lambda c: c.load_model("nothing"), "404", "no model"),
        (lambda c: c.unload_model("nothing"), "404", "no model"),
        (lambda c: c.load_model("double", config="{}"), "400", "folder"),
        (lambda c: c.infer("double", [tensor(floats(1, 2))]), "400", "takes FP32"),
        (lambda c: c.infer("double", [tensor(np.ones((1, 4)))]), "400", "takes FP32"),
        (lambda c: c.infer("double", [tensor(floats(1, 2, 3, 4), "z")]), "400", "x"),
        (lambda c: c.infer("double", []), "400", "x"),
        (
            lambda c: c.infer(
                "double",
                [tensor(floats(1, 2, 3, 4))],
                outputs=[triton.InferRequestedOutput("z")],
            ),
            "400",
            "no output",
        ),
        (
            lambda c: c.infer(
                "double",
                [tensor(floats(1, 2, 3, 4))],
                outputs=[triton.InferRequestedOutput("y", class_count=2)],
            ),
            "400",
            "classification",
        ),
        (
            lambda c: c.infer(
                "double", [tensor(floats(1, 2, 3, 4))], sequence_id=3, sequence_start=True
            ),
            "400",
            "no state",
        ),
        (lambda c: c.infer("picky", [tensor(floats(-999, 0, 0, 0))]), "500", "does not like"),
        (lambda c: c.get_system_shared_memory_status(), "404", "nothing at this address"),
    ],
)
def test_refusals_have_tritons_shape(
    client: Any, call: Callable[[Any], object], status: str, reason: str
) -> None:
    with pytest.raises(InferenceServerException, match=reason) as caught:
        call(client)

    assert caught.value.status() == status
    assert client.is_server_live()


def test_a_full_queue_and_a_passed_deadline_are_said_as_such(
    client: Any, inference: Inference, gated_model: tuple[FunctionModel, Gate]
) -> None:
    _, gate = gated_model
    x = floats(1, 2, 3, 4)
    request = Request(model="gated", inputs={"x": x})
    running = inference.submit(request, lambda _: None)
    gate.wait_for_arrival()
    try:
        with pytest.raises(InferenceServerException, match="in time") as late:
            client.infer("gated", [tensor(x)], timeout=1000)
        inference.submit(request, lambda _: None)
        with pytest.raises(InferenceServerException) as full:
            client.infer("gated", [tensor(x)])
    finally:
        gate.let_pass(2)
    assert (late.value.status(), full.value.status()) == ("504", "503")
    assert not running.cancel()


# --- repository ---------------------------------------------------------------------------------


def test_a_model_may_be_taken_out_and_brought_back(client: Any) -> None:
    x = [tensor(np.ones(2, np.float32))]

    client.unload_model("mirror")

    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert (index["mirror"]["state"], index["mirror"]["reason"]) == ("UNAVAILABLE", "unloaded")
    assert index["double"]["state"] == "READY"
    assert not client.is_model_ready("mirror")
    with pytest.raises(InferenceServerException):
        client.infer("mirror", x)

    client.load_model("mirror")

    assert client.is_model_ready("mirror")
    assert client.infer("mirror", x).as_numpy("y").tolist() == [1, 1]


@pytest.mark.long
def test_a_model_that_is_dropped_into_the_folder_is_loaded_broken_and_mended(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine" / "1" / "model.onnx"
    settings = Settings(port=0, save=False, models_dir=str(tmp_path), repository_poll_ms=0)
    x = [tensor(floats(1, 2, 3))]
    with (
        open_inference(settings) as inference,
        ScriptedServices(settings, inference=inference) as services,
        running_server(services) as running,
        triton.InferenceServerClient(running.url.removeprefix("http://")) as client,
    ):
        assert not client.is_model_ready("mine")

        file.parent.mkdir(parents=True)
        write_linear(file)
        client.load_model("mine")
        assert client.is_model_ready("mine")
        assert client.infer("mine", x).as_numpy("y").tolist() == [[4, 5]]

        file.write_bytes(b"this is no model")
        with pytest.raises(InferenceServerException) as caught:
            client.load_model("mine")
        assert caught.value.status() == "500"
        assert client.infer("mine", x).as_numpy("y").tolist() == [[4, 5]]

        write_linear(file)
        client.load_model("mine")
        assert client.is_model_ready("mine")
        named = [entry["name"] for entry in client.get_model_repository_index()]
        assert named == ["mine", "silero_vad"]


# --- the client for asyncio -----------------------------------------------------------------------


def with_aio_client(address: str, work: Callable[[Any], Awaitable[T]]) -> T:
    async def run() -> T:
        async with triton_aio.InferenceServerClient(address) as client:
            return await work(client)

    return asyncio.run(run())


def test_the_asyncio_client_knows_the_server_and_its_models(address: str) -> None:
    async def work(client: Any) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("double", "1")
        assert not await client.is_model_ready("nothing")
        assert (await client.get_server_metadata())["name"] == "gapless"
        assert (await client.get_model_metadata("linear"))["outputs"][0]["shape"] == [-1, 2]
        assert (await client.get_model_config("linear"))["backend"] == "onnxruntime"
        assert (await client.get_inference_statistics("linear"))["model_stats"]
        assert await client.get_model_repository_index()
        await client.unload_model("upper")
        assert not await client.is_model_ready("upper")
        await client.load_model("upper")
        assert await client.is_model_ready("upper")

    with_aio_client(address, work)


def test_the_asyncio_client_asks_many_at_a_time(address: str) -> None:
    async def work(client: Any) -> list[float]:
        answers = await asyncio.gather(
            *(client.infer("linear", [tensor(floats(number, 0, 0))]) for number in range(50))
        )
        return [float(answer.as_numpy("y")[0, 0]) for answer in answers]

    assert with_aio_client(address, work) == list(range(50))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_asyncio_client_compresses_both_ways(address: str, encoding: str) -> None:
    array = np.arange(1000, dtype=np.int32)[np.newaxis]

    async def work(client: Any) -> Any:
        return await client.infer(
            "echo_INT32",
            [tensor(array, binary=False)],
            request_compression_algorithm=encoding,
            response_compression_algorithm=encoding,
        )

    assert np.array_equal(with_aio_client(address, work).as_numpy("y"), array)


def test_the_asyncio_client_steps_through_a_sequence(address: str) -> None:
    async def work(client: Any) -> list[float]:
        sums = []
        for step in range(3):
            answer = await client.infer(
                "running_sum",
                [tensor(floats(2, 0, 0))],
                sequence_id="aio",
                sequence_start=step == 0,
                sequence_end=step == 2,
            )
            sums.append(float(answer.as_numpy("sum")[0, 0]))
        return sums

    assert with_aio_client(address, work) == [2, 4, 6]


def test_the_asyncio_client_is_told_what_is_wrong(address: str) -> None:
    async def work(client: Any) -> None:
        with pytest.raises(InferenceServerException, match="no model") as caught:
            await client.infer("nothing", [tensor(floats(1))])
        assert caught.value.status() == "404"

    with_aio_client(address, work)
