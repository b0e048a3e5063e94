"""A block function in Python, as it is usually written: the baseline of those that are machine code.

In: blocks. Out: the same blocks, copied by NumPy; when each came. Invariants: the sound server calls it through the
same native adapter as all others; ctypes takes the interpreter's lock for it. Thread: the device's.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Final, final

import numpy as np

from gapless.bench.probe import MOST_BLOCKS, Times
from gapless.realtime.native import NativeBlock

SHAPE: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)


@final
class PythonCopy:
    """Copies blocks."""

    def __init__(self) -> None:
        self._blocks = 0
        self._came_ns = np.zeros(MOST_BLOCKS, np.int64)
        self.allocated = 0
        """Pieces of memory that Python took in all calls: those that were alive at the end of each, so at least."""
        function = SHAPE(self._copy)
        address = ctypes.cast(function, ctypes.c_void_p).value or 0
        self.block: Final = NativeBlock(address, 0, function)

    @property
    def came_ns(self) -> Times:
        """When each block came, so far."""
        return self._came_ns[: self._blocks].copy()

    def _copy(self, _state: int | None, source: int, target: int, frames: int) -> None:
        before = sys.getallocatedblocks()
        if self._blocks < MOST_BLOCKS:
            self._came_ns[self._blocks] = time.monotonic_ns()
            self._blocks += 1
        samples = ctypes.c_float * frames
        heard = np.ctypeslib.as_array(samples.from_address(source))
        out = np.ctypeslib.as_array(samples.from_address(target))
        out[:] = heard
        self.allocated += max(sys.getallocatedblocks() - before, 0)
