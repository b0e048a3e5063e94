"""How much of the processor a process uses, all and by its busiest thread, and how much memory it holds.

In: the number of a process. Out: structs. Invariants: what the system does not tell is 0 (all but Linux).
Thread: any. Source: proc(5), ``/proc/PID/stat``, ``/proc/PID/task/TID/stat``, ``/proc/PID/status``.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from gapless.bench.memory import MIB


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """Time on the processor: since the process began, or since an earlier reading."""

    at_s: float
    """Of the wall clock; or how long it was between the two."""
    cpu_s: float
    threads_s: dict[str, float]
    """By the number of the thread."""

    def since(self, earlier: Processor) -> Processor:
        """What was used in between."""
        return Processor(
            at_s=self.at_s - earlier.at_s,
            cpu_s=self.cpu_s - earlier.cpu_s,
            threads_s={
                thread: used - earlier.threads_s.get(thread, 0.0)
                for thread, used in self.threads_s.items()
            },
        )

    @property
    def cores(self) -> float:
        """Cores that were busy with it."""
        return self.cpu_s / self.at_s

    @property
    def busiest_cores(self) -> float:
        """The same of its busiest thread."""
        return max(self.threads_s.values(), default=0.0) / self.at_s


def processor(pid: int) -> Processor:
    """What a process has used so far."""
    folder = Path(f"/proc/{pid}")
    threads: dict[str, float] = {}
    # Threads end, and processes.
    with suppress(OSError):
        for thread in (folder / "task").iterdir():
            with suppress(OSError):
                threads[thread.name] = _cpu_s(thread / "stat")
    cpu_s = 0.0
    with suppress(OSError):
        cpu_s = _cpu_s(folder / "stat")
    return Processor(at_s=time.monotonic(), cpu_s=cpu_s, threads_s=threads)


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory now and at its peak, in MiB."""
    facts = {"VmRSS": 0.0, "VmHWM": 0.0}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
            key, _, value = line.partition(":")
            if key in facts:
                facts[key] = int(value.split()[0]) * 1024 / MIB
    return facts["VmRSS"], facts["VmHWM"]


def _cpu_s(stat: Path) -> float:
    # Behind the name, which may hold anything, in brackets; fields 14 and 15 of the line are user and system ticks.
    fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
