"""Runs families of benches for a command, and says what came out.

In: cases and options. Out: tables on standard output, or JSON; progress on standard error; the exit code. Invariants:
what is compared with is read before anything runs; Ctrl-C ends what runs and prints what there is. Thread: main.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from gapless.bench.families import FAMILIES
from gapless.bench.harness import QUICK, Plan, Results, Tell, run_cases
from gapless.bench.machine import machine
from gapless.bench.report import Report, print_family, print_machine, print_report
from gapless.cli.bench_options import BROKEN, BrokenMessage, Options
from gapless.cli.main import INTERRUPTED
from gapless.cli.output import write_output
from gapless.errors import GaplessError

if TYPE_CHECKING:
    from rich.console import Console

    from gapless.bench.case import Case, Cases, Contender
    from gapless.bench.claims.claim import Bench
    from gapless.bench.compare import Comparison

STDOUT: Final = "-"
"""The file name that stands for standard output."""

PIPE_COLUMNS: Final = 160
"""Width of the table where there is no terminal to fit."""


def run_bench(name: str, cases: AbstractContextManager[Cases], options: Options) -> None:
    """Run the cases that are wanted, say what came out, and end with the exit code that says so too.

    Raises:
        BrokenMessage: the cases cannot be set up.
    """
    from gapless.bench.run_file import encode_single

    before = read_before(options)
    try:
        report = measure(name, cases, options)
    except GaplessError as error:
        raise BrokenMessage(str(error)) from error
    comparison = compared(before, [report], options)
    publish(encode_single(report, comparison), options.json)
    if options.json != STDOUT:
        print_report(report, console_of(sys.stdout))
        show_comparison(comparison)
    end([report], comparison, fail=options.fail)


def run_families(names: Sequence[Bench], options: Options, rounds: Rounds) -> list[Report]:
    """Run families one after the other; each is printed when it is over. One that cannot be run stops no other.

    Args:
        names: of the families.
        options: the same for all; the plan is the family's own where ``rounds`` says nothing else.
        rounds: what was asked for in the place of the families' own plans.
    """
    reports: list[Report] = []
    aloud = options.json != STDOUT
    console = console_of(sys.stdout)
    for name in names:
        family = FAMILIES[name]
        plan = rounds.of(family.plan)
        own = Options(plan, (), None, fail=options.fail, profile=options.profile)
        if not sys.stderr.isatty():
            click.echo(f"{name}: {plan.rounds} rounds of {plan.seconds:g} s each", err=True)
        report = _measured_or_why(name, own)
        if aloud:
            if not reports:
                print_machine(report.machine, report.began_at, console)
            console.print()
            console.rule(f"gapless bench {name}", style="bold")
            print_family(report, console)
        reports.append(report)
        if report.results.interrupted:
            break
    return reports


class Rounds:
    """How long families are tried: as they want it themselves, or as was asked.

    Args:
        rounds: None: as the family wants it.
        seconds: of a round; None: the same.
        quick: a trial.
    """

    def __init__(self, rounds: int | None, seconds: float | None, *, quick: bool) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._quick = quick

    def of(self, plan: Plan) -> Plan:
        """The plan of a family whose own is ``plan``."""
        if self._quick:
            return QUICK
        return Plan(
            rounds=self._rounds or plan.rounds,
            seconds=self._seconds or plan.seconds,
            warm_up_s=plan.warm_up_s,
        )


def measure(name: str, cases: AbstractContextManager[Cases], options: Options) -> Report:
    """Run the cases of a family that are wanted.

    Raises:
        GaplessError: they cannot be set up.
    """
    # Looked at before anything runs: the load is that of others.
    facts, began = machine(), datetime.now(UTC)
    with cases as known:
        wanted = wanted_cases(known, options.only)
        with progress(wanted, options.plan) as tell:
            results = run_cases(wanted, options.plan, tell)
        if options.profile is not None and not results.interrupted:
            try:
                _profile(name, wanted, options)
            except KeyboardInterrupt:
                results = msgspec.structs.replace(results, interrupted=True)
    return Report(
        bench=name,
        began_at=began.isoformat(timespec="seconds"),
        machine=facts,
        plan=options.plan,
        results=results,
    )


def _measured_or_why(name: Bench, options: Options) -> Report:
    try:
        return measure(name, FAMILIES[name].open(options.plan), options)
    except KeyboardInterrupt:
        results, why = Results(cases=(), interrupted=True), ""
    except click.UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - an hour of other families is not to be lost with this one
        known = isinstance(error, (GaplessError, ImportError, OSError))
        results = Results(cases=())
        why = str(error) if known else f"{type(error).__name__}: {error}"
    return Report(
        bench=name,
        began_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        plan=options.plan,
        results=results,
        error=why,
    )


def read_before(options: Options) -> list[Report] | None:
    """The reports to compare with; None: nothing is compared.

    Raises:
        BrokenMessage: they cannot be read.
    """
    from gapless.bench.run_file import read_reports

    if options.compare is None:
        return None
    try:
        return read_reports(options.compare)
    except GaplessError as error:
        raise BrokenMessage(str(error)) from error


def compared(
    before: Sequence[Report] | None, reports: Sequence[Report], options: Options
) -> Comparison | None:
    """What changed; None where there is nothing to compare with."""
    from gapless.bench.compare import compare

    if before is None:
        return None
    return compare(before, reports, threshold=options.threshold)


def show_comparison(comparison: Comparison | None) -> None:
    """Write what changed, where something was compared."""
    from gapless.bench.compare_report import print_comparison

    if comparison is not None:
        print_comparison(comparison, console_of(sys.stdout))


def publish(text: str, file: str | None) -> None:
    """Write JSON to where it is wanted, if it is."""
    if file == STDOUT:
        click.echo(text, nl=False)
    elif file is not None:
        write_output(text, Path(file))


def end(reports: Sequence[Report], comparison: Comparison | None, *, fail: bool) -> None:
    """End with the exit code that says what came out; 0 returns."""
    if any(report.results.interrupted for report in reports):
        raise click.exceptions.Exit(INTERRUPTED)
    if any(report.broken for report in reports):
        raise click.exceptions.Exit(BROKEN)
    worse = comparison is not None and comparison.regressed
    if fail and (worse or any(report.red for report in reports)):
        raise click.exceptions.Exit(1)


def console_of(stream: object) -> Console:
    """Where tables are printed: as wide as the terminal, or as ``PIPE_COLUMNS``."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(stderr=stream is sys.stderr, width=None if terminal else PIPE_COLUMNS)


@contextmanager
def progress(cases: Sequence[Case], plan: Plan, *, trees: int = 1) -> Iterator[Tell]:
    """A bar on the terminal; yields what moves it on.

    Args:
        cases: what is run.
        plan: how often.
        trees: source trees that each contender is taken from.
    """
    from rich.console import Console
    from rich.progress import Progress

    bars = Progress(
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
        transient=True,
    )
    # Of two trees, each contender is told of once more, when both are run for the first time.
    turns = plan.rounds + (trees > 1)
    with bars:
        bar = bars.add_task("", total=turns * sum(len(case.contenders) for case in cases))

        def tell(case: Case, number: int, contender: Contender) -> None:
            text = f"{case.name}: {contender.name} ({number + 1}/{plan.rounds})"
            bars.update(bar, description=text)
            bars.advance(bar)

        yield tell


def wanted_cases(cases: Cases, only: tuple[str, ...]) -> list[Case]:
    """Those that were asked for, or all; they are set up.

    Raises:
        UsageError: there is no case of that name.
        GaplessError: one cannot be set up.
    """
    for name in only:
        if name not in cases:
            raise click.UsageError(f"there is no case {name!r}; those known are {', '.join(cases)}")
    return [cases[name]() for name in only or cases]


def _profile(name: str, cases: Sequence[Case], options: Options) -> None:
    from gapless.bench.profiling import profile_cases

    if options.profile is None:
        return
    with progress(cases, Plan(rounds=1, seconds=options.plan.seconds)) as tell:
        profiles = profile_cases(name, cases, options.plan, options.profile, tell)
    click.echo(f"{len(profiles.files)} flame graphs are in {options.profile}", err=True)
    for failure in profiles.failures:
        click.secho(f"no flame graph of {failure}", fg="yellow", err=True)
