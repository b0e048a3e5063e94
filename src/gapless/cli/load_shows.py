"""Shows a load: a bar while it runs, tables when it is over.

In: results. Out: text on standard output, a bar on standard error where that is a terminal. Thread: main.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from gapless.bench.load.result import Result
    from gapless.bench.load.stream_result import StreamResult
    from gapless.bench.load.task import Progress
    from gapless.bench.load.times import Percentiles

HEADINGS = ("", "p50", "p95", "p99", "p99.9", "max", "of")


class LoadBar:
    """How far a load is. Use it as a context manager.

    Args:
        seconds: that it takes, after its warm-up.
        what: is answered.
        quiet: show nothing.
    """

    def __init__(self, seconds: float, what: str, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._what = what
        self._seconds = seconds
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("warming up", total=seconds)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def tell(self, passed_s: float, progress: Progress) -> None:
        """So many seconds have passed since what counts began."""
        if passed_s < 0:
            return
        text = f"{progress.answered:,} {self._what}"
        if progress.errors:
            text += f", {progress.errors:,} errors"
        self._bar.update(self._task, completed=min(passed_s, self._seconds), description=text)


def print_result(result: Result) -> None:
    """A load of requests, for people."""
    from gapless.bench.quantity import number

    if result.offered_per_s is None:
        click.echo(
            f"Closed loop: {result.connections} connections that ask as soon as they are answered"
        )
    else:
        click.echo(
            f"Offered: {number(result.offered_per_s)} requests a second, {result.connections} connections"
        )
    click.echo(
        f"Answered: {number(result.answered_per_s)} a second, {result.answered:,} of {result.due:,} in "
        f"{result.elapsed_s:.1f} s, {number(result.received_bytes / max(result.elapsed_s, 1e-9))} bytes a second"
    )
    _print_errors(result.errors)
    rows = {"from the moment it was due": result.from_due}
    if result.offered_per_s is None:
        rows = {"from the sending": result.from_due}
    else:
        rows |= {"from the sending": result.from_sent, "sent late by the load tool": result.late}
    _print_times(rows)
    if result.most_waiting:
        click.echo(f"Up to {result.most_waiting:,} requests waited for a connection at a time.")
    if result.offered_per_s is None:
        click.echo(
            "Nobody asks while the server is slow, so these times say little of callers who do; --rate does."
        )
    _print_end(result.cores, result.remarks, interrupted=result.interrupted)


def print_streams(result: StreamResult) -> None:
    """Live streams, for people."""
    click.echo(
        f"{result.streams} live streams for {result.elapsed_s:.1f} s, each with words of its own; "
        f"{result.finals:,} utterances, {result.failed} streams failed"
    )
    _print_errors(result.errors)
    _print_times(
        {
            "partial, from the chunk that causes it": result.lag,
            "partial, from the audio it is about": result.position_lag,
            "final, from the end of the silence": result.final_lag,
            "sent late by the load tool": result.late,
        }
    )
    if result.in_time is not None:
        words = "less" if result.in_time else "not less"
        click.echo(f"The p95 lag of partial results is {words} than a chunk of 40 ms.")
    _print_end(result.cores, result.remarks, interrupted=result.interrupted)


def _print_errors(errors: dict[str, int]) -> None:
    for error, many in errors.items():
        click.secho(f"  {many:,} x {error}", fg="red")


def _print_times(rows: dict[str, Percentiles | None]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from gapless.bench.quantity import duration

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for name, times in rows.items():
        if times is None:
            continue
        values = (times.p50_us, times.p95_us, times.p99_us, times.p999_us, times.max_us)
        table.add_row(name, *(duration(value) for value in values), f"{times.count:,}")
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 120).print(table)


def _print_end(cores: tuple[float, ...], remarks: tuple[str, ...], *, interrupted: bool) -> None:
    click.echo(
        f"The load tool kept {sum(cores):.2f} cores busy, in {len(cores)} "
        f"{'process' if len(cores) == 1 else 'processes'}."
    )
    for remark in remarks:
        click.secho(f"Doubtful: {remark}.", fg="yellow")
    if interrupted:
        click.secho("Interrupted: this is what there is.", fg="yellow")
