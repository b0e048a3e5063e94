"""The bench harness with real child processes, and its command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from gapless.bench import harness
from gapless.bench.case import Case, Check, Contender
from gapless.bench.child import Task
from gapless.bench.claims.claim import Claim
from gapless.bench.harness import QUICK, Plan, run_cases, run_child
from gapless.bench.report import Report
from gapless.cli.bench_options import BrokenMessage, Options
from gapless.cli.bench_run import run_bench
from gapless.cli.main import main
from gapless.errors import MissingDependencyError
from gapless.testing import contenders

pytestmark = pytest.mark.long

BRIEF = Plan(rounds=2, seconds=0.05, warm_up_s=0.01)

MORE = Claim(
    name="more",
    row="X1",
    bench="batching",
    says="units a second, against one at a time",
    figure="rate_per_s",
    bound=10,
    times=True,
)


def a_case(*members: Contender, checks: tuple[Check, ...] = ()) -> Case:
    return Case(name="case", question="Which?", unit="units", contenders=members, checks=checks)


def counting(name: str, units: int) -> Contender:
    return Contender(name=name, what="counts", make=contenders.counts, options={"units": units})


def test_a_case_is_measured_in_turn_and_judged() -> None:
    order: list[tuple[int, str]] = []
    case = a_case(
        counting("one", 1),
        # A thousand times the units for the same operation: no machine is so uneven that this could come out below 10.
        counting("thousand", 1000),
        checks=(Check(claim=MORE, contender="thousand", against="one"),),
    )

    (result,) = run_cases([case], BRIEF, lambda _, n, who: order.append((n, who.name))).cases

    assert order == [(0, "one"), (0, "thousand"), (1, "one"), (1, "thousand")]
    assert result.error == ""
    (verdict,) = result.verdicts
    assert verdict.holds is True
    assert verdict.held_rounds == 2
    one = result.contenders[0].figures
    assert len(one["rate_per_s"].rounds) == 2
    assert 0 < one["p50_us"].low <= one["p95_us"].low <= one["p99_us"].low <= one["max_us"].low
    assert one["operations"].low >= 1
    assert one["cpu_s"].low > 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell less of memory")
def test_memory_is_that_of_the_child() -> None:
    figures = run_child(counting("one", 1), BRIEF).figures

    # A fresh interpreter, not the test run that started it.
    assert 1 < figures["resident_mib"] <= figures["peak_mib"] < 100


def test_every_round_has_a_process_of_its_own_that_clears_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    contender = Contender(
        name="a", what="", make=contenders.tells_process, options={"file": str(log)}
    )

    run_cases([a_case(contender)], BRIEF)

    first, closed, second, closed_too = log.read_text().split()
    assert closed == closed_too == "closed"
    assert len({first, second, str(os.getpid())}) == 3


@pytest.mark.parametrize("warm_up", [True, False])
def test_a_contender_is_warmed_up_unless_its_first_operation_is_the_point(
    tmp_path: Path, *, warm_up: bool
) -> None:
    contender = Contender(
        name="a",
        what="",
        make=contenders.tells_process,
        options={"file": str(tmp_path / "log")},
        warm_up=warm_up,
    )

    assert run_child(contender, BRIEF).figures["warm_ups"] == warm_up


def test_what_libraries_print_does_not_disturb() -> None:
    answer = run_child(Contender(name="a", what="", make=contenders.prints), BRIEF)

    assert answer.error == ""
    assert answer.figures["operations"] > 0


def test_what_a_contender_misses_is_told_as_it_says() -> None:
    answer = run_child(Contender(name="a", what="", make=contenders.misses), BRIEF)

    assert answer.error == "the thing is not installed; install it"


def test_a_failure_ends_with_the_last_lines_of_what_the_child_said() -> None:
    answer = run_child(Contender(name="a", what="", make=contenders.raises), BRIEF)

    assert answer.error.startswith("ended with status 1: ")
    assert "ZeroDivisionError: by zero" in answer.error


def test_a_case_that_fails_keeps_its_other_rounds_and_stops_no_other_case() -> None:
    broken = a_case(counting("one", 1), Contender(name="dead", what="", make=contenders.dies))

    first, second = run_cases([broken, a_case(counting("one", 1))], BRIEF).cases

    assert first.error == "dead: ended with status 3: it said nothing; run it again"
    assert len(first.contenders[0].figures["rate_per_s"].rounds) == 1
    assert first.contenders[1].figures == {}
    assert second.error == ""


def test_a_child_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "START_TIMEOUT_S", 0.0)

    answer = run_child(hanging(tmp_path / "pid"), BRIEF)

    assert "had not ended" in answer.error


def test_ctrl_c_ends_the_child_and_returns_what_there_is(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def press_ctrl_c() -> None:
        wait_for(pid_file.exists)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press_ctrl_c)
    finger.start()
    try:
        results = run_cases([a_case(counting("one", 1), hanging(pid_file))], BRIEF)
    finally:
        finger.join()

    assert results.interrupted
    (case,) = results.cases
    assert len(case.contenders[0].figures["rate_per_s"].rounds) == 1
    assert not is_alive(int(pid_file.read_text()))


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    task = Task(
        module=contenders.__name__,
        function="hangs",
        options={"file": str(pid_file)},
        warm_up_s=0,
        seconds=1,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "gapless.bench.child", msgspec.json.encode(task).decode()],
        stdin=subprocess.PIPE,
    ) as child:
        try:
            wait_for(pid_file.exists)
            assert child.stdin is not None
            child.stdin.close()
            assert child.wait(30) == 1
        finally:
            child.kill()


def test_a_trial_prints_a_table_and_proves_nothing_and_writes_json_beside_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "report.json"
    words = ["bench", "batching", "--quick", "--case", "driver-rows", "--json", str(file)]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 0, result.output
    assert "these figures prove nothing" in result.stdout
    assert "1000 rows" in result.stdout
    report = msgspec.json.decode(file.read_bytes(), type=Report)
    assert report.plan == QUICK
    assert [case.name for case in report.results.cases] == ["driver-rows"]


def test_json_on_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(BRIEF, only=(), json="-", fail=True)

    run_bench("batching", nullcontext({"case": lambda: a_case(counting("one", 1))}), options)

    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert report.results.cases[0].contenders[0].name == "one"


@pytest.mark.parametrize(
    ("rival", "fail", "code"), [("red", True, 1), ("red", False, 0), ("dead", True, 2)]
)
def test_the_exit_code_says_what_came_out(rival: str, *, fail: bool, code: int) -> None:
    # No machine counts ten times as fast as itself.
    same = counting(rival, 1)
    dead = Contender(name=rival, what="", make=contenders.dies)
    case = a_case(
        counting("one", 1),
        same if rival == "red" else dead,
        checks=(Check(claim=MORE, contender=rival, against="one"),),
    )
    options = Options(BRIEF, only=(), json=None, fail=fail)

    with pytest.raises(click.exceptions.Exit) if code else nullcontext() as ended:
        run_bench("batching", nullcontext({"case": lambda: case}), options)

    assert ended is None or ended.value.exit_code == code


def test_a_bench_that_cannot_be_set_up_says_why_and_ends_with_2() -> None:
    def missing() -> Case:
        raise MissingDependencyError("no server is installed; install one")

    options = Options(BRIEF, only=(), json=None, fail=True)

    with pytest.raises(BrokenMessage, match="install one") as ended:
        run_bench("pool", nullcontext({"case": missing}), options)
    assert ended.value.exit_code == 2


def test_an_unknown_case_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["bench", "batching", "--case", "flying"])

    assert result.exit_code == 2
    assert "those known are store-rows, driver-rows" in result.stderr


def hanging(pid_file: Path) -> Contender:
    return Contender(name="hangs", what="", make=contenders.hangs, options={"file": str(pid_file)})


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
