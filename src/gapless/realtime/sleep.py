"""A pause for threads that work beside a callback, made without Python, and so without the interpreter's lock.

In: microseconds. Out: nothing. Invariants: never called from a callback: the gate of the zone forbids it.
Thread: a worker's.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types

from gapless.realtime.llvm import INT32, call_named
from gapless.realtime.zone import Code, instruction

if sys.platform == "win32":
    llvmlite.binding.add_symbol(
        "Sleep", ctypes.cast(ctypes.windll.kernel32.Sleep, ctypes.c_void_p).value
    )


@instruction
def sleep_us(_: Any, microseconds: Any) -> Code[None]:
    """Give up the processor for ``microseconds`` (int64, below a million); on Windows for whole milliseconds."""
    del microseconds

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        amount = builder.trunc(arguments[0], INT32)
        if sys.platform == "win32":
            thousand = ir.Constant(INT32, 1000)
            whole = builder.udiv(builder.add(amount, ir.Constant(INT32, 999)), thousand)
            call_named(builder, "Sleep", ir.VoidType(), whole)
        else:
            call_named(builder, "usleep", INT32, amount)
        return context.get_dummy_value()

    return Code(types.void(types.int64), generate)
