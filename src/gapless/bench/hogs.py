"""Python threads that give nothing to others: one counts without end, one makes garbage and collects it.

In: nothing. Out: an interpreter whose lock is nearly always taken, as in a program that works hard. Invariants: the
threads have ended when the context has. Thread: its own two.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CYCLES: Final = 20_000
"""Objects that refer to themselves, between two collections."""


@contextmanager
def busy_interpreter() -> Iterator[None]:
    """Within the context, whoever needs the interpreter's lock waits for it."""
    stop = threading.Event()

    def count() -> None:
        value = 0
        while not stop.is_set():
            value = (value * 31 + 7) % 1_000_003

    def litter() -> None:
        while not stop.is_set():
            for n in range(CYCLES):
                cycle: list[object] = [n]
                cycle.append(cycle)
            gc.collect()

    threads = [threading.Thread(target=work) for work in (count, litter)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
