"""Processes that end when their parent does, however that ends: ``python -m gapless.bench.parent MODULE ARGUMENTS``.

In: a standard input that is a pipe whose other end the parent holds, and nobody writes to. Out: what the module does.
Invariants: when nobody holds the other end, the process is gone at once, without clearing up. Thread: main runs the
module; one more watches the input.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def end_with_parent() -> None:
    """From now on this process ends when its standard input does."""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    # Not through `sys.stdin`: a thread that holds its lock would stop the interpreter from ending.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
