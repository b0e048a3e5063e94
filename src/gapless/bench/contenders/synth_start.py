"""How long it takes from the start of a process to the first samples of a program.

In: a program, whether compiled code is there. Out: work; an operation is a start. Invariants: the end is when the
samples are there, not when the process is gone. Thread: main.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

from gapless.bench.contenders.synth_program import PROGRAM
from gapless.bench.drive import Samples, Work
from gapless.bench.most_voices import cpu_seconds
from gapless.errors import AudioError

CACHE: Final = "NUMBA_CACHE_DIR"
SOUND: Final = b"!"


@contextmanager
def interpreter() -> Iterator[Work]:
    """A Python that imports NumPy and Numba, and does nothing."""
    code = f"import os, numba, numpy; os.write(1, {SOUND!r})"
    yield starts(["-c", code], cold=False)


@contextmanager
def first_sound(*, cold: bool, program: str = str(PROGRAM)) -> Iterator[Work]:
    """A program; ``cold``: nothing was compiled before, else all of it was."""
    arguments = ["-m", "gapless.bench.first_sound", program]
    if not cold:
        _start(arguments, dict(os.environ))
    yield starts(arguments, cold=cold)


def starts(arguments: Sequence[str], *, cold: bool) -> Work:
    """Starts of a Python that says ``SOUND`` when it is ready.

    Args:
        arguments: of that Python.
        cold: each finds an empty folder for its compiled code.
    """

    def work(seconds: float) -> Samples:
        took = array("q")
        cpu_began_s = cpu_seconds()
        ends = time.perf_counter_ns() + round(seconds * 1e9)
        while not took or time.perf_counter_ns() < ends:
            with TemporaryDirectory(prefix="gapless-bench-") as folder:
                took.append(_start(arguments, os.environ | ({CACHE: folder} if cold else {})))
        cpu_s = cpu_seconds() - cpu_began_s
        figures = {"cpu_s": cpu_s, "cpu_us_per_unit": cpu_s * 1e6 / len(took)}
        return Samples(took_ns=took, elapsed_ns=sum(took), units=len(took), figures=figures)

    return work


def _start(arguments: Sequence[str], environment: dict[str, str]) -> int:
    began = time.perf_counter_ns()
    with subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101  it was asked for
        said = process.stdout.read(1)
        took_ns = time.perf_counter_ns() - began
    if said != SOUND:
        raise AudioError(
            f"the program gave no sound: {' '.join(arguments)}; see what it says by itself"
        )
    return took_ns
