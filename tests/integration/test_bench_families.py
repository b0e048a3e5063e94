"""Several families in one run, with real child processes: one table, one file, one exit code."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.families import FAMILIES, Family
from gapless.bench.harness import Plan
from gapless.bench.profiling import py_spy
from gapless.bench.run_file import read_reports
from gapless.cli.main import main
from gapless.errors import MissingDependencyError
from gapless.testing import contenders

pytestmark = pytest.mark.long

SYNTH = CLAIMS["synth-voices"]

BRIEF = ("--rounds", "4", "--seconds", "0.05")


def telling(voices: float) -> AbstractContextManager[Cases]:
    """A family whose only contender says how many voices it had."""
    options = {"figures": {"voices": voices}}
    member = Contender(name="bank", what="", make=contenders.counts, options=options)
    case = Case(
        name="voices",
        question="How many?",
        unit="voices",
        contenders=(member,),
        checks=(Check(claim=SYNTH, contender="bank"),),
    )
    return nullcontext({"voices": lambda: case})


def missing(_: Plan) -> NoReturn:
    raise MissingDependencyError("there is no sound server; install pipewire")


def pressed(_: Plan) -> NoReturn:
    raise KeyboardInterrupt


def bench(*words: str) -> Result:
    return CliRunner().invoke(main, ["bench", *words])


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "synth", Family(lambda _: telling(5_000.0)))
    monkeypatch.setitem(FAMILIES, "mic", Family(missing))


def test_a_family_that_cannot_be_run_stops_no_other_and_the_exit_code_is_2(tmp_path: Path) -> None:
    file = tmp_path / "run.json"

    result = bench("mic", "synth", *BRIEF, "--json", str(file))

    assert result.exit_code == 2, result.output
    assert "cannot be run here: there is no sound server; install pipewire" in result.stdout
    assert "PASS P2 voices within 70 %" in result.stdout
    mic, synth = read_reports(file)
    assert (mic.bench, mic.error) == ("mic", "there is no sound server; install pipewire")
    assert synth.results.cases[0].contenders[0].figures["voices"].rounds == (5_000.0,) * 4
    assert synth.machine.cpu == mic.machine.cpu


def test_ctrl_c_keeps_the_families_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "database", Family(pressed))
    file = tmp_path / "run.json"

    result = bench("synth", "database", "cache", *BRIEF, "--json", str(file))

    assert result.exit_code == 130, result.output
    assert "interrupted" in result.stdout
    synth, database = read_reports(file)
    assert synth.results.cases
    assert database.results.interrupted


def test_an_optimisation_that_is_broken_is_red_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = str(tmp_path / "before.json")
    assert bench("all", "synth", *BRIEF, "--json", before).exit_code == 0
    monkeypatch.setitem(FAMILIES, "synth", Family(lambda _: telling(500.0)))

    result = bench("all", "synth", *BRIEF, "--compare", before)

    assert result.exit_code == 1, result.output
    assert "FAIL P2 voices within 70 %" in result.stdout
    assert "WORSE  synth voices, bank: voices (P2: synth-voices)" in result.stdout
    assert "BROKEN synth voices, P2" in result.stdout


def test_two_files_are_compared_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, now = str(tmp_path / "before.json"), str(tmp_path / "now.json")
    bench("all", "synth", *BRIEF, "--json", before)
    monkeypatch.setitem(FAMILIES, "synth", Family(lambda _: telling(2_000.0)))
    bench("all", "synth", *BRIEF, "--json", now)

    worse, better = bench("compare", before, now), bench("compare", now, before)

    assert worse.exit_code == 1
    assert "WORSE  synth voices, bank: voices" in worse.stdout
    assert "better synth voices, bank: voices" in better.stdout
    assert bench("compare", before, before).exit_code == 0


def test_claims_are_a_table_of_what_was_measured(tmp_path: Path) -> None:
    file, page = tmp_path / "run.json", tmp_path / "claims.md"
    bench("all", "synth", *BRIEF, "--json", str(file))

    result = bench("claims", "--from", str(file), "--write", str(page))

    assert result.exit_code == 0, result.output
    assert "P2" in result.stdout
    assert "not measured" in result.stdout
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| [P2]")]
    assert len(rows) == 1
    assert "| pass | bank: 5.00k" in rows[0]


@pytest.mark.skipif(py_spy() is None, reason="py-spy is not installed")
def test_a_profile_is_a_flame_graph_of_the_contender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Contender(name="b/1", what="", make=contenders.burns, options={"loops": 10_000})
    case = Case(name="case", question="Which?", unit="units", contenders=(member,))
    monkeypatch.setitem(FAMILIES, "synth", Family(lambda _: nullcontext({"case": lambda: case})))
    words = ("all", "synth", "--rounds", "1", "--seconds", "1", "--profile", str(tmp_path / "out"))

    result = bench(*words)

    if "does not let one process look at another" in result.stderr:
        pytest.skip("this machine forbids it")
    assert result.exit_code == 0, result.output
    assert "1 flame graphs are in" in result.stderr
    drawn = (tmp_path / "out" / "synth-case-b-1.svg").read_text("utf-8")
    assert "burns" in drawn


@pytest.mark.parametrize("words", [("inference", "flying"), ("flying",), ("--rounds", "0")])
def test_wrong_words_are_wrong_usage(words: tuple[str, ...]) -> None:
    assert bench(*words).exit_code == 2


def test_a_file_that_is_no_report_is_refused_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"format": 2, "families": "none"}')

    result = bench("synth", "mic", "--compare", str(file))

    assert result.exit_code == 2
    assert "is no report of gapless bench" in result.stderr
    assert result.stdout == ""
