"""Writing a model's 8-bit version, and showing what was measured of it.

In: a model's name. Out: a report; a table and a verdict. Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

import click

from gapless.bench.quantity import duration
from gapless.cli.tensor_models import find_model, require_file, size_text, table_console
from gapless.infer.onnx.int8.quantize import QuantizeOptions, quantize
from gapless.infer.onnx.int8.report import Report
from gapless.infer.onnx.int8.samples import RANDOM
from gapless.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table


def quantize_model(
    settings: Settings, name: str, options: QuantizeOptions, progress: Callable[[str], None]
) -> Report:
    """Write and measure the 8-bit version of a model.

    Args:
        settings: where models are.
        name: of a model, or the path of a file.
        options: what is asked of it.
        progress: told what is being done.
    """
    found = find_model(settings, name)
    return quantize(found.name, found.manifest, require_file(found), options, progress)


def print_report(report: Report) -> None:
    """Write it for people."""
    table_console().print(_table(report))
    if report.samples == RANDOM:
        click.echo(
            "Errors are those on random numbers, which say little; give inputs of your own with --samples."
        )
    verdict = "used" if report.use else "not used"
    click.secho(f"{verdict}: {report.why}", fg="green" if report.use else "yellow")


def _table(report: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("32 bits", justify="right")
    for trial in report.trials:
        kept = " (kept)" if trial.scheme == report.scheme else ""
        table.add_column(f"8 bits by {trial.scheme}{kept}", justify="right")
    table.add_row(
        "size", size_text(report.source_bytes), *(size_text(trial.bytes) for trial in report.trials)
    )
    for rows, ms in report.source_ms.items():
        table.add_row(
            f"a call of {rows}",
            duration(ms * 1000),
            *(
                f"{duration(trial.ms[rows] * 1000)}  {ms / trial.ms[rows]:.2f}x"
                for trial in report.trials
            ),
        )
    for label, cells in (
        ("error, RMS", [_percent(trial.relative_rms) for trial in report.trials]),
        ("error, largest", [_percent(trial.relative_max) for trial in report.trials]),
        ("same labels", [_percent(trial.agreement) for trial in report.trials]),
        ("from neighbours", [_percent(trial.neighbour_rms) for trial in report.trials]),
    ):
        if any(cells):
            table.add_row(label, "", *cells)
    return table


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return "not known" if share == inf else f"{share:.2%}"
