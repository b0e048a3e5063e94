"""Tensors as bytes: KServe's names of types, and the little-endian bytes that travel.

In: arrays, or bytes with a type and a shape. Out: the other. Invariants: sizes are checked before anything is made; the
arrays that come out are views of the bytes that went in, and cannot be written to. Thread: any (pure functions).

Source: Open Inference Protocol, "Tensor data types" and Triton's binary tensor data extension.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.errors import ProtocolError
from gapless.infer.contract import Array

DATATYPES: Final[dict[str, np.dtype[np.generic]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(np.object_),
}
"""NumPy's type of each of KServe's; BYTES are arrays of ``bytes``."""

_NAMES: Final = {dtype: name for name, dtype in DATATYPES.items()}
MAX_DIMENSIONS: Final = 32
"""More than any model has; NumPy's own bound is 64."""

_LENGTH: Final = struct.Struct("<I")
"""Before each element of BYTES: how many bytes it has."""


def datatype_of(array: Array) -> str:
    """KServe's name of the array's type.

    Raises:
        ProtocolError: KServe has none.
    """
    try:
        return _NAMES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise ProtocolError(
            f"tensors of type {array.dtype} cannot travel; use one of {', '.join(DATATYPES)}"
        ) from None


def dtype_of(datatype: str) -> npt.DTypeLike:
    """NumPy's type of one of KServe's.

    Raises:
        ProtocolError: there is no such type.
    """
    try:
        return DATATYPES[datatype]
    except KeyError:
        raise ProtocolError(
            f"unknown datatype {datatype!r}; use one of {', '.join(DATATYPES)}", param="datatype"
        ) from None


def encode(array: Array) -> bytes:
    """The array's elements in row-major order, as they travel.

    Raises:
        ProtocolError: an array of objects holds something else than texts.
    """
    if array.dtype == np.object_:
        parts: list[bytes] = []
        for element in array.ravel():
            data = _text(element)
            parts += (_LENGTH.pack(len(data)), data)
        return b"".join(parts)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def decode(data: bytes | memoryview, datatype: str, shape: Sequence[int], name: str) -> Array:
    """The array that ``data`` holds: a view of it, or for BYTES new objects.

    Raises:
        ProtocolError: unknown type, an impossible shape, or not as many bytes as the shape asks for.
    """
    dtype = dtype_of(datatype)
    count = checked_size(shape, name)
    if datatype == "BYTES":
        return reshaped(_decode_bytes(memoryview(data), count, name), shape, name)
    expected = count * np.dtype(dtype).itemsize
    if len(data) != expected:
        raise ProtocolError(
            f"tensor {name!r} has {len(data)} bytes, but {datatype} of shape {list(shape)} needs "
            f"{expected}; send exactly that",
            param=name,
        )
    if datatype == "BOOL" and np.any(np.frombuffer(data, np.uint8) > 1):
        raise ProtocolError(
            f"tensor {name!r} of BOOL holds bytes besides 0 and 1; send only those", param=name
        )
    return reshaped(np.frombuffer(data, dtype), shape, name)


def checked_size(shape: Sequence[int], name: str) -> int:
    """How many elements a tensor of this shape has.

    Raises:
        ProtocolError: a length is negative, or there are too many of them.
    """
    if len(shape) > MAX_DIMENSIONS:
        raise ProtocolError(
            f"tensor {name!r} has {len(shape)} dimensions; send at most {MAX_DIMENSIONS}",
            param=name,
        )
    if any(length < 0 for length in shape):
        raise ProtocolError(
            f"tensor {name!r} has the shape {list(shape)}; lengths cannot be negative", param=name
        )
    return prod(shape)


def reshaped(array: Array, shape: Sequence[int], name: str) -> Array:
    """A view of the array in another shape, which has as many elements.

    Raises:
        ProtocolError: no array can have it.
    """
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError):
        # The number of elements is right: only beside a length of 0 can another be as large as this.
        raise ProtocolError(
            f"tensor {name!r} has the shape {list(shape)}, which no array can have; send smaller "
            "lengths",
            param=name,
        ) from None


def _text(element: object) -> bytes:
    if isinstance(element, str):
        return element.encode()
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    raise ProtocolError(
        f"a tensor of texts holds a {type(element).__name__}; make it of bytes or str"
    )


def _decode_bytes(data: memoryview, count: int, name: str) -> Array:
    # Every element has a length before it, so this bound costs nothing and stops a shape of billions.
    elements: list[bytes] = []
    offset = 0
    if count * _LENGTH.size <= len(data):
        while len(elements) < count and offset + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, offset)
            offset += _LENGTH.size + length
            elements.append(bytes(data[offset - length : offset]))
    if len(elements) != count or offset != len(data):
        raise ProtocolError(
            f"tensor {name!r} does not hold {count} texts, each with its length in 4 bytes before it; "
            "send exactly that",
            param=name,
        )
    array = np.empty(count, np.object_)
    array[:] = elements
    return array
