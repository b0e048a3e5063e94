"""What a block function takes from the heap after its start.

In: whose. Out: work; an operation is a block. Thread: main, beside the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from gapless.bench.allocations import Taken, count_allocations
from gapless.bench.contenders.mic_engine import engine_of
from gapless.bench.drive import Samples, Work
from gapless.bench.mic_sounds import vowel
from gapless.bench.python_callback import PythonCopy
from gapless.errors import DeviceError

if TYPE_CHECKING:
    from gapless.audio.types import Samples as Sound

BLOCKS: Final = 10_000
BLOCK_FRAMES: Final = 128
START_BLOCKS: Final = 1_000
START_S: Final = 20.0


@contextmanager
def python_callback() -> Iterator[Work]:
    """Copies, in Python; counted is what Python itself takes."""
    copying, sound = PythonCopy(), _sound()

    def work(_seconds: float) -> Samples:
        before = copying.allocated
        taken = count_allocations(copying.block, sound, BLOCK_FRAMES)
        return _samples(taken, copying.allocated - before + taken.allocations)

    yield work


@contextmanager
def cleaned(*, mode: str) -> Iterator[Work]:
    """Cleans; counted is what Numba's runtime takes, in the callback and in the thread beside it."""
    with engine_of(mode) as engine:
        sound = _sound()
        # The start does not count: the thread beside it makes its arrays, and all memory is touched once.
        give_up_s = time.monotonic() + START_S
        while engine.status().worker_load == 0:
            count_allocations(engine.block, sound[: START_BLOCKS * BLOCK_FRAMES], BLOCK_FRAMES)
            if time.monotonic() > give_up_s:
                raise DeviceError("the model does not begin to work; is the machine too busy?")

        def work(_seconds: float) -> Samples:
            taken = count_allocations(engine.block, sound, BLOCK_FRAMES)
            return _samples(taken, taken.allocations)

        yield work


def _sound() -> Sound:
    return np.resize(vowel(), BLOCKS * BLOCK_FRAMES)


def _samples(taken: Taken, allocations: int) -> Samples:
    figures = {
        "allocations_per_block": allocations / BLOCKS,
        "heap_bytes_per_block": taken.heap_bytes / BLOCKS,
        "page_faults_per_block": taken.page_faults / BLOCKS,
    }
    return Samples(
        took_ns=[int(took) for took in taken.took_ns],
        elapsed_ns=int(taken.took_ns.sum()),
        units=BLOCKS,
        figures=figures,
    )
