"""``gapless bench check``: this source tree beside another, round by round in turn on the same machine.

In: the folder of the other tree, families. Out: what changed; exit code 1 if something became worse. Thread: main.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from gapless.bench.families import ALIASES, FAMILIES
from gapless.bench.harness import Plan
from gapless.bench.machine import commit_of, machine
from gapless.bench.report import Report, print_machine
from gapless.cli.bench_options import (
    MOST_ROUNDS,
    Options,
    json_option,
    no_fail_option,
    threshold_option,
)
from gapless.cli.bench_run import STDOUT, console_of, end, progress, publish, wanted_cases
from gapless.cli.options import examples
from gapless.errors import GaplessError

if TYPE_CHECKING:
    from gapless.bench.case import Cases
    from gapless.bench.claims.claim import Bench

ROUNDS: Final = 8
"""Of each tree: 0.8 % is the least probability that so many pairs can give."""

SECONDS: Final = 1.0


class Trees(msgspec.Struct, frozen=True, kw_only=True):
    """A family in both trees."""

    base: Report
    here: Report
    left_out: tuple[str, ...]


@click.command(
    epilog=examples(
        "git worktree add --detach ../base main && gapless bench check --base ../base",
        "gapless bench check --base ../base inference --case many-callers --rounds 12",
        "make bench-check                        against the commit that this branch began at",
    )
)
@click.argument(
    "families", metavar="[FAMILY]...", nargs=-1, type=click.Choice([*FAMILIES, *ALIASES])
)
@click.option(
    "--base",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="A checkout of what to compare with.",
)
@click.option(
    "--rounds",
    type=click.IntRange(2, MOST_ROUNDS),
    default=ROUNDS,
    show_default=True,
    help="Rounds of each contender in each tree.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 600),
    default=SECONDS,
    show_default=True,
    help="Length of a round.",
)
@click.option(
    "--case", "only", metavar="NAME", multiple=True, help="Only this case; may be repeated."
)
@threshold_option
@json_option
@no_fail_option
def check(
    families: tuple[str, ...],
    *,
    base: Path,
    rounds: int,
    seconds: float,
    only: tuple[str, ...],
    threshold_percent: float,
    json: str | None,
    no_fail: bool,
) -> None:
    """Compare this tree with another, on this machine in one run.

    Both run with this Python and its packages, every round of the one right beside a round of the other, so what the
    machine does meanwhile meets both. Without names: the families that need nothing but Gapless and take minutes.
    """
    from gapless.bench.check import check_base

    plan = Plan(rounds=rounds, seconds=seconds)
    options = Options(plan, only, json, fail=not no_fail, threshold=threshold_percent / 100)
    source = check_base(base)
    names: list[Bench] = [
        name
        for name, family in FAMILIES.items()
        if (name in {ALIASES.get(one, one) for one in families} if families else family.everywhere)
    ]
    run_check([(name, FAMILIES[name].open(plan)) for name in names], source, options)


def run_check(
    families: Sequence[tuple[str, AbstractContextManager[Cases]]], source: Path, options: Options
) -> None:
    """Run families in both trees, say what changed, and end with the exit code that says so too."""
    from gapless.bench.compare import compare
    from gapless.bench.compare_report import print_comparison
    from gapless.bench.run_file import encode_run

    trees: list[Trees] = []
    for name, cases in families:
        if not sys.stderr.isatty():
            click.echo(f"{name}: {options.plan.rounds} rounds in each tree", err=True)
        trees.append(_run_family(name, cases, source, options))
        if trees[-1].here.results.interrupted:
            break
    here = [tree.here for tree in trees]
    comparison = compare(
        [tree.base for tree in trees], here, paired=True, threshold=options.threshold
    )
    left_out = tuple(line for tree in trees for line in tree.left_out)
    comparison = msgspec.structs.replace(comparison, missing=(*comparison.missing, *left_out))
    publish(encode_run(here, comparison), options.json)
    if options.json != STDOUT:
        console = console_of(sys.stdout)
        print_machine(here[0].machine, here[0].began_at, console)
        for report in here:
            for case in report.results.cases:
                if case.error:
                    line = f"{report.bench} {case.name}: could not be measured: {case.error}"
                    console.print(line, style="bold red", markup=False)
            if report.error:
                line = f"{report.bench} cannot be run here: {report.error}"
                console.print(line, style="bold red", markup=False)
        print_comparison(comparison, console)
    # What became worse counts here, not what a machine cannot hold.
    unjudged = [_unjudged(report) for report in here]
    end(unjudged, comparison, fail=options.fail)


def _run_family(
    name: str, cases: AbstractContextManager[Cases], source: Path, options: Options
) -> Trees:
    from gapless.bench.check import run_both
    from gapless.bench.harness import Results

    facts, began = machine(), datetime.now(UTC)
    error = ""
    left_out: tuple[str, ...] = ()
    base = here = Results(cases=())
    try:
        with cases as known:
            wanted = wanted_cases(known, options.only)
            with progress(wanted, options.plan, trees=2) as tell:
                both = run_both(wanted, options.plan, source, tell)
            base, here, left_out = both.base, both.here, both.left_out
    except KeyboardInterrupt:
        here = Results(cases=(), interrupted=True)
    except (GaplessError, ImportError, OSError) as failure:
        error = str(failure)
    reports = [
        Report(
            bench=name,
            began_at=began.isoformat(timespec="seconds"),
            machine=msgspec.structs.replace(facts, commit=commit),
            plan=options.plan,
            results=results,
            error=error,
        )
        for commit, results in ((commit_of(source / "gapless"), base), (facts.commit, here))
    ]
    return Trees(base=reports[0], here=reports[1], left_out=left_out)


def _unjudged(report: Report) -> Report:
    cases = tuple(msgspec.structs.replace(case, verdicts=()) for case in report.results.cases)
    results = msgspec.structs.replace(report.results, cases=cases)
    return msgspec.structs.replace(report, results=results)
