"""gRPC messages to questions and back: what clients send, and what they should not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gapless.errors import GaplessError, ProtocolError, TooLargeError
from gapless.infer.inference import Result
from gapless.infer.wire import messages
from gapless.infer.wire.tensors import decode
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.grpc_bounds import (
    MAX_FIELDS,
    MAX_STRUCTURE_BYTES,
    check_request_bytes,
)
from gapless.serve.kserve.grpc_codec import (
    fill_answer,
    mark_final,
    read_question,
    read_request,
    wants_final_mark,
)
from gapless.serve.kserve.grpc_service import within
from gapless.serve.kserve.messages import CallParameters


def request_with(**fields: Any) -> Any:
    return messages.ModelInferRequest(model_name="m", **fields)


def tensor(datatype: str = "FP32", shape: tuple[int, ...] = (2,), **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": shape, **more}


TYPED: dict[str, tuple[str, list[Any]]] = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-(2**15), 2**15 - 1]),
    "INT32": ("int_contents", [-(2**31), 2**31 - 1]),
    "INT64": ("int64_contents", [-(2**63), 2**63 - 1]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 2**16 - 1]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "FP32": ("fp32_contents", [0.5, -1.5]),
    "FP64": ("fp64_contents", [0.1, -1e300]),
    "BYTES": ("bytes_contents", [b"", b"\x00\xff"]),
}


@pytest.mark.parametrize("datatype", TYPED)
def test_typed_contents_of_every_type_are_read(datatype: str) -> None:
    field, elements = TYPED[datatype]
    request = request_with(inputs=[tensor(datatype, contents={field: elements})])

    array = read_question(request).inputs["x"]

    assert array.tolist() == elements


def test_raw_contents_belong_to_the_inputs_in_their_order() -> None:
    x, y = np.array([1, 2], "<f4"), np.array([[3], [4]], "<i8")
    request = request_with(
        id="7",
        inputs=[tensor(), {"name": "y", "datatype": "INT64", "shape": (2, 1)}],
        outputs=[{"name": "b"}, {"name": "a"}],
        raw_input_contents=[x.tobytes(), y.tobytes()],
    )

    question = read_question(request)

    assert question.id == "7"
    assert list(question.outputs) == ["b", "a"]
    assert question.inputs["x"].tolist() == [1, 2]
    assert question.inputs["y"].tolist() == [[3], [4]]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "raw and typed": (
        {
            "inputs": [tensor(contents={"fp32_contents": [1, 2]})],
            "raw_input_contents": [bytes(8)],
        },
        "send one of them",
    ),
    "fewer raw contents than inputs": (
        {"inputs": [tensor(), tensor() | {"name": "y"}], "raw_input_contents": [bytes(8)]},
        "2 inputs and 1 raw_input_contents",
    ),
    "more raw contents than inputs": ({"raw_input_contents": [b""]}, "0 inputs and 1"),
    "raw contents too short": (
        {"inputs": [tensor()], "raw_input_contents": [bytes(7)]},
        "has 7 bytes",
    ),
    "raw contents too long": (
        {"inputs": [tensor()], "raw_input_contents": [bytes(9)]},
        "has 9 bytes",
    ),
    "no contents": ({"inputs": [tensor()]}, "has 0 elements in fp32_contents"),
    "contents in the wrong place": (
        {"inputs": [tensor(contents={"fp64_contents": [1, 2]})]},
        "has 0 elements in fp32_contents",
    ),
    "an element out of range": (
        {"inputs": [tensor("INT8", (1,), contents={"int_contents": [128]})]},
        "no INT8",
    ),
    "a negative length": ({"inputs": [tensor(shape=(-1,))]}, "cannot be negative"),
    "a huge shape": (
        {"inputs": [tensor(shape=(2**40, 2**40))], "raw_input_contents": [bytes(8)]},
        "has 8 bytes",
    ),
    "a huge shape of texts": (
        {"inputs": [tensor("BYTES", (2**62,))], "raw_input_contents": [bytes(8)]},
        "does not hold",
    ),
    "too many dimensions": ({"inputs": [tensor(shape=(1,) * 99)]}, "99 dimensions"),
    "an unknown type": ({"inputs": [tensor("BF16")]}, "unknown datatype 'BF16'"),
    "half floats as typed contents": ({"inputs": [tensor("FP16")]}, "no typed contents"),
    "an input twice": ({"inputs": [tensor(shape=(0,)), tensor(shape=(0,))]}, "is given twice"),
    "an output twice": ({"outputs": [{"name": "y"}, {"name": "y"}]}, "asked for twice"),
    "classification": (
        {"outputs": [{"name": "y", "parameters": {"classification": {"int64_param": 3}}}]},
        "not done here",
    ),
    "shared memory in": (
        {"inputs": [tensor(parameters={"shared_memory_region": {"string_param": "r"}})]},
        "no shared memory",
    ),
    "shared memory out": (
        {"outputs": [{"name": "y", "parameters": {"shared_memory_region": {"string_param": "r"}}}]},
        "no shared memory",
    ),
    "a sequence that is no name": (
        {"parameters": {"sequence_id": {"double_param": 1.5}}},
        "parameters cannot be used",
    ),
    "a negative timeout": (
        {"parameters": {"timeout": {"int64_param": -1}}},
        "parameters cannot be used",
    ),
}


@pytest.mark.parametrize(("fields", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_breaks_the_protocol_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        read_question(request_with(**fields))


def test_parameters_are_read_whatever_their_type_on_the_wire() -> None:
    request = request_with(
        parameters={
            "sequence_id": {"uint64_param": 2**64 - 1},
            "sequence_start": {"bool_param": True},
            "sequence_end": {"bool_param": False},
            "priority": {"uint64_param": 2},
            "timeout": {"int64_param": 5000},
            "unknown": {"string_param": "is passed over"},
            "empty": {},
        }
    )

    assert read_question(request).parameters == CallParameters(
        sequence_id=2**64 - 1, sequence_start=True, priority=2, timeout=5000
    )
    request.parameters["sequence_id"].string_param = "call-1"
    assert read_question(request).parameters.sequence_id == "call-1"
    assert read_question(request_with()).parameters == CallParameters()


@pytest.mark.parametrize(
    ("asked", "remaining_s", "timeout"),
    [(None, None, None), (None, 0.5, 500_000), (100, 0.5, 100), (0, 0.5, 500_000), (9, -1, 1)],
)
def test_the_nearer_deadline_counts(
    asked: int | None, remaining_s: float | None, timeout: int | None
) -> None:
    question = Question(inputs={}, parameters=CallParameters(timeout=asked))

    assert within(question, remaining_s).parameters.timeout == timeout


def result_with(**outputs: Any) -> Result:
    return Result(model="m", version="3", outputs=outputs, queue_ns=0, compute_ns=0, rows=1)


def test_an_answer_is_raw_contents_in_the_order_that_was_asked_for() -> None:
    texts = np.array([b"a", b"bc"], object)
    result = result_with(x=np.array([[1, 2]], np.float32), t=texts)
    response = messages.ModelInferResponse()

    fill_answer(response, result, Question(id="q", inputs={}, outputs={"t": True, "x": True}))

    read = service_pb2.ModelInferResponse.FromString(response.SerializeToString())
    assert (read.model_name, read.model_version, read.id) == ("m", "3", "q")
    assert [output.name for output in read.outputs] == ["t", "x"]
    assert [output.datatype for output in read.outputs] == ["BYTES", "FP32"]
    assert [list(output.shape) for output in read.outputs] == [[2], [1, 2]]
    assert decode(read.raw_output_contents[0], "BYTES", (2,), "t").tolist() == [b"a", b"bc"]
    assert read.raw_output_contents[1] == np.array([1, 2], np.float32).tobytes()
    assert not any(output.HasField("contents") for output in read.outputs)


def test_an_answer_holds_every_output_where_none_was_asked_for() -> None:
    response = messages.ModelInferResponse()

    fill_answer(response, result_with(a=np.zeros(1), b=np.ones(1)), Question(inputs={}))

    assert [output.name for output in response.outputs] == ["a", "b"]


def test_the_final_answer_is_marked_where_that_was_asked_for() -> None:
    request = request_with()
    assert not wants_final_mark(request)
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    assert wants_final_mark(request)

    response = messages.ModelInferResponse()
    mark_final(response)

    assert response.parameters["triton_final_response"].bool_param is True


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


BOMBS: dict[str, Callable[[], bytes]] = {
    "inputs of nothing": lambda: b"\x2a\x00" * (MAX_FIELDS + 1),
    "raw contents of nothing": lambda: b"\x3a\x00" * (MAX_FIELDS + 1),
    "a shape of millions": lambda: b"\x2a" + varint(2**24) + bytes(2**24),
    "a name of millions": lambda: b"\x0a" + varint(2**24) + b"n" * 2**24,
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_request_that_would_swell_is_refused_unread(make: Callable[[], bytes]) -> None:
    with pytest.raises(TooLargeError):
        check_request_bytes(make())


def test_raw_contents_may_be_as_large_as_the_message() -> None:
    data = request_with(raw_input_contents=[bytes(MAX_STRUCTURE_BYTES + 1)]).SerializeToString()

    check_request_bytes(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_an_error_of_ours(data: bytes) -> None:
    try:
        request = read_request(data)
    except GaplessError:
        return
    assert request.SerializeToString() is not None


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=5),
        "raw_input_contents": st.lists(st.binary(max_size=300), max_size=5),
        "inputs": st.lists(st.just(tensor()), max_size=3),
        "outputs": st.lists(st.just({"name": "y"}), max_size=3),
    },
)


@pytest.mark.long
@given(FIELDS, st.binary(max_size=9))
def test_what_is_well_formed_is_read_as_it_was_written(fields: Any, unknown: bytes) -> None:
    request = request_with(**fields)
    later_version = b"\xfa\x3f" + varint(len(unknown)) + unknown  # field 1023, with a length
    numbers = b"\xf8\x3f\x96\x01" + b"\xf9\x3f" + bytes(8) + b"\xfd\x3f" + bytes(4)

    read = read_request(request.SerializeToString() + later_version + numbers)

    assert read_question_fields(read) == read_question_fields(request)


def read_question_fields(request: Any) -> tuple[Any, ...]:
    return (
        request.id,
        list(request.raw_input_contents),
        list(request.inputs),
        list(request.outputs),
    )
