"""Two source trees beside each other, with real child processes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

import gapless
from gapless.bench.case import Case, Contender
from gapless.bench.check import check_base, run_both
from gapless.bench.harness import Plan
from gapless.bench.run_file import Run
from gapless.cli.bench_check import run_check
from gapless.cli.bench_options import Options
from gapless.cli.main import main
from gapless.errors import ConfigError
from gapless.testing import contenders

pytestmark = pytest.mark.long

PLAN = Plan(rounds=6, seconds=0.1, warm_up_s=0.01)

BURNS = "sum(range(loops))"
FIGURES = "figures=figures or {}"


def a_tree(folder: Path, old: str = "", new: str = "") -> Path:
    """A checkout like this one, with one line of the contenders changed."""
    here = Path(gapless.__file__).parent
    there = folder / "src" / "gapless"
    (there / "testing").mkdir(parents=True)
    for entry in here.iterdir():
        if entry.name != "testing":
            (there / entry.name).symlink_to(entry)
    for entry in (here / "testing").iterdir():
        if entry.name != "contenders.py":
            (there / "testing" / entry.name).symlink_to(entry)
    text = (here / "testing" / "contenders.py").read_text("utf-8")
    assert old in text
    (there / "testing" / "contenders.py").write_text(text.replace(old, new), "utf-8")
    return folder


def a_case(*members: Contender) -> Case:
    return Case(name="case", question="Which?", unit="units", contenders=members)


def burning() -> Contender:
    return Contender(name="burns", what="", make=contenders.burns, options={"loops": 100_000})


def telling(figure: str, value: float) -> Contender:
    options = {"figures": {figure: value}}
    return Contender(name="tells", what="", make=contenders.counts, options=options)


def test_each_tree_runs_its_own_code_as_often_as_the_other(tmp_path: Path) -> None:
    twice = "figures={name: 2 * value for name, value in (figures or {}).items()}"
    source = check_base(a_tree(tmp_path, FIGURES, twice))

    both = run_both([a_case(telling("voices", 5.0))], Plan(rounds=2, seconds=0.05), source)

    (base,), (here,) = both.base.cases, both.here.cases
    assert base.contenders[0].figures["voices"].rounds == (10.0, 10.0)
    assert here.contenders[0].figures["voices"].rounds == (5.0, 5.0)


def test_a_contender_that_became_slower_is_named_and_the_exit_code_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The base counts a tenth as far: what is here takes ten times as long.
    source = check_base(a_tree(tmp_path, BURNS, "sum(range(loops // 10))"))
    file = tmp_path / "check.json"
    options = Options(PLAN, only=(), json=str(file), fail=True)
    cases = nullcontext({"case": lambda: a_case(burning())})

    with pytest.raises(click.exceptions.Exit) as ended:
        run_check([("inference", cases)], source, options)

    assert ended.value.exit_code == 1
    assert "WORSE  inference case, burns: rate_per_s" in capsys.readouterr().out
    comparison = msgspec.json.decode(file.read_bytes(), type=Run).comparison
    assert comparison is not None
    assert comparison.paired
    worse = {change.figure: change for change in comparison.of("worse")}
    assert worse["rate_per_s"].worse_share == 1.0
    assert worse["rate_per_s"].ratio is not None
    assert 0.02 < worse["rate_per_s"].ratio < 0.5


def test_a_contender_that_the_base_does_not_have_is_left_out_and_told(tmp_path: Path) -> None:
    source = check_base(a_tree(tmp_path, "def burns(", "def burned("))

    both = run_both(
        [a_case(burning(), telling("voices", 5.0))], Plan(rounds=1, seconds=0.05), source
    )

    (told,) = both.left_out
    assert told.startswith("case, burns: the base cannot run it")
    (here,) = both.here.cases
    assert here.error == ""
    assert [bool(one.figures) for one in here.contenders] == [False, True]


def test_what_fails_here_is_an_error_of_the_case(tmp_path: Path) -> None:
    source = check_base(a_tree(tmp_path))
    dead = Contender(name="dead", what="", make=contenders.dies)

    both = run_both([a_case(dead)], Plan(rounds=1, seconds=0.05), source)

    assert both.here.cases[0].error.startswith("dead: ended with status 3")


def test_a_folder_without_gapless_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="git worktree add"):
        check_base(tmp_path)


def test_the_command_compares_a_real_case(tmp_path: Path) -> None:
    base = a_tree(tmp_path)
    words = ["cache", "--case", "access", "--rounds", "2", "--seconds", "0.05", "--json", "-"]

    result = CliRunner().invoke(main, ["bench", "check", "--base", str(base), *words, "--no-fail"])

    assert result.exit_code == 0, result.output
    run = msgspec.json.decode(result.stdout, type=Run)
    assert run.comparison is not None
    compared = {(one.case, one.contender) for one in run.comparison.changes}
    assert compared == {("access", "dict"), ("access", "peek"), ("access", "get")}
    # Two rounds cannot tell anything.
    assert not run.comparison.regressed
