"""What instructions of the zone are written with.

In: LLVM's builder, as Numba hands it to an instruction. Out: code, put in where the builder stands. Thread: any; runs
while a kernel is compiled.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

INT32: Final = ir.IntType(32)
INT64: Final = ir.IntType(64)


def call_named(builder: Any, name: str, returns: ir.Type, *arguments: ir.Value) -> Any:
    """A call of LLVM's or the C library's function ``name``."""
    signature = ir.FunctionType(returns, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def stack_slot(builder: Any, element: ir.Type, count: int = 1) -> Any:
    """Address of room for ``count`` values: in the function's first block, so that a loop takes no more of it."""
    with builder.goto_entry_block():
        return builder.alloca(element, count)
