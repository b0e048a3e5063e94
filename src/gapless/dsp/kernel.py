"""One decorator for every compiled kernel.

In: a function over arrays and numbers. Out: the same function as machine code, the plain one kept
as ``py_func``. Invariants: no Python objects inside, so the interpreter lock is released while it
runs; IEEE arithmetic in the order written (no fastmath), so that both forms give the same bits;
compiled once a machine, because the code is cached in a folder that can be written even where the
package cannot and where there is no home. The folder is another one for every state of the package's
sources, because Numba notices no changes in kernels of other files that a kernel calls. Thread: any.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
P_kernel = ParamSpec("P_kernel")
R_co = TypeVar("R_co", covariant=True)


PACKAGE: Final = Path(__file__).parent.parent
ROOMS: Final = ("audio", "clean", "dsp", "play/sound", "realtime")
"""Folders of the package that have kernels which others call; a test looks whether there are more."""
GENERATIONS: Final = 8
"""Folders of compiled code that are kept: those of other checkouts and versions, used at the same time."""


class Kernel(Protocol[P_kernel, R_co]):
    """A compiled function that remembers what it was compiled from."""

    py_func: Callable[..., object]
    """The function as it was written, run by the interpreter."""

    def __call__(self, *args: P_kernel.args, **kwargs: P_kernel.kwargs) -> R_co:
        """Run the compiled form."""
        ...


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Compile ``function`` at its first call for the types it is called with."""
    compiled = numba.njit(nogil=True, cache=CACHED, error_model="numpy")(function)
    return cast("Kernel[P, R]", compiled)


def find_cache_dir(env: Mapping[str, str]) -> Path | None:
    """The first folder that compiled code can be kept in; None if there is none.

    The user's own choice (``NUMBA_CACHE_DIR``), the user's cache folder, or a private folder among
    the temporary ones. Cached code is executed, so a folder that others can write is never used.
    """
    if chosen := env.get("NUMBA_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return None  # there are no owners and modes to tell a private folder by
    candidates = [Path(tempfile.gettempdir()) / f"gapless-kernels-{os.getuid()}"]
    if home := env.get("XDG_CACHE_HOME") or (env.get("HOME") and f"{env['HOME']}/.cache"):
        candidates.insert(0, Path(home) / "gapless" / "kernels")
    return next((folder for folder in candidates if make_private(folder)), None)


def make_private(folder: Path) -> bool:
    """Make ``folder`` and say whether we can write to it and nobody else can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    others_write = stat.S_IWGRP | stat.S_IWOTH
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & others_write
        and os.access(folder, os.W_OK)
    )


def sources_digest(package: Path = PACKAGE) -> str:
    """Tells one state of the sources from another, by the sizes and times of the files in rooms with kernels."""
    digest = hashlib.sha256()
    for file in sorted(file for room in ROOMS for file in (package / room).rglob("*.py")):
        status = file.stat()
        digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def find_generation(folder: Path) -> Path:
    """The folder for the sources as they are now; the longest unused of too many others is removed."""
    chosen = folder / f"gapless-{sources_digest()}"
    chosen.mkdir(parents=True, exist_ok=True)
    chosen.touch()
    generations = sorted(folder.glob("gapless-*"), key=_last_used)
    for old in generations[:-GENERATIONS]:
        shutil.rmtree(old, ignore_errors=True)
    return chosen


def _last_used(generation: Path) -> float:
    try:
        return generation.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process was quicker to remove it


_cache_root = find_cache_dir(os.environ)
CACHED = _cache_root is not None

import numba  # noqa: E402  only after the checks above: it takes 0.2 s

if _cache_root is not None:
    # Not the environment variable: processes that we start look for their own generation.
    vars(numba.config)["CACHE_DIR"] = str(find_generation(_cache_root))
