"""Memory of processes that share some of it: their proportional set sizes, watched while they work.

In: the number of a process. Out: the sum of its tree, in MiB. Invariants: what n processes share counts 1/n for each,
so that the sum is what they take of the machine; Linux only, elsewhere there is nothing to tell. Thread: its own.
Source: proc(5), ``/proc/PID/smaps_rollup``.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final, Self

from gapless.bench.memory import MIB
from gapless.bench.process_tree import tree

EVERY_S: Final = 1.0
"""The system walks through all pages for an answer, and the process waits for it meanwhile."""


def pss_mib(pids: list[int]) -> float:
    """The sum of processes; those that have ended count nothing."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total / MIB


class PssWatch:
    """Looks now and then. Use it as a context manager; there is at least one look.

    Args:
        pid: the first of the tree.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._looks: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._looks.append(pss_mib(tree(self._pid)))

    @property
    def typical_mib(self) -> float:
        """The middle of all looks."""
        return median(self._looks)

    @property
    def peak_mib(self) -> float:
        """The largest."""
        return max(self._looks)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._looks.append(pss_mib(tree(self._pid)))
