"""Whether the sound ever breaks: with stalls put into the worker, and an interpreter that is always busy.

In: whose callback. Out: work whose operations are blocks, as another program hears them. Invariants: the engine is
judged by what it gives; what the machine and the sound server lose behind it is told apart, and copying in machine code
shows how much that is without us. Thread: main, beside the sound server's, the engine's, and those that disturb.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from gapless.bench.contenders.mic_engine import engine_of
from gapless.bench.desk import HEARS_S, Desk, desk
from gapless.bench.drive import Samples, Work
from gapless.bench.flaws import count_flaws, lost_blocks
from gapless.bench.hogs import busy_interpreter
from gapless.bench.mic_sounds import vowel
from gapless.bench.probe import Switch
from gapless.bench.python_callback import PythonCopy
from gapless.bench.tapped import Tapped

if TYPE_CHECKING:
    from gapless.clean.mic.engine import MicEngine

LEAST_S: Final = 1.5
STALLS_MS: Final = (1, 5, 20, 100)
EVERY_S: Final = 0.5


@contextmanager
def python_callback(*, block_frames: int, most_s: float) -> Iterator[Work]:
    """Copies, in Python."""
    with desk(PythonCopy().block, vowel(), block_frames) as made:
        yield lambda seconds: _disturbed(made, min(seconds, most_s), nullcontext())


@contextmanager
def copied(*, block_frames: int, most_s: float) -> Iterator[Work]:
    """Copies, in machine code: what is wrong then is the machine's or the sound server's."""
    with desk(Switch(None).block, vowel(), block_frames) as made:
        yield lambda seconds: _disturbed(made, min(seconds, most_s), nullcontext())


@contextmanager
def cleaned(*, mode: str, block_frames: int) -> Iterator[Work]:
    """Cleans; what it gives is looked at, and what another program hears of it."""
    with engine_of(mode) as engine:
        tapped = Tapped(engine.block, vowel(), HEARS_S)
        with desk(tapped.block, vowel(), block_frames) as made:

            def work(seconds: float) -> Samples:
                start = tapped.gave.position
                samples = _disturbed(made, seconds, _stalls(engine))
                found = count_flaws(tapped.gave.heard(start, tapped.gave.position))
                status = engine.status()
                figures = {
                    "holes": float(found.gaps),
                    "clicks": float(found.clicks),
                    "late_blocks": float(status.late_blocks),
                    "opened": float(status.opened),
                    "latency_us": status.latency_ms * 1e3,
                }
                return msgspec.structs.replace(samples, figures=samples.figures | figures)

            yield work


def _disturbed(made: Desk, seconds: float, also: AbstractContextManager[None]) -> Samples:
    """Listen beside a busy interpreter, and whatever else disturbs."""
    # By the clock: who hears only every tenth block shall not be given ten times as long.
    first = len(made.ear.came_ns)
    with also, busy_interpreter():
        time.sleep(max(seconds, LEAST_S))
    came_ns = made.ear.came_ns[first:]
    start, end = (n * made.stream.block_frames for n in (first, first + len(came_ns)))
    lost = lost_blocks(came_ns, made.stream.block_frames)
    found = count_flaws(made.ear.heard(start, end))
    return Samples(
        took_ns=[int(gap) for gap in np.diff(came_ns)],
        elapsed_ns=int(came_ns[-1] - came_ns[0]),
        units=len(came_ns) - 1,
        figures={
            "blocks_share": len(came_ns) / (lost + len(came_ns)),
            "breaks": float(found.gaps + found.clicks),
        },
    )


@contextmanager
def _stalls(engine: MicEngine) -> Iterator[None]:
    """A stall every half second, each length in turn."""
    stop = threading.Event()

    def disturb() -> None:
        for stall_ms in itertools.cycle(STALLS_MS):
            engine.stall(stall_ms)
            if stop.wait(EVERY_S):
                return

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
