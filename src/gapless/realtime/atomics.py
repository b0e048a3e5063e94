"""Loads and stores that other threads and processes see in order, and other single instructions.

In: int64 arrays. Out: machine instructions: nothing here is a call. Invariants: what was written before a
``store_release`` is seen by whoever's ``load_acquire`` sees the value; eight aligned bytes are never torn.
Thread: any; callable from kernels only.

Source: LLVM Language Reference, "Memory Model for Concurrent Operations".
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types

from gapless.realtime.llvm import INT32, call_named
from gapless.realtime.zone import Code, instruction

X86: Final = platform.machine().lower() in {"x86_64", "amd64"}
ALIGNMENT: Final = 8


@instruction
def load_acquire(_: Any, values: Any, index: Any) -> Code[int]:
    """``values[index]``; what its writer wrote before it is seen from now on."""
    del index
    return Code(types.int64(values, types.intp), _load("acquire"))


@instruction
def load_relaxed(_: Any, values: Any, index: Any) -> Code[int]:
    """``values[index]``, whole; for a value that only this side writes, or that says nothing of others."""
    del index
    return Code(types.int64(values, types.intp), _load("monotonic"))


@instruction
def store_release(_: Any, values: Any, index: Any, value: Any) -> Code[None]:
    """``values[index] = value``, behind everything that was written before."""
    del index, value
    return Code(types.void(values, types.intp, types.int64), _store("release"))


@instruction
def store_relaxed(_: Any, values: Any, index: Any, value: Any) -> Code[None]:
    """``values[index] = value``, whole; for counters that others only look at."""
    del index, value
    return Code(types.void(values, types.intp, types.int64), _store("monotonic"))


@instruction
def pause(_: Any) -> Code[None]:
    """Tell the processor that this thread waits in a loop."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if X86:
            call_named(builder, "llvm.x86.sse2.pause", ir.VoidType())
        else:
            call_named(builder, "llvm.aarch64.hint", ir.VoidType(), ir.Constant(INT32, 1))
        return context.get_dummy_value()

    return Code(types.void(), generate)


def _load(ordering: str) -> Callable[[Any, Any, Any, Any], Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        return builder.load_atomic(address, ordering, ALIGNMENT)

    return generate


def _store(ordering: str) -> Callable[[Any, Any, Any, Any], Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], address, ordering, ALIGNMENT)
        return context.get_dummy_value()

    return generate


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])
