"""How much memory this process holds for itself, and giving back what it no longer uses.

In: the operating system. Out: bytes. Invariants: nothing is changed but what nobody uses. Thread: any.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

STATM: Final = Path("/proc/self/statm")


def private_bytes() -> int | None:
    """Resident memory that is no other process's and no file's; None where the system does not say."""
    try:
        fields = STATM.read_text("ascii").split()
    except OSError:
        return None
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def trim_heap() -> None:
    """Give freed memory back to the system; does nothing where the C library has no way to.

    Measured after opening a model: what stays is 1.0 times its file, without it 1.2 to 3 times.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
