"""Runs cases: every round of every contender in a fresh process, contenders in turn.

In: cases and a plan. Out: results by case, as far as they came. Invariants: one child at a time, and none left when the
call returns, whatever ends it; rounds go A B A B, so that what changes on the machine meanwhile meets all alike.
Thread: any, blocked meanwhile.

Why a process for each round, not one for each contender: where a process's memory happens to lie can matter more than
what is compared; this way the spread of the rounds shows it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, Final, TypeAlias

import msgspec

from gapless.bench.case import Case, Contender
from gapless.bench.child import Answer, Task
from gapless.bench.distribution import Spread, spread
from gapless.bench.verdict import Verdict, judge

START_TIMEOUT_S: Final = 120.0
"""What a child gets for loading and clearing up, besides its work."""

LAST_LINES: Final = 3
"""Of what a child wrote before it failed, shown in its error."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long everything is tried."""

    rounds: int = 5
    seconds: float = 2.0
    """Of one round of one contender."""
    warm_up_s: float = 0.5
    proves: bool = True
    """False for a trial of the bench itself: nothing is judged."""


QUICK: Final = Plan(rounds=1, seconds=0.2, warm_up_s=0.05, proves=False)
"""Shows that everything runs; says nothing about how fast."""


class ContenderResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one contender came to."""

    name: str
    what: str
    figures: dict[str, Spread]
    """By name; empty if no round ended."""


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one case came to."""

    name: str
    question: str
    unit: str
    contenders: tuple[ContenderResult, ...]
    """The baseline first."""
    verdicts: tuple[Verdict, ...]
    error: str = ""
    """Why it was given up; figures are those of the rounds before."""
    notes: tuple[str, ...] = ()
    """Contenders that were missing."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    cases: tuple[CaseResult, ...]
    interrupted: bool = False
    """Ctrl-C was pressed: the last case is cut short, and those behind it are missing."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How a child is started."""

    prefix: tuple[str, ...] = ()
    """A program that starts it and looks at it; it may write to standard output itself."""
    source: Path | None = None
    """The folder that ``gapless`` is imported from; None: where this process has it from."""
    extra_s: float = 0.0
    """Time that this takes besides."""


HERE: Final = Launch()

Tell: TypeAlias = Callable[[Case, int, Contender], None]
"""Is told what is run next: the case, the round from 0, the contender."""


def run_cases(cases: Iterable[Case], plan: Plan, tell: Tell = lambda *_: None) -> Results:
    """Run one case after the other; Ctrl-C ends the run, and what there is is returned."""
    done: list[CaseResult] = []
    for case in cases:
        rounds = _Rounds(case)
        try:
            rounds.run(plan, tell)
        except KeyboardInterrupt:
            return Results(cases=(*done, rounds.result(plan)), interrupted=True)
        done.append(rounds.result(plan))
    return Results(cases=tuple(done))


class _Rounds:
    """The rounds of one case, as they come in."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._answers: dict[str, list[dict[str, float]]] = {one.name: [] for one in case.contenders}
        self._error = ""

    def run(self, plan: Plan, tell: Tell) -> None:
        """Run all rounds, or up to the first that fails."""
        for number in range(plan.rounds):
            for contender in self._case.contenders:
                tell(self._case, number, contender)
                answer = run_child(contender, plan)
                if answer.error:
                    self._error = f"{contender.name}: {answer.error}"
                    return
                self._answers[contender.name].append(answer.figures)

    def result(self, plan: Plan) -> CaseResult:
        """What there is so far."""
        return case_result(self._case, self._answers, plan, self._error)


def case_result(
    case: Case,
    answers: Mapping[str, Sequence[dict[str, float]]],
    plan: Plan,
    error: str = "",
) -> CaseResult:
    """What a case came to.

    Args:
        case: the question.
        answers: figures of every round of each contender.
        plan: what was asked for.
        error: why it was given up.
    """
    figures = {
        name: {figure: spread([one[figure] for one in rounds]) for figure in rounds[0]}
        for name, rounds in answers.items()
        if rounds
    }
    verdicts = (judge(check, figures, proves=plan.proves) for check in case.checks)
    return CaseResult(
        name=case.name,
        question=case.question,
        unit=case.unit,
        contenders=tuple(
            ContenderResult(name=one.name, what=one.what, figures=figures.get(one.name, {}))
            for one in case.contenders
        ),
        verdicts=tuple(verdict for verdict in verdicts if verdict is not None),
        error=error,
        notes=case.notes,
    )


def run_child(contender: Contender, plan: Plan, launch: Launch = HERE) -> Answer:
    """One round of one contender in a fresh process."""
    task = Task(
        module=contender.make.__module__,
        function=contender.make.__name__,
        options=contender.options,
        warm_up_s=plan.warm_up_s if contender.warm_up else 0.0,
        seconds=plan.seconds,
    )
    timeout_s = START_TIMEOUT_S + plan.warm_up_s + plan.seconds + contender.extra_s + launch.extra_s
    command = [sys.executable, "-m", "gapless.bench.child", msgspec.json.encode(task).decode()]
    with (
        NamedTemporaryFile() as answers,
        TemporaryFile() as complaints,
        subprocess.Popen(  # noqa: S603 - our own module
            [*launch.prefix, *command, *((answers.name,) if launch.prefix else ())],
            env=environment_of(launch.source),
            # Nothing is written there: the child takes the end of the pipe for its parent's.
            stdin=subprocess.PIPE,
            stdout=complaints if launch.prefix else answers,
            stderr=complaints,
            # Ctrl-C is for the parent, who ends its children itself.
            start_new_session=True,
        ) as child,
    ):
        try:
            status = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return Answer(error=f"had not ended after {timeout_s:.0f} s; look what it waits for")
        finally:
            child.kill()
            # `Popen` itself does not wait for its child after Ctrl-C.
            child.wait()
        if status == 0:
            return msgspec.json.decode(_content(answers), type=Answer)
        lines = _content(complaints).decode(errors="replace").strip().splitlines()
        last = " / ".join(lines[-LAST_LINES:]) or "it said nothing; run it again"
        return Answer(error=f"ended with status {status}: {last}")


def environment_of(source: Path | None) -> dict[str, str]:
    """Variables with which a Python imports ``gapless`` from a folder; those of this process where there is none."""
    if source is None:
        return dict(os.environ)
    # Before what is installed: the path of an editable installation comes later.
    return os.environ | {"PYTHONPATH": str(source)}


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
