"""``gapless bench claims``: the whole table of what is claimed, measured now or taken from reports.

In: reports, or nothing. Out: the table on the terminal, as Markdown in a file, as JSON; the same exit codes as the
benches. Thread: main.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gapless.bench.families import FAMILIES
from gapless.cli.bench_options import (
    BrokenMessage,
    Options,
    json_option,
    no_fail_option,
    quick_option,
    rounds_option,
    seconds_option,
)
from gapless.cli.bench_run import STDOUT, Rounds, console_of, end, publish, run_families
from gapless.cli.options import examples
from gapless.cli.output import write_output
from gapless.errors import GaplessError

if TYPE_CHECKING:
    from rich.console import Console

    from gapless.bench.claims_table import ClaimsTable
    from gapless.bench.report import Report

PAGE: Final = Path("docs") / "reference" / "claims.md"
"""In a checkout."""

HERE: Final = "the page of this checkout"

STYLES: Final = {"pass": "green", "FAIL": "bold red", "reported": "dim", "not measured": "yellow"}


@click.command(
    epilog=examples(
        "gapless bench claims                         measures everything, an hour or two",
        "gapless bench claims --from bench.json       the table of what was measured",
        "gapless bench claims --from a.json --from b.json --write claims.md",
    )
)
@click.option(
    "--from",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A report that --json wrote, instead of measuring; may be repeated, the newest figure counts.",
)
@click.option(
    "--write",
    metavar="FILE",
    is_flag=False,
    flag_value=HERE,
    help=f"Write it as Markdown as well; without FILE to {PAGE} of the checkout.",
)
@rounds_option(None)
@seconds_option(None, 600)
@quick_option
@json_option
@no_fail_option
def claims(
    *,
    files: tuple[Path, ...],
    write: str | None,
    rounds: int | None,
    seconds: float | None,
    quick: bool,
    json: str | None,
    no_fail: bool,
) -> None:
    """Show every claim with its target and what came out.

    Each row with its definition, its target, the median of the rounds, p50, p95, p99 and the slowest, the baseline
    beside it, pass or fail, machine and commit. Rows that were not measured are listed too, with the reason. --json
    keeps the reports, to be read by --from and --compare.
    """
    from gapless.bench.claims_table import claims_table, markdown
    from gapless.bench.run_file import encode_run

    place = page(write)
    if files:
        reports = _read(files)
        publish(encode_run(reports), json) if json else None
    else:
        options = Options(FAMILIES["inference"].plan, (), json, fail=not no_fail)
        reports = run_families(list(FAMILIES), options, Rounds(rounds, seconds, quick=quick))
        publish(encode_run(reports), json)
    table = claims_table(reports)
    if json != STDOUT:
        print_claims(table, console_of(sys.stdout))
    if place is not None:
        write_output(markdown(table), place)
        click.echo(f"written to {place}", err=True)
    end(reports, None, fail=not no_fail)


def page(write: str | None) -> Path | None:
    """Where the page goes: nowhere, to the file that was named, or into the checkout.

    Raises:
        BrokenMessage: there is no checkout here.
    """
    if write is None:
        return None
    if write != HERE:
        return Path(write)
    root = Path(__file__).parents[3]
    if not (root / PAGE.parent).is_dir():
        raise BrokenMessage(f"there is no {PAGE.parent} beside this installation; use --write FILE")
    return root / PAGE


def print_claims(table: ClaimsTable, console: Console) -> None:
    """Write every row, its definition and its claims."""
    for number, source in enumerate(table.sources, 1):
        console.print(f"[{number}] {source}", style="dim", markup=False, highlight=False)
    for result in table.rows:
        console.print()
        console.print(result.status, style=STYLES[result.status], end=" ")
        title = f"{result.row.name} {result.row.title}"
        console.print(title, style="bold", markup=False, highlight=False)
        for line in (result.row.definition, f"Target: {result.row.target}."):
            console.print(f"  {line}", style="dim", markup=False, highlight=False)
        for claim in result.lines:
            console.print(f"  {claim.status:<8}", style=STYLES[claim.status], end=" ")
            bound = f": {claim.bound}" if claim.bound else ""
            console.print(f"{claim.says}{bound}", markup=False, highlight=False)
            beside = "" if claim.baseline == "-" else f"; beside it {claim.baseline}"
            times = " / ".join(claim.percentiles)
            told = (
                f"{claim.contender}: {claim.value}{claim.held}{beside}; "
                f"p50 / p95 / p99 / max {times} ({claim.case}) [{claim.source}]"
            )
            console.print(f"           {told}", markup=False, highlight=False)
        for why in result.why_not:
            console.print(f"  {why}", style="yellow", markup=False, highlight=False)
    print_summary(table, console)


def print_summary(table: ClaimsTable, console: Console, *, only_measured: bool = False) -> None:
    """Write a line for each row, and how many came out how.

    Args:
        table: of all rows.
        console: where to.
        only_measured: leave the others out.
    """
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("row", "promise", "result", "measured", "baseline beside it"):
        shown.add_column(heading)
    for result in table.rows:
        line = result.headline
        if line is None and only_measured:
            continue
        shown.add_row(
            result.row.name,
            result.row.title,
            f"[{STYLES[result.status]}]{result.status}[/]",
            *(_plain(f"{line.contender}: {line.value}", line.baseline) if line else ("-", "-")),
        )
    console.print()
    if shown.row_count:
        console.print(shown, highlight=False)
    told = ", ".join(
        f"{count} {status}"
        for status, count in table.counts.items()
        if count and not (only_measured and status == "not measured")
    )
    if told:
        console.print(told, style="bold", highlight=False)


def _plain(*texts: str) -> tuple[str, ...]:
    """Text whose brackets are brackets."""
    from rich.markup import escape

    return tuple(escape(text) for text in texts)


def _read(files: tuple[Path, ...]) -> list[Report]:
    from gapless.bench.run_file import read_reports

    try:
        return [report for file in files for report in read_reports(file)]
    except GaplessError as error:
        raise BrokenMessage(str(error)) from error
