from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gapless.bench.claims import CLAIMS
from gapless.bench.claims_table import RowResult, claims_table, markdown
from gapless.bench.distribution import spread
from gapless.bench.harness import CaseResult, ContenderResult, Plan, Results
from gapless.bench.machine import Machine
from gapless.bench.report import Report
from gapless.bench.run_file import encode_run, encode_single, read_reports
from gapless.bench.verdict import Verdict
from gapless.errors import GaplessError

MACHINE = Machine(
    cpu="Some CPU",
    usable_cpus=4,
    physical_cpus=2,
    virtual=None,
    memory_bytes=8 * 1024**3,
    system="Linux",
    python="CPython 3.11.7",
    packages={"gapless": "0.1.0"},
    load=0.1,
    commit="0123456789ab",
)


def a_report(
    *,
    p95_us: float = 900.0,
    holds: bool | None = True,
    began_at: str = "2026-01-31T10:00:00+00:00",
    plan: Plan | None = None,
    error: str = "",
) -> Report:
    times = {"p50_us": 500.0, "p95_us": p95_us, "p99_us": 950.0, "max_us": 2000.0}
    contenders = tuple(
        ContenderResult(
            name=name,
            what="",
            figures={figure: spread([factor * value]) for figure, value in times.items()},
        )
        for name, factor in (("bare | plain", 0.5), ("engine", 1.0))
    )
    verdict = Verdict(
        claim=CLAIMS["one-row"],
        contender="engine",
        against=None,
        value=spread([p95_us]),
        holds=holds,
        held_rounds=int(bool(holds)),
    )
    case = CaseResult(
        name="one-row", question="", unit="rows", contenders=contenders, verdicts=(verdict,)
    )
    return Report(
        bench="inference",
        began_at=began_at,
        machine=MACHINE,
        plan=plan or Plan(),
        results=Results(cases=() if error else (case,)),
        error=error,
    )


def row(name: str, *reports: Report) -> RowResult:
    (found,) = [one for one in claims_table(reports).rows if one.row.name == name]
    return found


def test_a_row_has_what_was_measured_and_the_baseline_beside_it() -> None:
    result = row("I1", a_report())

    assert result.status == "pass"
    (line,) = result.lines
    assert line.value == "900 us"
    assert line.bound == "at most 1.50 ms"
    assert line.percentiles == ("500 us", "900 us", "950 us", "2.00 ms")
    assert line.baseline == "bare | plain: 450 us"
    assert line.held == ", 1 of 1 rounds"


@pytest.mark.parametrize(("holds", "status"), [(True, "pass"), (False, "FAIL"), (None, "reported")])
def test_a_row_is_as_its_claims_are(holds: bool | None, status: str) -> None:
    assert row("I1", a_report(holds=holds)).status == status


def test_rows_without_a_figure_say_why() -> None:
    assert row("I1").status == "not measured"
    assert row("I1", a_report(error="there is no ONNX Runtime")).why_not == (
        "`gapless bench inference` cannot be run there: there is no ONNX Runtime",
    )
    trial = a_report(plan=Plan(proves=False))
    assert row("I1", trial).status == "not measured"
    assert row("I1", trial).why_not == ("`gapless bench inference` was only tried with --quick",)


def test_the_newest_figure_counts() -> None:
    newer = a_report(p95_us=2000.0, holds=False, began_at="2026-02-01T10:00:00+00:00")

    for reports in ((a_report(), newer), (newer, a_report())):
        (line,) = row("I1", *reports).lines
        assert line.value == "2.00 ms"


def test_the_page_has_every_row_and_is_the_same_for_the_same_reports() -> None:
    table = claims_table([a_report()])
    page = markdown(table)

    assert page == markdown(claims_table([a_report()]))
    for result in table.rows:
        assert f"## {result.row.name} {result.row.title}\n" in page
    assert "| [I1](#i1-latency-of-inference) | Latency of inference | p95 < 1.5 ms | pass |" in page
    assert "1. Some CPU, 4 CPUs on 2 cores, 8.0 GiB; CPython 3.11.7; commit 0123456789ab" in page
    # Else a name would end the cell.
    assert "bare \\| plain: 450 us" in page


def test_both_shapes_of_a_file_are_read(tmp_path: Path) -> None:
    quiet, busy = a_report(), a_report(error="gone")
    busy = msgspec.structs.replace(
        busy, bench="mic", machine=msgspec.structs.replace(MACHINE, load=3.0)
    )
    single, several = tmp_path / "single.json", tmp_path / "several.json"
    single.write_text(encode_single(quiet), "utf-8")
    several.write_text(encode_run([quiet, busy]), "utf-8")

    assert read_reports(single) == [quiet]
    assert read_reports(several) == [quiet, busy]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 3}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)

    with pytest.raises(GaplessError, match="is no report of gapless bench"):
        read_reports(file)
    with pytest.raises(GaplessError, match="cannot be read"):
        read_reports(tmp_path / "missing.json")
