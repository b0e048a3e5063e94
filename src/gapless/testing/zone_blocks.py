"""What a callback does, over and over, while somebody watches the memory of the process.

In: how many blocks, and a fault to put in. Out: what the C library's heap, Numba's runtime and the resident memory have
grown by meanwhile. Invariants: between the two looks nothing runs but the blocks, on a thread without the interpreter
lock; all that they need is there before. Thread: one of its own for the blocks; needs Linux with the GNU C library.

Run as a program, so that no other thread allocates: ``python -m gapless.testing.zone_blocks BLOCKS FAULT``.
"""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core.runtime.nrt import rtsys

from gapless.dsp.kernel import kernel
from gapless.realtime.atomics import load_acquire, pause, store_release
from gapless.realtime.breaker import BreakerState, judge, make_breaker
from gapless.realtime.clock import now_ns
from gapless.realtime.counters import Histogram, make_histogram, record
from gapless.realtime.crossfade import crossfade, fade_in_gains
from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.llvm import INT64, call_named
from gapless.realtime.mailbox import Mailbox, make_mailbox, post, take
from gapless.realtime.ring import Control, make_ring, read, write
from gapless.realtime.zone import Code, instruction, zone

FRAMES: Final = 128
WARM_UP: Final = 100

# Words between the two threads.
REACHED: Final = 0
ALLOWED: Final = 1

# Faults.
NONE: Final = 0
IN_HEAP: Final = 1
IN_NUMBA: Final = 2

Samples = npt.NDArray[np.float32]


class Parts(NamedTuple):
    """All that a block needs."""

    control: Control
    samples: Samples
    heard: Samples
    out: Samples
    gains: Samples
    breaker: BreakerState
    histogram: Histogram
    mailbox: Mailbox
    message: npt.NDArray[np.int64]


class Growth(msgspec.Struct, frozen=True):
    """From before the blocks to behind them."""

    heap_bytes: int
    numba_allocations: int
    resident_bytes: int


class _HeapFacts(ctypes.Structure):
    """``struct mallinfo2``."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


class _Now(NamedTuple):
    heap_bytes: int
    numba_allocations: int
    resident_bytes: int


def make_parts() -> Parts:
    """With a fade that lasts for some blocks of every ten."""
    return Parts(
        *make_ring(1024),
        np.linspace(-1, 1, FRAMES, dtype=np.float32),
        np.zeros(FRAMES, np.float32),
        fade_in_gains(240),
        make_breaker(),
        make_histogram(),
        make_mailbox(8),
        np.zeros(2, np.int64),
    )


@zone
def run_block(parts: Parts, number: int) -> None:
    """One block through everything that the zone has."""
    mode = flush_denormals()
    begun_ns = now_ns()
    write(parts.control, parts.samples, parts.heard)
    read(parts.control, parts.samples, parts.out)
    path = judge(parts.breaker, 5, 1200, number * FRAMES, number % 100 > 20)
    crossfade(parts.out, parts.heard, parts.gains, number % 10 * FRAMES, parts.out)
    post(parts.mailbox, path, number)
    take(parts.mailbox, parts.message)
    record(parts.histogram, now_ns() - begun_ns)
    restore_denormals(mode)


@instruction
def leak(_: Any) -> Code[int]:
    """Take memory of the heap for good; where it is, for what nobody uses is not taken."""

    def generate(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        size = ir.Constant(INT64, 40)
        memory = call_named(builder, "malloc", ir.IntType(8).as_pointer(), size)
        return builder.ptrtoint(memory, INT64)

    return Code(types.int64(), generate)


@kernel
def run_blocks(parts: Parts, words: npt.NDArray[np.int64], blocks: int, fault: int) -> float:
    """Warm up, wait, run the blocks, wait; every hundredth block has the fault."""
    total = 0.0
    for number in range(WARM_UP):
        run_block(parts, number)
    _meet(words, 1)
    for number in range(blocks):
        run_block(parts, number)
        if fault == IN_HEAP and number % 100 == 0:
            total += leak()
        elif fault == IN_NUMBA and number % 100 == 0:
            total += parts.out.copy().sum()
    _meet(words, 2)
    return total


@zone
def _meet(words: npt.NDArray[np.int64], step: int) -> None:
    store_release(words, REACHED, step)
    while load_acquire(words, ALLOWED) < step:
        pause()


def measure(blocks: int, fault: int = NONE) -> Growth:
    """Run the blocks on a thread of their own, between two looks."""
    parts, words = make_parts(), np.zeros(2, np.int64)
    looks: list[_Now] = []
    thread = threading.Thread(target=run_blocks, args=(parts, words, blocks, fault))
    thread.start()
    for step in (1, 2):
        while _word(words, REACHED) < step:
            time.sleep(0.001)
        # What the first look takes, and the first assignment, is no part of what is measured.
        _look()
        words[ALLOWED] = step - 1
        looks.append(_look())
        words[ALLOWED] = step
    thread.join()
    before, after = looks
    return Growth(*(later - earlier for earlier, later in zip(before, after, strict=True)))


@zone
def _word(words: npt.NDArray[np.int64], index: int) -> int:
    """``load_acquire`` for Python."""
    return load_acquire(words, index)


@cache
def _load_mallinfo() -> Any:
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _HeapFacts
    return mallinfo


def _look() -> _Now:
    heap = _load_mallinfo()()
    statistics = rtsys.get_allocation_stats()  # type: ignore[no-untyped-call]
    resident_pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return _Now(
        heap.uordblks + heap.hblkhd,
        statistics.alloc + statistics.mi_alloc,
        resident_pages * resource.getpagesize(),
    )


if __name__ == "__main__":
    print(msgspec.json.encode(measure(int(sys.argv[1]), int(sys.argv[2]))).decode())  # noqa: T201  its answer
