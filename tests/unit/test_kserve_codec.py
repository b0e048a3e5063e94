"""The bodies of KServe's inference requests: what the protocol allows is read, everything else is refused."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from gapless.errors import ProtocolError, TooLargeError
from gapless.infer.contract import Array, TensorInfo
from gapless.infer.inference import Result
from gapless.serve.kserve.codec import (
    Question,
    read_header_length,
    read_question,
    read_raw_question,
    write_answer,
)
from gapless.serve.kserve.elements import MAX_JSON_BYTES
from gapless.testing.models import double, mirror, upper


def tensor(data: Any = None, **changes: Any) -> dict[str, Any]:
    given = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": data}
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def body(*inputs: dict[str, Any], **fields: Any) -> bytes:
    return msgspec.json.encode({"inputs": inputs, **fields})


def answer(**outputs: Array) -> Result:
    return Result(model="m", version="3", outputs=outputs, queue_ns=1, compute_ns=2, rows=1)


def read_x(data: bytes) -> Any:
    return read_question(data, None).inputs["x"]


@pytest.mark.parametrize("data", [[1, 2, 3.5, 4], [[1, 2], [3.5, 4]]], ids=["flat", "nested"])
def test_data_in_json_may_be_flat_or_nested(data: list[Any]) -> None:
    x = read_x(body(tensor(data)))

    assert x.dtype == np.float32
    assert x.tolist() == [[1, 2], [3.5, 4]]


def test_bytes_in_json_are_texts() -> None:
    x = read_x(body(tensor(["ä", "b"], shape=[1, 2], datatype="BYTES")))

    assert x.tolist() == [["ä".encode(), b"b"]]


def test_empty_tensors_have_their_shape() -> None:
    assert read_x(body(tensor([], shape=[0, 4]))).shape == (0, 4)
    assert read_x(body(tensor([[], []], shape=[2, 0]))).shape == (2, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": [1, 2, 3]}, "shape"),
        ({"data": [[1, 2, 3, 4]]}, "shape"),
        ({"data": [[1, 2], [3]]}, "different lengths"),
        ({"data": [["a", "b"], ["c"]], "datatype": "BYTES"}, "different lengths"),
        ({"data": [1, 2, 3, "4"]}, "got `str`"),
        ({"data": [1, 2, 3, None]}, "got `null`"),
        ({"data": [1, 2, 3, True]}, "got `bool`"),
        ({"data": [1, 2, 3, 4.5], "datatype": "INT32"}, "got `float`"),
        ({"data": [1, 2, 3, 256], "datatype": "UINT8"}, "outside the range"),
        ({"data": [1, 2, 3, -1], "datatype": "UINT64"}, "outside the range"),
        ({"data": [1, 2, 3, 1e300]}, "outside the range"),
        ({"data": [1, 0, 1, 0], "datatype": "BOOL"}, "got `int`"),
        ({"data": [1, 2, 3, 4], "datatype": "BYTES"}, "got `int`"),
        ({"data": [1, 2, 3, 4], "datatype": "FP16"}, "binary"),
        ({"data": [1, 2, 3, 4], "datatype": "FP8"}, "unknown datatype"),
        ({"data": [1, 2, 3, 4], "shape": [-2, -2]}, ">= 0"),
        ({"data": {"a": 1}}, "got `object`"),
        ({"data": [1], "shape": [1] * 33}, "length"),
        ({}, "neither"),
        ({"data": [1, 2, 3, 4], "parameters": {"binary_data_size": 16}}, "both"),
        ({"parameters": {"shared_memory_region": "r"}}, "no shared memory"),
        ({"data": [1, 2, 3, 4], "name": ""}, "length"),
    ],
)
def test_an_input_that_is_not_what_it_says_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProtocolError, match=re.escape(reason)):
        read_question(body(tensor(**changes)), None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"inputs": 1}',
        b'{"id": "x"}',
        b'{"inputs": [], "id": "\xff"}',
        b'{"inputs": [], "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["\xff"]}]}',
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": '
        + b"[" * 100
        + b"1"
        + b"]" * 100
        + b"}]}",
        b'{"inputs": [], "parameters": {"timeout": -1}}',
        b'{"inputs": [], "parameters": {"sequence_id": 1.5}}',
    ],
)
def test_a_body_that_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_question(data, None)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(ProtocolError, match="twice"):
        read_question(body(tensor([1, 2, 3, 4]), tensor([1, 2, 3, 4])), None)
    with pytest.raises(ProtocolError, match="twice"):
        read_question(body(outputs=[{"name": "y"}, {"name": "y"}]), None)


def test_a_classification_is_refused() -> None:
    asked = [{"name": "y", "parameters": {"classification": 3}}]

    with pytest.raises(ProtocolError, match="classification"):
        read_question(body(outputs=asked), None)


def test_binary_tensors_follow_the_json_in_order_and_may_mix_with_json() -> None:
    head = body(
        tensor(parameters={"binary_data_size": 16}),
        tensor([7], name="n", shape=[1], datatype="INT64"),
        tensor(name="t", shape=[1], datatype="BYTES", parameters={"binary_data_size": 6}),
    )
    floats = np.arange(4, dtype="<f4")

    question = read_question(head + floats.tobytes() + b"\x02\0\0\0hi", len(head))

    assert question.inputs["x"].tolist() == [[0, 1], [2, 3]]
    assert question.inputs["n"].tolist() == [7]
    assert question.inputs["t"].tolist() == [b"hi"]


@pytest.mark.parametrize(
    ("size", "tail", "reason"),
    [
        (16, bytes(15), "are left"),
        (16, bytes(17), "belong to none"),
        (12, bytes(12), "needs 16"),
        (0, b"", "needs 16"),
        (10**18, bytes(16), "are left"),
    ],
)
def test_lengths_that_do_not_add_up_are_refused(size: int, tail: bytes, reason: str) -> None:
    head = body(tensor(parameters={"binary_data_size": size}))

    with pytest.raises(ProtocolError, match=reason):
        read_question(head + tail, len(head))


@pytest.mark.parametrize("shape", [[2**31, 2**31], [0, 2**62, 2**62], [2**63]])
def test_a_shape_of_billions_is_refused(shape: list[int]) -> None:
    head = body(tensor(shape=shape, parameters={"binary_data_size": 4}))

    with pytest.raises(ProtocolError):
        read_question(head + bytes(4), len(head))
    with pytest.raises(ProtocolError):
        read_question(body(tensor([], shape=shape)), None)


@pytest.mark.parametrize("header", ["-1", "1.5", "x", "", "9" * 40, "٣"])
def test_the_length_of_the_json_is_a_number(header: str) -> None:
    with pytest.raises(ProtocolError, match="length of the JSON"):
        read_header_length(header)


def test_json_that_is_longer_than_the_body_is_refused() -> None:
    data = body(tensor([1, 2, 3, 4]))

    with pytest.raises(ProtocolError, match="send all of it"):
        read_question(data, len(data) + 1)


def test_parameters_are_read_and_unknown_ones_passed_over() -> None:
    parameters = {
        "sequence_id": 2**64 - 1,
        "sequence_start": True,
        "priority": 2,
        "timeout": 1500,
        "mine": {"a": 1},
    }

    question = read_question(body(parameters=parameters, id="q"), None)

    assert question.id == "q"
    assert question.parameters.sequence_id == 2**64 - 1
    assert question.parameters.sequence_start
    assert not question.parameters.sequence_end
    assert (question.parameters.priority, question.parameters.timeout) == (2, 1500)


def test_each_output_comes_as_it_was_asked_for() -> None:
    asked = [
        {"name": "b", "parameters": {"binary_data": False}},
        {"name": "a"},
        {"name": "c", "parameters": {"binary_data": True}},
    ]
    for default in (False, True):
        question = read_question(
            body(outputs=asked, parameters={"binary_data_output": default}), None
        )
        assert list(question.outputs.items()) == [("b", False), ("a", default), ("c", True)]


def test_an_answer_in_json_is_flat_and_has_the_shape_beside_it() -> None:
    data, json_length = write_answer(answer(y=np.array([[1, 2]], np.int64)), Question(inputs={}))

    assert json_length is None
    assert msgspec.json.decode(data) == {
        "model_name": "m",
        "model_version": "3",
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [1, 2], "data": [1, 2]}],
    }


def test_an_answer_in_bytes_follows_its_json_in_the_order_that_was_asked_for() -> None:
    texts = np.array([b"\xff", b""], np.object_)
    question = Question(id="q", inputs={}, outputs={"t": True, "n": False, "y": True})

    data, json_length = write_answer(
        answer(y=np.array([1.5], np.float16), t=texts, n=np.array([True])), question
    )

    assert json_length is not None
    assert data[json_length:] == b"\x01\0\0\0\xff\0\0\0\0" + np.array([1.5], "<f2").tobytes()
    head = msgspec.json.decode(data[:json_length])
    assert head["id"] == "q"
    assert head["outputs"] == [
        {"name": "t", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 9}},
        {"name": "n", "datatype": "BOOL", "shape": [1], "data": [True]},
        {"name": "y", "datatype": "FP16", "shape": [1], "parameters": {"binary_data_size": 2}},
    ]


@pytest.mark.parametrize(
    "array", [np.array([1], np.float16), np.array([b"\xff"], np.object_)], ids=["FP16", "bytes"]
)
def test_what_json_cannot_carry_has_to_be_asked_for_as_bytes(array: Array) -> None:
    with pytest.raises(ProtocolError, match="binary tensor"):
        write_answer(answer(y=array), Question(inputs={}))


def test_a_raw_body_is_one_row_of_the_only_input() -> None:
    row = np.arange(4, dtype="<f4")

    question = read_raw_question(row.tobytes(), double().info)

    assert question.binary
    assert question.inputs["x"].tolist() == [[0, 1, 2, 3]]


def test_the_length_of_a_raw_row_follows_from_its_bytes() -> None:
    row = np.arange(5, dtype="<f4")

    assert read_raw_question(row.tobytes(), mirror().info).inputs["x"].shape == (5,)


def test_a_raw_text_has_no_length_before_it() -> None:
    assert read_raw_question(b"hello", upper().info).inputs["text"].tolist() == [[b"hello"]]


@pytest.mark.parametrize("data", [b"", bytes(15), bytes(17), bytes(32)])
def test_a_raw_body_of_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="needs 16"):
        read_raw_question(data, double().info)


def test_a_raw_body_for_a_model_of_two_inputs_or_free_lengths_is_refused() -> None:
    info = double().info
    two = replace(info, inputs=info.inputs * 2)
    free = replace(info, inputs=(TensorInfo(name="x", datatype="FP32", shape=(-1, -1)),))

    with pytest.raises(ProtocolError, match="2 inputs"):
        read_raw_question(bytes(16), two)
    with pytest.raises(ProtocolError, match="does not follow"):
        read_raw_question(bytes(16), free)


def test_more_json_than_is_read_is_refused_before_it_is_looked_at() -> None:
    data = b" " * (MAX_JSON_BYTES + 1)

    with pytest.raises(TooLargeError, match="binary tensors"):
        read_question(data, None)
    with pytest.raises(ProtocolError, match="cannot be used"):
        read_question(data, MAX_JSON_BYTES)
