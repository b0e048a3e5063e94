"""What a family of benches says in the end: one struct for programs, lines for people.

In: results, the plan and the machine. Out: JSON, or text on a console. Invariants: nothing is said to people that is
not in the JSON; figures of a trial say that they prove nothing. Thread: any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gapless.bench.distribution import ratio
from gapless.bench.harness import CaseResult, ContenderResult, Plan, Results
from gapless.bench.machine import Machine
from gapless.bench.quantity import duration, number, quantity, spread_text
from gapless.bench.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GIB: Final = 1024**3

MARKS: Final[dict[bool | None, tuple[str, str]]] = {
    True: ("PASS", "green"),
    False: ("FAIL", "bold red"),
    None: ("info", "dim"),
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole family, as one run measured it."""

    bench: str
    format: int = 1
    """Version of this shape."""
    began_at: str
    """ISO 8601, UTC."""
    machine: Machine
    plan: Plan
    results: Results
    error: str = ""
    """Why it cannot be run here; there are no results then."""

    @property
    def red(self) -> bool:
        """Whether a claim was judged and did not hold."""
        return any(
            verdict.holds is False for case in self.results.cases for verdict in case.verdicts
        )

    @property
    def broken(self) -> bool:
        """Whether it, or a case of it, could not be measured."""
        return bool(self.error) or any(case.error for case in self.results.cases)


def print_report(report: Report, console: Console) -> None:
    """Write it for people."""
    print_machine(report.machine, report.began_at, console)
    print_family(report, console)


def print_machine(machine: Machine, began_at: str, console: Console) -> None:
    """Write what was measured on."""
    memory = f", {machine.memory_bytes / GIB:.1f} GiB" if machine.memory_bytes else ""
    virtual = " (virtual)" if machine.virtual else ""
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    lines = [
        f"{machine.cpu}{virtual}, {machine.usable_cpus} CPUs on {machine.physical_cpus} cores{memory}",
        f"{machine.system}, {machine.python}, {packages}",
        f"commit {machine.commit or 'unknown'}, {began_at}",
    ]
    for line in lines:
        console.print(line, style="dim", markup=False, highlight=False)


def print_family(report: Report, console: Console) -> None:
    """Write everything but the machine."""
    machine, plan = report.machine, report.plan
    line = f"rounds of each contender: {plan.rounds}, of {plan.seconds:g} s each, in processes of their own"
    console.print(line, style="dim", markup=False, highlight=False)
    if machine.busy:
        line = (
            f"the machine was busy before (load {machine.load:.2f}): measure again when it is quiet"
        )
        console.print(line, style="yellow", highlight=False)
    if not plan.proves:
        console.print("a quick trial: these figures prove nothing", style="yellow")
    for case in report.results.cases:
        _print_case(case, console)
    if report.error:
        console.print(f"cannot be run here: {report.error}", style="bold red", markup=False)
    if report.results.interrupted:
        console.print("\ninterrupted: what is missing was not measured", style="yellow")


def _print_case(case: CaseResult, console: Console) -> None:
    console.print()
    console.print(case.question, style="bold", markup=False, highlight=False)
    if any(contender.figures for contender in case.contenders):
        console.print(_table(case), highlight=False)
    told = ""
    for contender in case.contenders:
        if contender.what != told:
            line = f"  {contender.name}: {contender.what}"
            console.print(line, style="dim", markup=False, highlight=False)
        told = contender.what
    for note in case.notes:
        console.print(f"  without: {note}", style="yellow", markup=False, highlight=False)
    for verdict in case.verdicts:
        mark, style = MARKS[verdict.holds]
        says, came_out = verdict_lines(verdict)
        console.print(f"  {mark}", style=style, end=" ")
        console.print(says, markup=False, highlight=False)
        console.print(f"       {came_out}", markup=False, highlight=False)
    if case.error:
        console.print(f"  could not be measured: {case.error}", style="bold red", markup=False)


def verdict_lines(verdict: Verdict) -> tuple[str, str]:
    """A claim, and what became of it."""
    claim, value = verdict.claim, verdict.value
    figure = "times" if claim.times else claim.figure
    says, held = f"{claim.row} {claim.says}", ""
    if claim.bound is not None:
        says += f": {claim.sense} {quantity(claim.bound, figure)}"
        held = f", held in {verdict.held_rounds} of {len(value.rounds)} rounds"
    whom = verdict.contender + (f" / {verdict.against}" if verdict.against else "")
    return says, f"{whom}: {spread_text(value, figure)}{held}"


def _table(case: CaseResult) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for heading in (
        f"{case.unit}/s",
        "slowest .. fastest",
        "of baseline",
        *("p50", "p95", "p99", "max"),
        f"CPU/{case.unit.removesuffix('s')}",
        "memory",
        "peak",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for contender in case.contenders:
        if contender.figures:
            table.add_row(contender.name, *_cells(contender, case.contenders[0]))
    return table


def _cells(contender: ContenderResult, baseline: ContenderResult) -> list[str]:
    figures = contender.figures
    rate = figures["rate_per_s"]
    return [
        number(rate.median),
        f"{number(rate.low)} .. {number(rate.high)}",
        quantity(ratio(rate, baseline.figures["rate_per_s"]).median, "times"),
        *(duration(figures[name].median) for name in ("p50_us", "p95_us", "p99_us")),
        # The slowest operation of all, not of the round in the middle.
        duration(figures["max_us"].high),
        duration(figures["cpu_us_per_unit"].median),
        *(
            quantity(figures[name].median, name) if name in figures else "?"
            for name in ("resident_mib", "peak_mib")
        ),
    ]
