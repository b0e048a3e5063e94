"""The one shape of native code that a device calls for every block, and how kernels call it.

In: the address of such a function and of its state. Out: a call, made without Python. Invariants: whoever holds a
``NativeBlock`` holds what its addresses point into. Thread: the device's.

    void block(void *state, const float *input, float *output, int64_t frames)

Input is mono float32 [frames] at the stream's rate. Output is of one channel or two, as the stream was opened: float32
[frames], or [2 * frames], all of the left before all of the right. ``frames`` may differ from call to call, up to
``MAX_FRAMES``. Input and an output of one channel may be the same memory. The function may not wait, allocate or fail:
it is a ``@cfunc`` over kernels of the zone, and the state is one NumPy record (a structured array of one element),
which the function sees as ``carray(state, (1,))[0]``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.np.arrayobj import populate_array

from gapless.realtime.zone import Code, instruction

MAX_FRAMES: Final = 8192
"""Longest block that a device may ask for: PipeWire's largest."""

SAMPLES_POINTER: Final[Any] = types.CPointer(types.float32)  # type: ignore[no-untyped-call]


class NativeBlock(NamedTuple):
    """A function and its state, for a device."""

    address: int
    """Of the machine code."""
    state: int
    """Address that is passed to it."""
    owner: object
    """What keeps both where they are."""


def block_signature(state: np.dtype[np.void]) -> Any:
    """Numba's signature of a block function.

    Args:
        state: NumPy's dtype of the state's record.

    Raises:
        ValueError: its fields are not aligned; what threads share would be torn between two cache lines.
    """
    if not state.isalignedstruct:
        raise ValueError(
            "the fields of a block's state are not aligned; use np.dtype(..., align=True)"
        )
    record = types.CPointer(numba.from_dtype(state))  # type: ignore[no-untyped-call]
    return types.void(record, SAMPLES_POINTER, SAMPLES_POINTER, types.int64)


@instruction
def samples_view(_: Any, samples: Any, count: Any) -> Code[npt.NDArray[np.float32]]:
    """The memory at a pointer or an address (int64) as float32 [count]; the zone cannot use Numba's ``carray``."""
    del count
    by_address = isinstance(samples, types.Integer)
    array_type = types.Array(types.float32, 1, "C")

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer, length = arguments
        if by_address:
            pointer = builder.inttoptr(pointer, context.get_value_type(SAMPLES_POINTER))
        array = context.make_array(array_type)(context, builder)
        size = context.get_constant(types.intp, 4)
        populate_array(  # type: ignore[no-untyped-call]
            array, data=pointer, shape=(length,), strides=(size,), itemsize=size, meminfo=None
        )
        return array._getvalue()  # noqa: SLF001  Numba's way

    taken = types.int64 if by_address else SAMPLES_POINTER
    return Code(array_type(taken, types.int64), generate)


@instruction
def call_block(
    _: Any, address: Any, state: Any, source: Any, target: Any, frames: Any
) -> Code[None]:
    """Call the block function at ``address`` (int64) with ``state`` (int64), two pointers and a count."""
    del address, state, source, target, frames

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, state, source, target, frames = arguments
        pointer = ir.PointerType()
        shape = ir.FunctionType(ir.VoidType(), [pointer, pointer, pointer, ir.IntType(64)])
        function = builder.inttoptr(address, shape.as_pointer())
        builder.call(function, [builder.inttoptr(state, pointer), source, target, frames])
        return context.get_dummy_value()

    taken = (types.int64, types.int64, SAMPLES_POINTER, SAMPLES_POINTER, types.int64)
    return Code(types.void(*taken), generate)
