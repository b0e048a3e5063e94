"""The time, read inside the zone.

In: nothing. Out: nanoseconds of the clock that never goes back: on Linux that of ``time.monotonic_ns``. Invariants: no
allocation and no lock; Linux reads it from a page that the kernel shares, without a system call. Thread: any.

Source: POSIX.1-2017, clock_gettime; Windows API, QueryPerformanceCounter.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any, Final

import llvmlite.binding
from llvmlite import ir
from numba import types

from gapless.realtime.llvm import INT32, INT64, call_named, stack_slot
from gapless.realtime.zone import Code, instruction, zone

WINDOWS: Final = sys.platform == "win32"
NS_PER_S: Final = 1_000_000_000

if sys.platform == "win32":
    for _name in ("QueryPerformanceCounter", "QueryPerformanceFrequency"):
        _function = ctypes.cast(getattr(ctypes.windll.kernel32, _name), ctypes.c_void_p)
        llvmlite.binding.add_symbol(_name, _function.value)


@zone
def now_ns() -> int:
    """Nanoseconds since some moment in the past."""
    return _monotonic_ns()


@instruction
def _monotonic_ns(_: Any) -> Code[int]:
    return Code(types.int64(), _query_performance_counter if WINDOWS else _clock_gettime)


def _clock_gettime(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
    # struct timespec of 64-bit systems: seconds, nanoseconds.
    moment = stack_slot(builder, INT64, 2)
    call_named(builder, "clock_gettime", INT32, ir.Constant(INT32, time.CLOCK_MONOTONIC), moment)
    seconds = builder.load(moment)
    nanoseconds = builder.load(builder.gep(moment, [ir.Constant(INT32, 1)]))
    return builder.add(builder.mul(seconds, ir.Constant(INT64, NS_PER_S)), nanoseconds)


def _query_performance_counter(
    _context: Any, builder: Any, _signature: Any, _arguments: Any
) -> Any:
    # The rate is asked for each time: code that is kept on disk outlives the machine's start.
    count, rate = (_ask(builder, f"QueryPerformance{what}") for what in ("Counter", "Frequency"))
    second = ir.Constant(INT64, NS_PER_S)
    whole = builder.mul(builder.sdiv(count, rate), second)
    rest = builder.sdiv(builder.mul(builder.srem(count, rate), second), rate)
    return builder.add(whole, rest)


def _ask(builder: Any, name: str) -> Any:
    answer = stack_slot(builder, INT64)
    call_named(builder, name, INT32, answer)
    return builder.load(answer)
