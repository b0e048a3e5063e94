"""How fast a model is by itself, at every batch size.

In: a model's name. Out: times; a table of them. Invariants: one call at a time, as an executor makes them; what queues
and batching add is measured by ``gapless bench inference``. Thread: main.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
import msgspec

from gapless.bench.distribution import distribution
from gapless.bench.quantity import duration, number
from gapless.cli.tensor_models import find_model, loaded, table_console
from gapless.errors import ModelError
from gapless.settings import Settings

if TYPE_CHECKING:
    from gapless.infer.contract import Model

NS_PER_S = 1_000_000_000


class BucketTimes(msgspec.Struct, frozen=True):
    """Calls of one batch size."""

    rows: int
    calls: int
    p50_us: float
    p95_us: float
    p99_us: float
    max_us: float
    rows_per_s: float


class Times(msgspec.Struct, frozen=True):
    """What was measured of a model."""

    model: str
    version: str
    provider: str
    """What computes it, and why."""
    buckets: tuple[BucketTimes, ...]


def time_model(
    settings: Settings, name: str, seconds: float, progress: Callable[[str], None]
) -> Times:
    """Time calls of random numbers.

    Args:
        settings: what loading it depends on.
        name: of a model, or the path of a file.
        seconds: for each batch size.
        progress: told what is being done.
    """
    found = find_model(settings, name)
    with loaded(settings, found) as model:
        times = []
        for size in model.info.limits.buckets:
            progress(f"calls of {size}")
            times.append(_measure(model, size, seconds))
        return Times(model.info.name, model.info.version, model.provider, tuple(times))


def _measure(model: Model, rows: int, seconds: float) -> BucketTimes:
    from gapless.infer.sample_inputs import FREE_LENGTHS, has_free_lengths, random_inputs

    info = model.info
    for free in FREE_LENGTHS if has_free_lengths(info) else FREE_LENGTHS[:1]:
        inputs = random_inputs(info, rows, free, seed=1)
        try:
            model.run(inputs)
        except ModelError as error:
            failure = error
        else:
            break
    else:
        raise failure
    took_ns = []
    end = time.perf_counter_ns() + seconds * NS_PER_S
    while (begin := time.perf_counter_ns()) < end:
        model.run(inputs)
        took_ns.append(time.perf_counter_ns() - begin)
    spread = distribution(took_ns)
    return BucketTimes(
        rows=rows,
        calls=spread.count,
        p50_us=spread.p50 / 1000,
        p95_us=spread.p95 / 1000,
        p99_us=spread.p99 / 1000,
        max_us=spread.max / 1000,
        rows_per_s=rows * spread.count * NS_PER_S / sum(took_ns),
    )


def print_times(times: Times) -> None:
    """Write them for people."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("rows a call", "p50", "p95", "p99", "max", "rows/s", "of one by one", "calls"):
        table.add_column(heading, justify="right")
    single = times.buckets[0]
    for bucket in times.buckets:
        table.add_row(
            str(bucket.rows),
            *(duration(us) for us in (bucket.p50_us, bucket.p95_us, bucket.p99_us, bucket.max_us)),
            number(bucket.rows_per_s),
            f"{bucket.rows_per_s / single.rows_per_s:.2f}x",
            str(bucket.calls),
        )
    click.echo(f"{times.model} {times.version}: {times.provider}")
    table_console().print(table)
