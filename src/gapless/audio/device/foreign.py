"""C functions and memory by address, for callbacks that a sound library calls.

In: addresses that were found before the first block, kept in a callback's record. Out: calls and views, made without
Python. Invariants: no address is in the machine code, so that it can be kept on disk; whoever calls vouches for the
function's shape and for the memory. Thread: the sound library's; callable from kernels only.

Pointers and sizes go as int64: on 64-bit machines they take the same registers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types

from gapless.dsp.kernel import CACHED
from gapless.realtime.llvm import INT32, INT64
from gapless.realtime.native import SAMPLES_POINTER
from gapless.realtime.zone import Code, instruction

POINTER: Final = ir.IntType(8).as_pointer()


def address_of(function: Any) -> int:
    """Where a function that ctypes has found lies."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a C function of a Python one; its ``address`` is for a sound library.

    Args:
        signature: Numba's.
    """
    return cast(
        "Callable[[Callable[..., Any]], Any]",
        numba.cfunc(signature, cache=CACHED, error_model="numpy"),
    )


def record_pointer(record: Any) -> Any:
    """Numba's type of a pointer to one record of a NumPy dtype."""
    return types.CPointer(numba.from_dtype(record))  # type: ignore[no-untyped-call]


def offset(record: np.dtype[np.void], field: str) -> int:
    """Bytes from the start of a record to a field of it."""
    fields: Mapping[str, Any] = record.fields or {}
    return int(fields[field][1])


@instruction
def call_int(_: Any, address: Any, arguments: Any) -> Code[int]:
    """Call the function at ``address`` with a tuple of int64; what it returns is an ``int``, or of no use."""
    del address
    return _call(arguments, INT32)


@instruction
def call_long(_: Any, address: Any, arguments: Any) -> Code[int]:
    """The same for a function that returns a pointer or 64 bits."""
    del address
    return _call(arguments, INT64)


@instruction
def samples_at(_: Any, address: Any) -> Code[Any]:
    """The pointer to float32 samples that ``carray`` and ``call_block`` take."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = context.get_value_type(signature.return_type)
        return builder.inttoptr(arguments[0], target)

    return Code(SAMPLES_POINTER(address), generate)


def _call(arguments: Any, returns: ir.IntType) -> Code[int]:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        given = [builder.extract_value(values[1], n) for n in range(len(arguments))]
        shape = ir.FunctionType(returns, [INT64] * len(given))
        function = builder.inttoptr(values[0], shape.as_pointer())
        result = builder.call(function, given)
        return result if returns is INT64 else builder.sext(result, INT64)

    # An empty tuple is a type of its own.
    given_as = types.UniTuple(types.int64, len(arguments)) if len(arguments) else arguments  # type: ignore[no-untyped-call]
    return Code(types.int64(types.int64, given_as), generate)
