"""KServe's bodies: what is written is what is read, whatever it is; and nothing that comes in breaks the reader."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.errors import GaplessError
from gapless.infer.contract import Array
from gapless.infer.inference import Result
from gapless.infer.wire.tensors import DATATYPES, datatype_of, encode
from gapless.serve.kserve.codec import Question, read_question, write_answer
from gapless.serve.kserve.elements import read_elements, write_elements

SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
BINARY = st.binary(max_size=8)
TEXTS = st.text(max_size=8).map(str.encode)
NUMERIC = sorted(set(DATATYPES) - {"BYTES"})


@st.composite
def arrays(draw: st.DrawFn, elements: st.SearchStrategy[bytes] = BINARY) -> Array:
    """Tensors of every type; numbers are what their bits happen to be."""
    datatype = draw(st.sampled_from(sorted(DATATYPES)))
    shape = draw(SHAPES)
    count = math.prod(shape)
    if datatype == "BYTES":
        array = np.empty(count, np.object_)
        array[:] = draw(st.lists(elements, min_size=count, max_size=count))
        return array.reshape(shape)
    dtype = np.dtype(DATATYPES[datatype])
    size = count * dtype.itemsize
    bits = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    return (bits & 1 if datatype == "BOOL" else bits).view(dtype).reshape(shape)


def as_question(head: dict[str, Any], data: bytes, json_length: int) -> bytes:
    """An answer's body as the body of a question."""
    encoded = msgspec.json.encode({"inputs": head["outputs"]})
    return encoded + data[json_length:]


def same(left: Array, right: Array) -> bool:
    """Whether types, shapes and all bits are equal."""
    return (datatype_of(left), left.shape, encode(left)) == (
        datatype_of(right),
        right.shape,
        encode(right),
    )


def answer_of(tensors: list[Array]) -> Result:
    outputs = {f"t{number}": tensor for number, tensor in enumerate(tensors)}
    return Result(model="m", version="1", outputs=outputs, queue_ns=0, compute_ns=0, rows=1)


@pytest.mark.long
@given(st.lists(arrays(), min_size=1, max_size=4))
def test_binary_tensors_come_back_bit_by_bit(tensors: list[Array]) -> None:
    answer = answer_of(tensors)

    data, json_length = write_answer(answer, Question(inputs={}, binary=True))

    assert json_length is not None
    body = as_question(msgspec.json.decode(data[:json_length]), data, json_length)
    question = read_question(body, len(body) - len(data) + json_length)
    assert list(question.inputs) == list(answer.outputs)
    assert all(same(question.inputs[name], tensor) for name, tensor in answer.outputs.items())


@given(arrays(TEXTS))
def test_elements_in_json_come_back_as_they_were(array: Array) -> None:
    if array.dtype.kind == "f":
        array = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=-1.0)
    datatype = datatype_of(array)

    data = msgspec.Raw(msgspec.json.encode(write_elements(array, "x")))
    back = read_elements(data, datatype, "x")

    if array.size:
        assert same(back, array)
    else:  # lists of nothing do not say how long what they do not hold is
        assert back.size == 0


@given(
    arrays(TEXTS).filter(lambda a: a.dtype != np.float16),
    st.booleans(),
)
def test_flat_and_nested_data_mean_the_same(array: Array, flat: bool) -> None:
    if array.dtype.kind == "f":
        array = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=-1.0)
    shaped = array.ravel() if flat else array
    tensor = {
        "name": "x",
        "datatype": datatype_of(array),
        "shape": array.shape,
        "data": write_elements(shaped, "x") if array.size else [],
    }

    question = read_question(msgspec.json.encode({"inputs": [tensor]}), None)

    assert same(question.inputs["x"], array)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, int | None]:
    """Bodies that are nearly right: a good one with some bytes changed, cut or put in."""
    tensors = draw(st.lists(arrays(), min_size=1, max_size=2))
    data, json_length = write_answer(answer_of(tensors), Question(inputs={}, binary=True))
    assert json_length is not None
    body = bytearray(as_question(msgspec.json.decode(data[:json_length]), data, json_length))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    length = draw(st.none() | st.integers(0, len(body) + 2))
    return bytes(body), length


@pytest.mark.long
@given(bodies() | st.tuples(st.binary(max_size=64), st.none() | st.integers(0, 80)))
def test_whatever_comes_in_is_read_or_refused(body: tuple[bytes, int | None]) -> None:
    with contextlib.suppress(GaplessError):
        for name, array in read_question(*body).inputs.items():
            assert name
            assert datatype_of(array) in DATATYPES


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@pytest.mark.long
@given(VALUES, st.sampled_from([*NUMERIC, "BYTES", "FP8"]), SHAPES)
def test_whatever_stands_for_data_is_read_or_refused(
    value: Any, datatype: str, shape: tuple[int, ...]
) -> None:
    tensor = {"name": "x", "datatype": datatype, "shape": shape, "data": value}

    with contextlib.suppress(GaplessError):
        x = read_question(msgspec.json.encode({"inputs": [tensor]}), None).inputs["x"]
        assert (datatype_of(x), x.shape) == (datatype, shape)
