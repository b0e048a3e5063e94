"""How much of the processor a program uses, with all that it started, and how much memory they hold.

In: the number of a process. Out: seconds and MiB. Invariants: what has ended meanwhile counts no more, so the tree is
to stand still while it is measured. Linux only; elsewhere there is nothing to tell. Thread: any.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gapless.bench.process import memory_mib, processor


def tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # Processes end.
        with suppress(OSError, IndexError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, young = [pid], [pid]
    while young:
        young = [child for parent in young for child in children.get(parent, ())]
        found += young
    return found


def tree_cpu_s(pids: list[int]) -> float:
    """Time on the processor that they have used so far."""
    return sum(processor(pid).cpu_s for pid in pids)


def tree_memory_mib(pids: list[int], *, peak: bool = False) -> float:
    """Resident memory of all now, or the most each ever had; what they share counts for each, so it is at most that."""
    return sum(memory_mib(pid)[peak] for pid in pids)
