"""Full voices sung by the bank's kernel in C++, compiled here with the machine's own compiler.

In: how many. Out: work; see ``most_voices``. Invariants: the library is made in a folder of its own that goes away.
Thread: main.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, final

import numpy as np

from gapless.audio.types import Samples as Sound
from gapless.bench.drive import Work
from gapless.bench.full_voices import (
    ATTACK_S,
    BLOCK_SAMPLES,
    DAMPING,
    DECAY_S,
    RATE_HZ,
    SUSTAIN,
    full_voices,
)
from gapless.bench.most_voices import Singing, most, so_many
from gapless.errors import MissingDependencyError
from gapless.play.sound.bank.jumps import PERIOD, make_tables

SOURCE: Final = Path(__file__).parent.parent / "programs" / "voices.cpp"
COMPILERS: Final = ("g++", "clang++")
FLAGS: Final = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-Wno-psabi")
COMPILE_TIMEOUT_S: Final = 120.0
LONG_DECAY_S: Final = 500.0


def compiler() -> str | None:
    """Of C++, if there is one."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


@contextmanager
def most_voices(*, first: int, limit: int, moving: bool = False) -> Iterator[Work]:
    """As many as there can be; ``moving`` envelopes fall all the time, the others hold."""
    level = 1.0 if moving else SUSTAIN
    with open_library() as library:
        choir = Singing(CppSinger(library, moving=moving))
        yield most(choir, "C++", first=first, limit=limit, level=level)


@contextmanager
def voices(*, count: int) -> Iterator[Work]:
    """So many."""
    with open_library() as library:
        yield so_many(Singing(CppSinger(library)), "C++", count=count)


@contextmanager
def open_library() -> Iterator[Any]:
    """The kernel, for ``CppSinger``.

    Raises:
        MissingDependencyError: there is no compiler, or it cannot.
    """
    found = compiler()
    if found is None:
        raise MissingDependencyError("there is no C++ compiler; install g++ to compare with it")
    with TemporaryDirectory(prefix="gapless-bench-") as folder:
        made = Path(folder, "voices.so")
        command = [found, *FLAGS, "-o", str(made), str(SOURCE)]
        # Our own source; the compiler is what the machine's owner installed.
        ended = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
        if ended.returncode:
            said = " / ".join(ended.stderr.strip().splitlines()[:2])
            raise MissingDependencyError(f"{found} cannot compile {SOURCE.name}: {said}")
        library = ctypes.CDLL(str(made))
        library.choir_begin.restype = ctypes.c_void_p
        library.choir_begin.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
        library.choir_sing.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        library.choir_end.argtypes = [ctypes.c_void_p]
        yield library


@final
class CppSinger:
    """One choir at a time.

    Args:
        library: compiled from ``SOURCE``.
        moving: the envelopes fall, so slowly that it is not heard.
    """

    def __init__(self, library: Any, *, moving: bool = False) -> None:
        self._library = library
        self._decay_s = LONG_DECAY_S if moving else DECAY_S
        self._jumps = make_tables()[0]
        self._out = np.zeros((2, BLOCK_SAMPLES), np.float32)
        self._choir: int | None = None

    def begin(self, count: int) -> None:
        """See ``Singer``."""
        wanted = full_voices(count)
        gain = np.tan(np.pi * wanted.cutoff_hz / RATE_HZ)
        bottom = 1 / (1 + gain * (gain + DAMPING))
        angle = wanted.pan * np.pi / 2
        values = np.empty((count, 10))
        values[:, 0] = np.floor(wanted.hz / RATE_HZ * PERIOD)
        values[:, 1] = ATTACK_S * RATE_HZ
        values[:, 2] = 1 / (ATTACK_S * RATE_HZ)
        values[:, 3] = 1 / (self._decay_s * RATE_HZ)
        values[:, 4] = SUSTAIN
        values[:, 5] = 2 * bottom - 1
        values[:, 6] = 2 * gain * bottom
        values[:, 7] = 2 * gain * gain * bottom
        values[:, 8] = wanted.gain * np.cos(angle)
        values[:, 9] = wanted.gain * np.sin(angle)
        if self._choir is not None:
            self._library.choir_end(self._choir)
        self._choir = self._library.choir_begin(count, values.ctypes.data, self._jumps.ctypes.data)

    def block(self) -> Sound:
        """See ``Singer``."""
        self._library.choir_sing(self._choir, self._out.ctypes.data, BLOCK_SAMPLES)
        return self._out
