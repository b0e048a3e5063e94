"""Tensors as bytes and back, for every type; and whatever else somebody may send."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient import utils as triton

from gapless.errors import ProtocolError
from gapless.infer.wire.tensors import (
    DATATYPES,
    MAX_DIMENSIONS,
    checked_size,
    datatype_of,
    decode,
    dtype_of,
    encode,
)

NUMBERS = sorted(set(DATATYPES) - {"BYTES"})
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
LENGTHS = st.one_of(st.integers(-3, 9), st.integers(-(2**70), 2**70))


def numbers(datatype: str, shape: Any = SHAPES) -> st.SearchStrategy[Any]:
    return arrays.arrays(DATATYPES[datatype], shape)


def texts_like(shape: tuple[int, ...], elements: list[bytes]) -> Any:
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array.reshape(shape)


@st.composite
def texts(draw: st.DrawFn) -> Any:
    shape = draw(SHAPES)
    size = int(np.prod(shape))
    return texts_like(shape, draw(st.lists(st.binary(max_size=8), min_size=size, max_size=size)))


TENSORS = st.one_of(st.sampled_from(NUMBERS).flatmap(numbers), texts())


@pytest.mark.long
@given(TENSORS)
def test_a_tensor_comes_back_as_it_went(array: Any) -> None:
    datatype = datatype_of(array)
    data = encode(array)
    back = decode(data, datatype, array.shape, "x")

    assert back.dtype == dtype_of(datatype)
    assert back.shape == array.shape
    assert encode(back) == data
    if datatype == "BYTES":
        assert back.tolist() == array.tolist()
    else:
        assert back.tobytes() == array.tobytes()
        assert not back.flags.writeable


@pytest.mark.long
@given(TENSORS)
def test_the_bytes_are_those_that_tritonclient_reads(array: Any) -> None:
    datatype = datatype_of(array)
    data = encode(array)

    if datatype == "BYTES":
        read = triton.deserialize_bytes_tensor(data)
        assert list(read) == list(array.ravel())
    else:
        read = np.frombuffer(data, triton.triton_to_np_dtype(datatype)).reshape(array.shape)
        assert read.tobytes() == array.tobytes()
        assert triton.np_to_triton_dtype(array.dtype) == datatype


@pytest.mark.long
@given(st.sampled_from(NUMBERS).flatmap(lambda name: numbers(name, st.just((3, 4)))))
def test_the_order_and_endianness_of_memory_do_not_show(array: Any) -> None:
    swapped = array.astype(array.dtype.newbyteorder())
    strided = np.repeat(array, 2, axis=1)[:, ::2]

    assert encode(swapped) == encode(np.asfortranarray(array)) == encode(strided) == encode(array)
    assert datatype_of(swapped) == datatype_of(array)


@pytest.mark.long
@given(
    st.one_of(st.sampled_from(sorted(DATATYPES)), st.text(max_size=6)),
    st.lists(LENGTHS, max_size=5),
    st.binary(max_size=40),
)
def test_whatever_is_sent_gives_a_tensor_of_that_shape_or_is_refused(
    datatype: str, shape: list[int], data: bytes
) -> None:
    try:
        array = decode(data, datatype, shape, "x")
    except ProtocolError:
        return
    assert array.shape == tuple(shape)
    assert array.size <= len(data)
    assert encode(array) == data


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
@pytest.mark.parametrize(
    "shape",
    [
        (2**62,),
        (2**40, 2**40),
        (-1,),
        (-1, -1),
        (-(2**62), 4),
        (0, 2**62, 2**62),
        (0, 2**64),
        (1,) * (MAX_DIMENSIONS + 1),
    ],
)
def test_a_shape_that_cannot_be_is_refused_before_anything_is_made(
    datatype: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(b"", datatype, shape, "x")

    assert refused.value.param == "x"


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_a_tensor_of_nothing_has_its_shape(datatype: str) -> None:
    assert decode(b"", datatype, (3, 0), "x").shape == (3, 0)
    assert encode(decode(b"", datatype, (3, 0), "x")) == b""


@pytest.mark.long
@given(numbers("FP32", arrays.array_shapes(max_dims=2)), st.integers(-4, 4).filter(bool))
def test_bytes_that_are_missing_or_too_many_are_counted_out(array: Any, extra: int) -> None:
    data = encode(array)
    data = data[:extra] if extra < 0 else data + bytes(extra)

    with pytest.raises(ProtocolError, match=f"has {len(data)} bytes"):
        decode(data, "FP32", array.shape, "x")


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        struct.pack("<I", 5) + b"four",
        struct.pack("<I", 2**32 - 1) + b"x",
        struct.pack("<I", 1) + b"x" + b"behind",
        struct.pack("<I", 1) + b"x" + struct.pack("<I", 0),
        b"",
    ],
)
def test_a_text_that_is_not_as_long_as_it_says_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="each with its length"):
        decode(data, "BYTES", (1,), "x")


def test_a_truth_value_is_one_of_two() -> None:
    assert decode(b"\x00\x01", "BOOL", (2,), "x").tolist() == [False, True]
    with pytest.raises(ProtocolError, match="besides 0 and 1"):
        decode(b"\x00\x02", "BOOL", (2,), "x")


def test_texts_may_be_str_and_nothing_else_but_bytes() -> None:
    assert decode(encode(np.array(["é", b"x"], object)), "BYTES", (2,), "x").tolist() == [
        "é".encode(),
        b"x",
    ]
    with pytest.raises(ProtocolError, match="holds a int"):
        encode(np.array([5], object))


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "S3", "M8[s]", np.longdouble])
def test_a_type_that_cannot_travel_is_named(dtype: Any) -> None:
    with pytest.raises(ProtocolError, match="cannot travel"):
        datatype_of(np.zeros(1, dtype))


def test_a_type_that_does_not_exist_is_named() -> None:
    with pytest.raises(ProtocolError, match="unknown datatype 'FP128'") as refused:
        decode(b"", "FP128", (0,), "x")

    assert refused.value.param == "datatype"


@pytest.mark.long
@given(st.lists(st.integers(0, 2**63), max_size=4))
def test_the_size_of_a_shape_is_exact_however_large(shape: list[int]) -> None:
    size = checked_size(shape, "x")

    assert size == int(np.prod(np.array([1, *shape], object)))
