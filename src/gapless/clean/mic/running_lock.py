"""A lock that is held for as long as a process lives, and tells others about it.

In: a file. Out: whether it is ours, and what its holder wrote into it. Invariants: the system lets go of it when its
holder dies, however it dies; the file stays, because removing it could let two hold it. Thread: one at a time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 4096

if sys.platform == "win32":
    import msvcrt

    # Windows forbids others to read locked bytes: the lock is on one far behind the content.
    FAR: Final = 1 << 30

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunningLock:
    """The lock of one file; made by ``take``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, file: Path) -> RunningLock | None:
        """The lock, or None if another process, or another of this one, holds it."""
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def write(self, content: bytes) -> None:
        """Say something about the holder."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, content)

    def release(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def read_held(file: Path) -> bytes | None:
    """What the holder of a lock wrote, or None if nobody holds it."""
    if not file.exists():
        return None
    if (lock := RunningLock.take(file)) is not None:
        lock.release()
        return None
    return file.read_bytes()[:MOST_BYTES]
