"""How much memory this process holds. In: the operating system. Out: bytes. Thread: any."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024

STATUS: Final = Path("/proc/self/status")


def resident_bytes() -> int | None:
    """What is in memory now; None where the system does not tell."""
    return _status("VmRSS")


def peak_bytes() -> int | None:
    """The most that ever was; None where the system does not tell."""
    if STATUS.exists():
        # Not getrusage: what it says of a fresh process on Linux is the peak of its parent.
        return _status("VmHWM")
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def _status(name: str) -> int | None:
    if not STATUS.exists():
        return None
    for line in STATUS.read_text("ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return None
