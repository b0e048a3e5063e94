"""What a busy interpreter does to a stream of sound: the same stream with a callback in Python, and with machine code.

In: whose callback, whether the interpreter is busy. Out: work whose operations are blocks: the time from one to the
next. Thread: main, beside the sound server's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import numpy as np

from gapless.bench.desk import desk
from gapless.bench.drive import Samples, Work
from gapless.bench.hogs import busy_interpreter
from gapless.bench.mic_sounds import RATE_HZ, vowel
from gapless.bench.probe import Switch
from gapless.bench.python_callback import PythonCopy

LEAST_S: Final = 1.0


@contextmanager
def intervals(*, native: bool, busy: bool, block_frames: int) -> Iterator[Work]:
    """Copies blocks, in machine code or in Python."""
    copying = Switch(None) if native else PythonCopy()
    with desk(copying.block, vowel(), block_frames):

        def work(seconds: float) -> Samples:
            with busy_interpreter() if busy else nullcontext():
                began_ns = time.monotonic_ns()
                time.sleep(max(seconds, LEAST_S))
                ended_ns = time.monotonic_ns()
            came_ns = copying.came_ns
            inside = came_ns[(came_ns >= began_ns) & (came_ns < ended_ns)]
            expected = (ended_ns - began_ns) / 1e9 * RATE_HZ / block_frames
            # The last one is the time in which no more came.
            gaps_ns = np.diff(inside, prepend=began_ns, append=ended_ns)
            return Samples(
                took_ns=[int(gap) for gap in gaps_ns],
                elapsed_ns=ended_ns - began_ns,
                units=max(len(inside), 1),
                figures={
                    "blocks_share": len(inside) / expected,
                    "longest_us": float(gaps_ns.max()) / 1e3,
                },
            )

        yield work
