from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from gapless.bench.claims.claim import Claim
from gapless.bench.distribution import Spread, spread
from gapless.bench.harness import CaseResult, ContenderResult, Plan, Results
from gapless.bench.machine import Machine, file_system, machine
from gapless.bench.quantity import quantity, spread_text
from gapless.bench.report import Report, print_report
from gapless.bench.verdict import Verdict

CLAIM = Claim(
    name="gain",
    row="X1",
    bench="inference",
    says="rows a second, against theirs",
    figure="rate_per_s",
    bound=3,
    times=True,
)

QUIET = Machine(
    cpu="Some CPU",
    usable_cpus=4,
    physical_cpus=2,
    virtual=True,
    memory_bytes=8 * 1024**3,
    system="Linux",
    python="CPython 3.11.7",
    packages={"gapless": "0.1.0"},
    load=0.1,
    commit="0123456789ab+",
)


def figures(rate: float) -> dict[str, Spread]:
    names = ("p50_us", "p95_us", "p99_us", "cpu_us_per_unit")
    return {
        "rate_per_s": spread([rate, rate * 0.9, rate * 1.1]),
        "max_us": spread([2000.0, 9000.0, 1000.0]),
        **{name: spread([12.0]) for name in names},
    }


def a_report(
    *,
    holds: bool | None = True,
    error: str = "",
    interrupted: bool = False,
    plan: Plan | None = None,
) -> Report:
    verdict = Verdict(
        claim=CLAIM,
        contender="ours",
        against="theirs",
        value=spread([4.0, 2.0, 5.0]),
        holds=holds,
        held_rounds=2,
    )
    case = CaseResult(
        name="case",
        question="Which is faster?",
        unit="rows",
        contenders=(
            ContenderResult(name="theirs", what="the plain way", figures=figures(1000.0)),
            ContenderResult(name="ours", what="[our] way", figures=figures(4000.0)),
        ),
        verdicts=(verdict,),
        error=error,
    )
    return Report(
        bench="inference",
        began_at="2026-01-31T10:00:00+00:00",
        machine=QUIET,
        plan=plan or Plan(),
        results=Results(cases=(case,), interrupted=interrupted),
    )


def text_of(report: Report) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=160))
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "figure", "text"),
    [
        (0.4, "p50_us", "0.40 us"),
        (87.31, "p95_us", "87.3 us"),
        (1234.0, "max_us", "1.23 ms"),
        (2_500_000.0, "max_us", "2.50 s"),
        (65_000.0, "rate_per_s", "65.0k"),
        (3_800_000.0, "rate_per_s", "3.80M"),
        (7.0, "rate_per_s", "7.00"),
        (131.4, "resident_mib", "131 MiB"),
        (0.031, "error_share", "3.10 %"),
        (3.14159, "times", "3.14x"),
        (12.5, "first_in_medians", "12.5x"),
        (0.0, "first_in_medians", "0.00x"),
    ],
)
def test_figures_have_the_unit_of_their_name(value: float, figure: str, text: str) -> None:
    assert quantity(value, figure) == text


def test_a_spread_shows_its_rounds_where_there_are_several() -> None:
    assert spread_text(spread([2.0, 1.0, 4.0]), "times") == "2.00x (1.00x .. 4.00x)"
    assert spread_text(spread([2.0]), "times") == "2.00x"


def test_a_report_shows_the_machine_the_contenders_and_the_verdict() -> None:
    text = text_of(a_report())

    assert "Some CPU (virtual), 4 CPUs on 2 cores, 8.0 GiB" in text
    assert "commit 0123456789ab+" in text
    assert "Which is faster?" in text
    assert "ours: [our] way" in text
    assert "PASS X1 rows a second, against theirs: at least 3.00x" in text
    assert "ours / theirs: 4.00x (2.00x .. 5.00x), held in 2 of 3 rounds" in text


def test_the_row_of_a_contender_has_medians_and_the_slowest_operation_of_all() -> None:
    row = next(line for line in text_of(a_report()).splitlines() if line.startswith("ours "))

    assert "4.00k" in row
    assert "3.60k .. 4.40k" in row
    assert "4.00x" in row
    assert "9.00 ms" in row
    # Memory that the system does not tell is not made up.
    assert row.count("?") == 2


def test_a_claim_that_did_not_hold_is_red() -> None:
    report = a_report(holds=False)

    assert report.red
    assert "FAIL X1" in text_of(report)
    assert not a_report(holds=None).red


def test_a_case_that_was_given_up_says_why() -> None:
    report = a_report(error="ours: ended with status 3")

    assert report.broken
    assert "could not be measured: ours: ended with status 3" in text_of(report)


def test_a_trial_and_an_interruption_are_told() -> None:
    assert "prove nothing" in text_of(a_report(plan=Plan(proves=False)))
    assert "interrupted" in text_of(a_report(interrupted=True))


def test_a_busy_machine_is_told() -> None:
    busy = msgspec.structs.replace(QUIET, load=1.5)

    assert "was busy" in text_of(msgspec.structs.replace(a_report(), machine=busy))
    assert "was busy" not in text_of(a_report())


def test_a_report_survives_json() -> None:
    report = a_report(holds=False)

    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_the_facts_of_this_machine_are_found() -> None:
    facts = machine()

    assert facts.cpu
    assert 1 <= facts.physical_cpus <= facts.usable_cpus
    assert facts.packages["gapless"]


def test_the_file_system_of_a_folder_is_that_of_the_deepest_mount() -> None:
    if not Path("/proc/self/mounts").exists():
        assert file_system(Path("/")) is None
    else:
        assert file_system(Path("/proc")) == "proc"
