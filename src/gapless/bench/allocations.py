"""What a block function takes from the heap, counted while it is called again and again without Python.

In: a block function. Out: how long each call took, and counts. Invariants: the loop takes no memory itself. Thread:
main: the C library tells of that thread's heap only. Numba's own counters are those of all threads.

Source: mallinfo(3): ``uordblks`` and ``hblkhd``, bytes in use; getrusage(2): ``ru_minflt``, pages that were touched
for the first time.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.core.runtime import _nrt_python  # type: ignore[attr-defined]  # Numba counts by no other switch at run time
from numba.core.runtime.nrt import rtsys

from gapless.audio.device.foreign import samples_at
from gapless.audio.types import Samples
from gapless.dsp.kernel import kernel
from gapless.realtime.clock import now_ns
from gapless.realtime.native import NativeBlock, call_block

HEAP_FIELDS: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Heap(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in HEAP_FIELDS)


class Taken(NamedTuple):
    """What some calls took in all."""

    took_ns: npt.NDArray[np.int64]
    """Of each call."""
    allocations: int
    """By Numba's runtime, also those that were given back."""
    heap_bytes: int
    """That the C library's heap grew by; 0 also where it does not tell."""
    page_faults: int
    """0 also where the system does not tell."""


def count_allocations(block: NativeBlock, source: Samples, block_frames: int) -> Taken:
    """Call a block function for all of ``source``.

    Args:
        block: to call.
        source: float32 [n].
        block_frames: of each call.
    """
    target = np.zeros(block_frames, np.float32)
    took_ns = np.zeros(len(source) // block_frames, np.int64)

    def count(took_ns: npt.NDArray[np.int64]) -> _Look:
        before = _look()
        _call(block.address, block.state, source, target, took_ns)
        after = _look()
        return _Look(*(later - earlier for earlier, later in zip(before, after, strict=True)))

    _nrt_python.memsys_enable_stats()
    # The first call compiles the loop, or loads it; the next tells what a call takes without any block.
    count(took_ns[:0])
    empty = count(took_ns[:0])
    full = count(took_ns)
    return Taken(took_ns, *(max(a - b, 0) for a, b in zip(full, empty, strict=True)))


class _Look(NamedTuple):
    by_numba: int
    heap_bytes: int
    page_faults: int


@kernel
def _call(
    address: int, state: int, source: Samples, target: Samples, took_ns: npt.NDArray[np.int64]
) -> None:
    frames = target.shape[0]
    heard, made = source.ctypes.data, target.ctypes.data
    for n in range(took_ns.shape[0]):
        began_ns = now_ns()
        call_block(address, state, samples_at(heard + 4 * n * frames), samples_at(made), frames)
        took_ns[n] = now_ns() - began_ns


def _look() -> _Look:
    counts = rtsys.get_allocation_stats()  # type: ignore[no-untyped-call]
    return _Look(int(counts.alloc + counts.mi_alloc), _heap_bytes(), _page_faults())


def _heap_bytes() -> int:
    mallinfo = _load_mallinfo()
    if mallinfo is None:
        return 0
    heap: _Heap = mallinfo()
    return int(heap.uordblks + heap.hblkhd)


@cache
def _load_mallinfo() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    # glibc 2.33 and later.
    if library is None or not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Heap
    return library.mallinfo2


def _page_faults() -> int:
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
