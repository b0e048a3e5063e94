"""The table of all claims: each row with its definition, its target and what was measured.

In: reports of one or more runs. Out: a table; Markdown. Invariants: of what was measured several times the newest
counts; a trial counts as not measured; the same reports give the same text. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from gapless.bench.claims import CLAIMS
from gapless.bench.claims.rows import ROWS, Row
from gapless.bench.distribution import Spread
from gapless.bench.harness import CaseResult
from gapless.bench.quantity import duration, quantity, spread_text
from gapless.bench.report import GIB, Report
from gapless.bench.verdict import Verdict

Status: TypeAlias = Literal["pass", "FAIL", "reported", "not measured"]

PERCENTILES: Final = ("p50_us", "p95_us", "p99_us", "max_us")

COLUMNS: Final = (
    *("claim", "bound", "case", "contender", "measured", "p50", "p95", "p99", "max"),
    *("baseline beside it", "result", "run"),
)

NOTHING: Final = "-"

HEADING: Final = """\
<!-- Made by `gapless bench claims --write`: measure again instead of changing it. -->

# What is claimed, and what came out

Every row is a promise, measured beside a baseline: [how](../explanation/how-we-measure.md). Times belong to the machine
that they were measured on. Given is the median of the rounds, with the lowest and the highest in brackets; p50, p95,
p99 and max are those of single operations. A row passes if every claim that is judged held.
"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of one contender."""

    says: str
    bound: str
    case: str
    contender: str
    value: str
    percentiles: tuple[str, ...]
    baseline: str
    """Who stands beside it, and the same figure of that."""
    held: str
    status: Status
    source: int
    """Number of the run, from 1."""


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a promise."""

    row: Row
    status: Status
    lines: tuple[Line, ...]
    why_not: tuple[str, ...]
    """What could not be measured of it."""

    @property
    def headline(self) -> Line | None:
        """The line that says most: one that failed, else one that was judged, else the first."""
        for status in ("FAIL", "pass"):
            for line in self.lines:
                if line.status == status:
                    return line
        return next(iter(self.lines), None)


class ClaimsTable(msgspec.Struct, frozen=True, kw_only=True):
    """All promises, and where the figures come from."""

    rows: tuple[RowResult, ...]
    sources: tuple[str, ...]
    """Machine, commit and time of each run."""

    @property
    def counts(self) -> dict[Status, int]:
        """How many rows have each status."""
        statuses: tuple[Status, ...] = ("pass", "FAIL", "reported", "not measured")
        return {one: sum(row.status == one for row in self.rows) for one in statuses}


def claims_table(reports: Sequence[Report]) -> ClaimsTable:
    """The table of what these reports say."""
    newest: dict[tuple[str, str], tuple[Report, CaseResult]] = {}
    for report in sorted(reports, key=lambda one: one.began_at):
        if report.plan.proves:
            newest |= {(report.bench, case.name): (report, case) for case in report.results.cases}
    sources = list(dict.fromkeys(_source(report) for report, _ in newest.values()))
    lines: dict[str, list[Line]] = {row.name: [] for row in ROWS}
    for report, case in newest.values():
        for verdict in case.verdicts:
            line = _line(report, case, verdict, sources.index(_source(report)) + 1)
            lines.setdefault(verdict.claim.row, []).append(line)
    return ClaimsTable(
        rows=tuple(
            RowResult(
                row=row,
                status=_status(lines[row.name]),
                lines=tuple(lines[row.name]),
                why_not=tuple(dict.fromkeys(_why_not(row, reports, newest))),
            )
            for row in ROWS
        ),
        sources=tuple(sources),
    )


def markdown(table: ClaimsTable) -> str:
    """The table as a page."""
    told = ", ".join(f"{count} {status}" for status, count in table.counts.items() if count)
    parts = [HEADING, f"**{len(table.rows)} rows: {told}.**\n"]
    parts += [f"{number}. {source}" for number, source in enumerate(table.sources, 1)]
    parts += [
        "",
        "| row | promise | target | result | measured | baseline beside it | run |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in table.rows:
        line = result.headline
        parts.append(
            _cells(
                f"[{result.row.name}](#{_anchor(result.row)})",
                result.row.title,
                result.row.target,
                _mark(result.status),
                f"{line.contender}: {line.value}" if line else NOTHING,
                line.baseline if line else NOTHING,
                str(line.source) if line else NOTHING,
            )
        )
    for result in table.rows:
        parts += ["", *_section(result)]
    return "\n".join(parts) + "\n"


def _section(result: RowResult) -> Iterator[str]:
    yield f"## {result.row.name} {result.row.title}"
    yield ""
    yield f"{result.row.definition} Target: {result.row.target}."
    if result.lines:
        yield ""
        yield _cells(*COLUMNS)
        yield "|---" * len(COLUMNS) + "|"
    for line in result.lines:
        yield _cells(
            line.says,
            line.bound,
            line.case,
            line.contender,
            line.value,
            *line.percentiles,
            line.baseline,
            _mark(line.status) + line.held,
            str(line.source),
        )
    for why in result.why_not:
        yield ""
        yield f"Not measured: {why}."
    if not result.lines and not result.why_not:
        yield ""
        yield "Not measured."


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _mark(status: Status) -> str:
    return f"**{status}**" if status == "FAIL" else status


def _anchor(row: Row) -> str:
    words = f"{row.name} {row.title}".lower().split()
    return "-".join("".join(c for c in word if c.isalnum() or c == "-") for word in words)


def _source(report: Report) -> str:
    machine = report.machine
    memory = f", {machine.memory_bytes / GIB:.1f} GiB" if machine.memory_bytes else ""
    virtual = " (virtual)" if machine.virtual else ""
    return (
        f"{machine.cpu}{virtual}, {machine.usable_cpus} CPUs on {machine.physical_cpus} cores{memory}; "
        f"{machine.python}; commit {machine.commit or 'unknown'}; {report.began_at[:10]}"
    )


def _status(lines: Sequence[Line]) -> Status:
    statuses: tuple[Status, ...] = ("FAIL", "pass", "reported")
    found = {line.status for line in lines}
    return next((status for status in statuses if status in found), "not measured")


def _why_not(
    row: Row, reports: Sequence[Report], newest: dict[tuple[str, str], tuple[Report, CaseResult]]
) -> Iterator[str]:
    """What kept the families that measure a row from it."""
    families = {claim.bench for claim in CLAIMS.values() if claim.row == row.name}
    measured = {bench for bench, _ in newest}
    for report in sorted(reports, key=lambda one: one.began_at):
        if report.bench not in families:
            continue
        if report.error and report.bench not in measured:
            yield f"`gapless bench {report.bench}` cannot be run there: {report.error}"
        elif not report.plan.proves and report.bench not in measured:
            yield f"`gapless bench {report.bench}` was only tried with --quick"
    for (bench, name), (_, case) in newest.items():
        if (
            case.error
            and bench in families
            and not any(v.claim.row == row.name for v in case.verdicts)
        ):
            yield f"`gapless bench {bench} --case {name}`: {case.error}"


def _line(report: Report, case: CaseResult, verdict: Verdict, source: int) -> Line:
    claim = verdict.claim
    figures = {one.name: one.figures for one in case.contenders}
    own = figures.get(verdict.contender, {})
    beside = verdict.against or case.contenders[0].name
    value = spread_text(verdict.value, "times" if claim.times else claim.figure)
    if claim.times and claim.figure in own:
        value += f"; {_text(own[claim.figure], claim.figure)}"
    other = figures.get(beside, {}).get(claim.figure)
    compared = other is not None and beside != verdict.contender
    judged = verdict.holds is not None
    bound = ""
    if claim.bound is not None:
        bound = f"{claim.sense} {quantity(claim.bound, 'times' if claim.times else claim.figure)}"
    return Line(
        says=claim.says,
        bound=bound,
        case=f"{report.bench} {case.name}",
        contender=verdict.contender,
        value=value,
        percentiles=tuple(
            duration(own[name].high if name == "max_us" else own[name].median)
            if name in own
            else NOTHING
            for name in PERCENTILES
        ),
        baseline=f"{beside}: {_text(other, claim.figure)}" if compared and other else NOTHING,
        held=f", {verdict.held_rounds} of {len(verdict.value.rounds)} rounds" if judged else "",
        status="reported" if verdict.holds is None else "pass" if verdict.holds else "FAIL",
        source=source,
    )


def _text(value: Spread, figure: str) -> str:
    text = quantity(value.median, figure)
    return f"{text}/s" if figure.endswith("_per_s") else text
