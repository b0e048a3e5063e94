"""One decorator for every compiled kernel.

In: a function over arrays and numbers. Out: the same function as machine code, the plain one kept
as ``py_func``. Invariants: no Python objects inside, so the interpreter lock is released while it
runs; IEEE arithmetic in the order written (no fastmath), so that both forms give the same bits;
compiled once a machine, because the code is cached in a folder that can be written even where the
package cannot and where there is no home. A kernel calls only kernels of its own file: Numba's
cache does not notice changes in others. Thread: any.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
P_kernel = ParamSpec("P_kernel")
R_co = TypeVar("R_co", covariant=True)


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


_cache_dir = find_cache_dir(os.environ)
CACHED = _cache_dir is not None
if _cache_dir is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_dir)

import numba  # noqa: E402  Numba reads the variable above while it is imported ...

# ... or now, should somebody have imported it before us.
numba.config.reload_config()  # type: ignore[no-untyped-call]
