"""Facts of the machine. In: the operating system. Out: plain numbers. Thread: any."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cpus() -> int:
    """CPUs this process may run on (its affinity, where the system knows one)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def physical_cpus() -> int:
    """Cores this process may run on, counting the threads that share one as one; as ``usable_cpus`` where unknown."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    cores = set()
    for cpu in cpus:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(path.read_text("ascii").strip())
        except OSError:
            return usable_cpus()
    return len(cores) or usable_cpus()
