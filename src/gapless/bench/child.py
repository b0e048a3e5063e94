"""One round of one contender, in a process of its own: ``python -m gapless.bench.child TASK [FILE]``.

In: a ``Task`` as JSON. Out: an ``Answer`` as JSON on standard output, or in FILE where the program that starts this
writes to standard output too; whatever a library prints goes to standard error.
Invariants: the process ends when its standard input does, which is when its parent ends. Thread: main; one more watches
the input.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import Any

import msgspec

from gapless.bench.case import Make
from gapless.bench.distribution import distribution
from gapless.bench.drive import Samples
from gapless.bench.memory import MIB, peak_bytes, resident_bytes
from gapless.bench.parent import end_with_parent
from gapless.errors import GaplessError


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do."""

    module: str
    function: str
    options: dict[str, Any]
    warm_up_s: float
    """0: nothing is done before the round."""
    seconds: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: figures, or a sentence that says what went wrong."""

    figures: dict[str, float] = {}
    error: str = ""


def run(task: Task) -> dict[str, float]:
    """Set up, warm up, measure; returns the figures of the round."""
    make: Make = getattr(import_module(task.module), task.function)
    with make(**task.options) as work:
        if task.warm_up_s:
            work(task.warm_up_s)
        resident = resident_bytes()
        cpu_began_ns = time.process_time_ns()
        samples = work(task.seconds)
        cpu_ns = time.process_time_ns() - cpu_began_ns
        peak = peak_bytes()
    memory = {"resident_mib": resident, "peak_mib": peak}
    # What the work itself says comes last: the processor and the memory that count may be those of another process.
    return (
        {"cpu_s": cpu_ns / 1e9, "cpu_us_per_unit": cpu_ns / 1e3 / samples.units}
        | {name: size / MIB for name, size in memory.items() if size is not None}
        | figures_of(samples)
    )


def figures_of(samples: Samples) -> dict[str, float]:
    """The figures of a round, times in microseconds."""
    took = distribution(samples.took_ns)
    return {
        "rate_per_s": samples.units * 1e9 / samples.elapsed_ns,
        "operations": took.count,
        "p50_us": took.p50 / 1e3,
        "p95_us": took.p95 / 1e3,
        "p99_us": took.p99 / 1e3,
        "max_us": took.max / 1e3,
    } | samples.figures


def main() -> None:
    """Answer one task."""
    target = sys.argv[2] if len(sys.argv) > 2 else os.dup(sys.stdout.fileno())
    answers = open(target, "wb")  # noqa: PTH123, SIM115 - may be a descriptor; closed below
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    task = msgspec.json.decode(sys.argv[1], type=Task)
    end_with_parent()
    try:
        answer = Answer(figures=run(task))
    except GaplessError as error:
        answer = Answer(error=str(error))
    with answers:
        answers.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
