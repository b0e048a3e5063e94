"""Numbers too small for a full mantissa become zero, for processors are slow with them.

In: nothing. Out: the mode of this thread's arithmetic. Invariants: only results below 1.2e-38 change. The mode belongs
to one thread: every callback sets it at its start, which takes some nanoseconds; who borrows a thread puts it back. It
is there for speed alone: no kernel may rely on a zero, for a compiler may move arithmetic across a change of mode.
Thread: any.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 10.2.3; Arm Architecture Reference
Manual, FPCR.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types

from gapless.realtime.atomics import X86
from gapless.realtime.llvm import INT32, INT64, call_named, stack_slot
from gapless.realtime.zone import Code, instruction

FLUSH: Final = 0x8040 if X86 else 1 << 24
"""Bits of the mode. x86: flush results to zero, take denormal operands as zero. Arm: both in one."""


@instruction
def flush_denormals(_: Any) -> Code[int]:
    """Take denormal numbers as zero in this thread from now on; gives the mode before, for ``restore_denormals``."""

    def generate(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        mode = _get_mode(builder)
        _set_mode(builder, builder.or_(mode, ir.Constant(INT64, FLUSH)))
        return mode

    return Code(types.int64(), generate)


@instruction
def restore_denormals(_: Any, mode: Any) -> Code[None]:
    """Go back to a mode that ``flush_denormals`` returned."""
    del mode

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _set_mode(builder, arguments[0])
        return context.get_dummy_value()

    return Code(types.void(types.int64), generate)


def _get_mode(builder: Any) -> Any:
    if not X86:
        return call_named(builder, "llvm.aarch64.get.fpcr", INT64)
    slot = stack_slot(builder, INT32)
    call_named(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), slot)
    return builder.zext(builder.load(slot), INT64)


def _set_mode(builder: Any, mode: Any) -> None:
    if not X86:
        call_named(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), mode)
        return
    slot = stack_slot(builder, INT32)
    builder.store(builder.trunc(mode, INT32), slot)
    call_named(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), slot)
