"""RNNoise called by address, from kernels that hold no interpreter lock.

In: addresses of the library's public functions and of its state. Out: calls, made without Python. Invariants:
addresses are values, not names in the machine code, so that the code can be kept on disk. Thread: one at a time per
state.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from gapless.realtime.zone import instruction

SAMPLES: Any = types.Array(types.float32, 1, "C")
BYTES: Any = types.Array(types.uint8, 1, "C")


@instruction
def call_process_frame(
    _: Any,
    function: Any,  # noqa: ARG001  Numba reads the names
    state: Any,  # noqa: ARG001
    target: Any,
    source: Any,
) -> Any:
    """``rnnoise_process_frame(state, target, source)`` of float32 [480], scaled as 16 bits; speech's probability."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.PointerType()
        shape = ir.FunctionType(ir.FloatType(), [pointer, pointer, pointer])
        call = builder.inttoptr(arguments[0], shape.as_pointer())
        state_pointer = builder.inttoptr(arguments[1], pointer)
        samples = [_data(context, builder, signature, arguments, i) for i in (2, 3)]
        return builder.call(call, [state_pointer, *samples])

    return types.float32(types.int64, types.int64, target, source), generate


@instruction
def copy_from(_: Any, target: Any, address: Any) -> Any:  # noqa: ARG001
    """Fill the array ``target`` (uint8) with what lies at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        source = builder.inttoptr(arguments[1], ir.PointerType())
        _copy(builder, array.data, source, array.nitems)
        return context.get_dummy_value()

    return types.void(target, types.int64), generate


@instruction
def copy_to(_: Any, address: Any, source: Any) -> Any:  # noqa: ARG001
    """Write the array ``source`` (uint8) to ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[1])(context, builder, arguments[1])
        target = builder.inttoptr(arguments[0], ir.PointerType())
        _copy(builder, target, array.data, array.nitems)
        return context.get_dummy_value()

    return types.void(types.int64, source), generate


def _data(context: Any, builder: Any, signature: Any, arguments: Any, index: int) -> Any:
    return context.make_array(signature.args[index])(context, builder, arguments[index]).data


def _copy(builder: Any, target: Any, source: Any, count: Any) -> None:
    pointer, flag = ir.PointerType(), ir.IntType(1)
    shape = ir.FunctionType(ir.VoidType(), [pointer, pointer, ir.IntType(64), flag])
    name = "llvm.memcpy.p0.p0.i64"
    function = builder.module.globals.get(name) or ir.Function(builder.module, shape, name)
    builder.call(function, [target, source, count, ir.Constant(flag, 0)])
