"""Tensors whose elements are written in JSON.

In: JSON lists of numbers, truth values or texts. Out: arrays of one of KServe's types, and the other way. Invariants:
an element is of the type that was said, or refused: no text becomes a number, no number is cut to fit; depth is
bounded. Thread: any (pure functions).
"""

from __future__ import annotations

import re
from functools import cache, reduce
from typing import Any, Final

import msgspec
import numpy as np

from gapless.errors import ProtocolError, TooLargeError
from gapless.infer.contract import Array
from gapless.infer.wire.tensors import dtype_of
from gapless.serve.kserve.messages import MAX_RANK

ELEMENT: Final[dict[str, type]] = {"b": bool, "i": int, "u": int, "f": float, "O": str}
"""What an element is in JSON, by NumPy's kind of type."""

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
"""Of one request. While tensors in JSON are read, each of their elements takes 32 bytes or more."""

_OPENING: Final = re.compile(rb"[\s\[]*")


def check_json_size(size_bytes: int) -> None:
    """Pass as much JSON as one request may bring.

    Raises:
        TooLargeError: it is more.
    """
    if size_bytes > MAX_JSON_BYTES:
        raise TooLargeError(
            f"{size_bytes} bytes of tensors in JSON are more than the {MAX_JSON_BYTES} that are read; send large "
            "ones as binary tensors to /v2"
        )


def read_elements(data: msgspec.Raw, datatype: str, name: str) -> Array:
    """The array that a JSON value spells out; its shape is that of the lists.

    Raises:
        ProtocolError: an unknown type, elements of another type, or lists of different lengths side by side.
    """
    dtype = np.dtype(dtype_of(datatype))
    opening = _OPENING.match(data)
    depth = opening.group().count(b"[") if opening else 0
    if depth > MAX_RANK:
        raise ProtocolError(
            f"tensor {name!r} has lists {depth} deep; send at most {MAX_RANK}", param=name
        )
    try:
        values = _decoder(ELEMENT[dtype.kind], depth).decode(data)
        with np.errstate(over="raise"):
            array = np.array(values, dtype)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason, _, where = str(error).partition(" - at ")
        raise ProtocolError(
            f"tensor {name!r} is {datatype}, but {where.strip('`') or 'it'} does not fit: {reason}; "
            "send lists of one shape with elements of that type",
            param=name,
        ) from error
    except ArithmeticError as error:
        raise ProtocolError(
            f"tensor {name!r} has a number outside the range of {datatype}; send one inside it",
            param=name,
        ) from error
    except ValueError as error:
        raise _ragged(name) from error
    if array.ndim != depth:
        raise _ragged(name)  # NumPy makes lists the elements of an array of objects
    return _as_bytes(array) if datatype == "BYTES" else array


def write_elements(array: Array, name: str) -> Any:
    """The array as lists within lists; numbers that are none become null.

    Raises:
        ProtocolError: an element of BYTES is no text.
    """
    if array.dtype != np.object_:
        return array.tolist()
    texts = np.empty(array.shape, np.object_)
    try:
        texts.ravel()[:] = [bytes(element).decode() for element in array.ravel()]
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"output {name!r} holds bytes that are no UTF-8 text, which JSON cannot carry; ask for it as a binary "
            "tensor",
            param=name,
        ) from error
    return texts.tolist()


@cache
def _decoder(element: type, depth: int) -> msgspec.json.Decoder[Any]:
    nested: Any = reduce(lambda inner, _: list[inner], range(depth), element)  # type: ignore[valid-type]
    return msgspec.json.Decoder(nested)


def _as_bytes(texts: Array) -> Array:
    array = np.empty(texts.shape, np.object_)
    array.ravel()[:] = [text.encode() for text in texts.ravel()]
    return array


def _ragged(name: str) -> ProtocolError:
    return ProtocolError(
        f"tensor {name!r} has lists of different lengths side by side; send lists of one shape",
        param=name,
    )
