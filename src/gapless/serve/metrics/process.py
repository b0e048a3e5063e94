"""What this process takes of its machine.

In: the process. Out: numbers, None where the system does not tell. Invariants: nothing is estimated.
Thread: any; reading takes a millisecond or two, so it has no place on an event loop.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gapless.tune.probe import usable_cpus

KIB: Final = 1024

PROC: Final = Path("/proc/self")

OPEN_FILES_FOLDERS: Final = (PROC / "fd", Path("/dev/fd"))
"""On Linux, and on macOS."""


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a process takes."""

    cpu_s: float
    cpus: int
    """That it may use."""
    resident_bytes: int | None
    proportional_bytes: int | None
    """What is shared with others is divided among them."""
    open_files: int | None
    most_open_files: int | None
    threads: int


def read_process() -> ProcessFigures:
    """How things are."""
    sizes = _memory()
    return ProcessFigures(
        cpu_s=time.process_time(),
        cpus=usable_cpus(),
        resident_bytes=sizes.get("Rss"),
        proportional_bytes=sizes.get("Pss"),
        open_files=_open_files(),
        most_open_files=_most_open_files(),
        threads=threading.active_count(),
    )


def _memory() -> dict[str, int]:
    """``Rss`` and ``Pss`` in bytes; without what cannot be read."""
    sizes: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in (PROC / "smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                sizes[name] = int(rest.split()[0]) * KIB
    return sizes


def _open_files() -> int | None:
    for folder in OPEN_FILES_FOLDERS:
        with suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 - names alone, no objects
    return None


def _most_open_files() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
