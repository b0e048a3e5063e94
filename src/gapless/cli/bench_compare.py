"""``gapless bench compare``: two reports beside each other; nothing is measured.

In: files that ``--json`` wrote. Out: what changed; exit code 1 if something became worse. Thread: main.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from gapless.cli.bench_options import BrokenMessage, json_option, threshold_option
from gapless.cli.bench_run import STDOUT, console_of, publish
from gapless.cli.options import examples
from gapless.errors import GaplessError

REPORT = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command(epilog=examples("gapless bench compare before.json now.json"))
@click.argument("old", type=REPORT)
@click.argument("new", type=REPORT)
@threshold_option
@json_option
def compare(old: Path, new: Path, *, threshold_percent: float, json: str | None) -> None:
    """Say what changed between two reports.

    As --compare does after measuring. The exit code is 1 if something became worse, or a claim does not hold any more.
    """
    from gapless.bench.compare import compare as compare_reports
    from gapless.bench.compare_report import print_comparison
    from gapless.bench.run_file import read_reports

    try:
        before, now = read_reports(old), read_reports(new)
    except GaplessError as error:
        raise BrokenMessage(str(error)) from error
    comparison = compare_reports(before, now, threshold=threshold_percent / 100)
    publish(msgspec.json.format(msgspec.json.encode(comparison)).decode() + "\n", json)
    if json != STDOUT:
        print_comparison(comparison, console_of(sys.stdout))
    if comparison.regressed or comparison.broken:
        raise click.exceptions.Exit(1)
