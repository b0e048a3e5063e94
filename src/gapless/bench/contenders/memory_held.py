"""What a process and all that it started hold in memory, while it waits or works.

In: what is held. Out: work whose operations are looks; the time of one is what the system takes to count. Invariants:
the process that looks is another one; it looks for the first time when what is held is there. Thread: main.
"""

from __future__ import annotations

import subprocess
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from threading import Timer
from typing import Final

from gapless.bench.contenders.live import SHORTEST_S
from gapless.bench.drive import Samples, Work
from gapless.bench.held import THERE
from gapless.bench.live_client import Task
from gapless.bench.live_server import MODULE, live_server, talk
from gapless.bench.process_tree import tree, tree_cpu_s, tree_memory_mib
from gapless.bench.pss import pss_mib
from gapless.errors import GaplessError

BETWEEN_S: Final = 0.1
START_TIMEOUT_S: Final = 120.0


@contextmanager
def holding(*, thing: str) -> Iterator[Work]:
    """A process that holds something and waits; see ``held.py``."""
    with (
        subprocess.Popen(  # noqa: S603 - our own module
            [*MODULE[:2], "gapless.bench.held", thing],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process
    ):
        timer = Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        try:
            if process.stdout is None or process.stdout.read(1) != THERE:
                raise GaplessError(
                    f"the process that holds {thing} did not start; "
                    f"run `python -m gapless.bench.held {thing}` to see why"
                )
            timer.cancel()
            yield lambda seconds: looks(process.pid, seconds)
        finally:
            timer.cancel()
            process.kill()


@contextmanager
def idle_server(*, model: str) -> Iterator[Work]:
    """A server that nobody asks anything."""
    with live_server({"model": model}) as server:
        yield lambda seconds: looks(server.pid, seconds)


@contextmanager
def server_with_streams(*, model: str, count: int, speech: str) -> Iterator[Work]:
    """A server to which people speak as long as it is looked at."""
    with live_server({"model": model}) as server:

        def work(seconds: float) -> Samples:
            seconds = max(seconds, SHORTEST_S)
            task = Task(
                url=server.url,
                model=model,
                streams=tuple(range(count)),
                seconds=seconds,
                server_pid=server.pid,
                speech=speech,
            )
            with ThreadPoolExecutor(1) as people:
                spoken = people.submit(talk, task, limit_s=seconds)
                samples = looks(server.pid, seconds)
                errors = [one.error for one in spoken.result().streams if one.error]
            if errors:
                raise GaplessError(
                    f"{len(errors)} of {count} streams failed: {errors[0]}; is the machine busy?"
                )
            return samples

        yield work


def looks(pid: int, seconds: float) -> Samples:
    """Look at a process and all below it again and again."""
    took, sizes = array("q"), array("d")
    began_s, cpu_began_s = time.monotonic(), tree_cpu_s(tree(pid))
    while not sizes or time.monotonic() < began_s + seconds:
        began_ns = time.perf_counter_ns()
        sizes.append(pss_mib(tree(pid)))
        took.append(time.perf_counter_ns() - began_ns)
        time.sleep(BETWEEN_S)
    pids = tree(pid)
    cpu_s = tree_cpu_s(pids) - cpu_began_s
    return Samples(
        took_ns=took,
        elapsed_ns=round((time.monotonic() - began_s) * 1e9),
        units=len(sizes),
        figures={
            "pss_typical_mib": median(sizes),
            "pss_peak_mib": max(sizes),
            "resident_mib": tree_memory_mib(pids),
            "peak_mib": tree_memory_mib(pids, peak=True),
            "processes": float(len(pids)),
            "cpu_s": cpu_s,
            "cpu_us_per_unit": cpu_s * 1e6 / len(sizes),
        },
    )
