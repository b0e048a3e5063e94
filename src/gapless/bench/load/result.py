"""What a load came to, of all its processes together.

In: the tales of processes. Out: one struct, and remarks that say when the load tool itself was the limit.
Invariants: a request that failed is in no percentile, and counts as one that took for ever where a bound is judged.
Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from gapless.bench.load.task import Tale, Task
from gapless.bench.load.times import Percentiles, Times

LATE_US: Final = 5_000
"""Timers come up to 1 ms late anyway; so late is a program that does not keep up, or does not get the processor."""

LATE_SHARE: Final = 0.01
BUSY_CORES: Final = 0.9
"""A process of the load runs on one core at most."""

NOTHING_DUE: Final = "nothing was due in the time that counts; take a higher rate, or longer"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """See the module's head."""

    offered_per_s: float | None
    """Requests that were to come; None: a closed loop."""
    connections: int
    processes: int
    seconds: float
    """That were asked for."""
    elapsed_s: float
    """Until the last answer."""
    due: int
    answered: int
    """Of those due, well."""
    uncounted: int
    """Others that were answered well: in the warm-up, and after the end of a closed loop."""
    answered_per_s: float
    errors: dict[str, int]
    """By what went wrong, the most frequent first."""
    error_share: float
    from_due: Percentiles | None
    """Times of good answers from the moment they were due; in a closed loop the same as from the sending."""
    p95_us: int | None
    """The same of all requests, where those that failed took for ever; None: so did this one."""
    histogram_us: dict[int, int]
    """Of these times: how many took at most so long, and more than the one before."""
    from_sent: Percentiles | None
    """Without the wait for a free connection."""
    late: Percentiles | None
    """How late the load tool was itself; it is part of the times from the moment they were due."""
    most_waiting: int
    """Requests that waited for a connection at a time."""
    connects: int
    received_bytes: int
    cores: tuple[float, ...]
    """That each process of the load kept busy."""
    remarks: tuple[str, ...]
    """What makes the figures doubtful."""
    interrupted: bool


def result_of(task: Task, tales: Sequence[Tale]) -> Result:
    """Add up.

    Args:
        task: of all processes; its connections are those of all.
        tales: at least one.
    """
    from_due, from_sent, late = (
        merged(getattr(tale, name) for tale in tales) for name in ("from_due", "from_sent", "late")
    )
    errors = added(tale.errors for tale in tales)
    failed = sum(errors.values())
    due = sum(tale.due for tale in tales)
    answered = sum(tale.answered for tale in tales)
    elapsed_s = max(tale.elapsed_s for tale in tales)
    cores = tuple(cores_of(tale.cpu_s, tale.elapsed_s) for tale in tales)
    interrupted = any(tale.interrupted for tale in tales)
    offered = None if task.arrivals is None else task.arrivals.rate_per_s
    return Result(
        offered_per_s=offered,
        connections=task.connections,
        processes=len(tales),
        seconds=task.seconds,
        elapsed_s=elapsed_s,
        due=due,
        answered=answered,
        uncounted=sum(tale.uncounted for tale in tales),
        answered_per_s=answered / elapsed_s if elapsed_s else 0.0,
        errors=errors,
        error_share=failed / due if due else 0.0,
        from_due=from_due.percentiles(),
        p95_us=from_due.percentile_us(0.95, never=failed),
        histogram_us=dict(from_due.ascending()),
        from_sent=from_sent.percentiles(),
        late=late.percentiles(),
        most_waiting=max(tale.most_waiting for tale in tales),
        connects=sum(tale.connects for tale in tales),
        received_bytes=sum(tale.received_bytes for tale in tales),
        cores=cores,
        remarks=(*(() if due else (NOTHING_DUE,)), *generator_remarks(cores, late)),
        interrupted=interrupted,
    )


def cores_of(cpu_s: float, elapsed_s: float) -> float:
    """Cores that a process kept busy; 0 if it was interrupted before anything counted."""
    return cpu_s / elapsed_s if elapsed_s else 0.0


def generator_remarks(cores: Sequence[float], late: Times) -> Iterator[str]:
    """What speaks against the load tool itself: it had no time, or was late.

    Args:
        cores: that each of its processes kept busy.
        late: how late it was; empty where nothing was due by the clock.
    """
    if max(cores) > BUSY_CORES:
        yield (
            f"the load tool was busy with {max(cores):.0%} of a core: it may be the limit itself; take more "
            "--processes, on cores that the server does not need"
        )
    late_us = late.percentile_us(1 - LATE_SHARE)
    if late_us is not None and late_us > LATE_US:
        yield (
            f"1 of {1 / LATE_SHARE:.0f} was sent more than {late_us / 1000:.0f} ms late by the load tool, which the "
            "times contain; run it on another machine, or with more --processes"
        )


def merged(parts: Iterable[tuple[int, dict[int, int]]]) -> Times:
    """The times of all processes."""
    times = Times()
    for max_us, counts in parts:
        times.merge(max_us, counts)
    return times


def added(errors: Iterable[dict[str, int]]) -> dict[str, int]:
    """The errors of all processes, the most frequent first."""
    total: dict[str, int] = {}
    for some in errors:
        for error, many in some.items():
            total[error] = total.get(error, 0) + many
    return dict(sorted(total.items(), key=lambda item: -item[1]))
