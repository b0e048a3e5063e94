"""Two source trees beside each other: every contender from both, round by round in turn.

In: cases of this tree, the folder ``src`` of another. Out: results of both. Invariants: the same interpreter, packages,
machine and minute for both; who begins changes from round to round; before the first round both have run once, so that
nothing is compiled in it; one child at a time. Thread: any, blocked meanwhile.

What a contender is asked to do is set up by this tree (models, files), and done by the code of each. One that the other
tree does not have, or cannot do, is left out and said to be so.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from gapless.bench.case import Case, Contender
from gapless.bench.harness import (
    HERE,
    QUICK,
    CaseResult,
    Launch,
    Plan,
    Results,
    Tell,
    case_result,
    environment_of,
    run_child,
)
from gapless.errors import ConfigError

WHERE: Final = "import gapless; print(gapless.__file__)"

IMPORT_TIMEOUT_S: Final = 60.0


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """What two trees came to."""

    base: Results
    here: Results
    left_out: tuple[str, ...]
    """Contenders that the base cannot run, and why."""


def check_base(base: Path) -> Path:
    """The folder that ``gapless`` of another tree is imported from.

    Args:
        base: a checkout, or its folder ``src``.

    Raises:
        ConfigError: there is none, or Python imports another one all the same.
    """
    found = [folder for folder in (base / "src", base) if (folder / "gapless").is_dir()]
    if not found:
        raise ConfigError(
            f"there is no src/gapless in {base}; name a checkout, as `git worktree add` makes one",
            param="base",
        )
    source = found[0].resolve()
    told = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", WHERE],
        env=environment_of(source),
        capture_output=True,
        text=True,
        check=False,
        timeout=IMPORT_TIMEOUT_S,
    ).stdout.strip()
    if not told or not Path(told).parent.samefile(source / "gapless"):
        raise ConfigError(
            f"Python imports {told or 'nothing'} instead of what is in {source}; "
            "install Gapless with `pip install -e`, or run from a checkout",
            param="base",
        )
    return source


def run_both(cases: Iterable[Case], plan: Plan, source: Path, tell: Tell = lambda *_: None) -> Both:
    """Run all cases in both trees; Ctrl-C ends the run, and what there is is returned.

    Args:
        cases: of this tree.
        plan: how long each is tried, in each tree.
        source: where the other tree's ``gapless`` is imported from; see ``check_base``.
        tell: is told what is run next.
    """
    base: list[CaseResult] = []
    here: list[CaseResult] = []
    left_out: list[str] = []
    interrupted = False
    for case in cases:
        pairs = _Pairs(case, Launch(source=source))
        try:
            pairs.run(plan, tell)
        except KeyboardInterrupt:
            interrupted = True
        base.append(case_result(case, pairs.base, plan))
        here.append(case_result(case, pairs.here, plan, pairs.error))
        left_out += pairs.left_out
        if interrupted:
            break
    return Both(
        base=Results(cases=tuple(base), interrupted=interrupted),
        here=Results(cases=tuple(here), interrupted=interrupted),
        left_out=tuple(left_out),
    )


class _Pairs:
    """The rounds of one case in both trees, as they come in; always as many of one as of the other."""

    def __init__(self, case: Case, other: Launch) -> None:
        self._case = case
        self._other = other
        self.base: dict[str, list[dict[str, float]]] = {one.name: [] for one in case.contenders}
        self.here: dict[str, list[dict[str, float]]] = {one.name: [] for one in case.contenders}
        self.left_out: list[str] = []
        self.error = ""

    def run(self, plan: Plan, tell: Tell) -> None:
        """Run all rounds, or up to the first that fails."""
        contenders = self._primed(tell)
        for number in range(plan.rounds):
            for contender in contenders:
                tell(self._case, number, contender)
                if not self._pair(contender, plan, number):
                    return

    def _primed(self, tell: Tell) -> list[Contender]:
        """Those that both can run, after each has once."""
        found = []
        for contender in self._case.contenders:
            tell(self._case, 0, contender)
            where = f"{self._case.name}, {contender.name}"
            if why := run_child(contender, QUICK).error:
                self.error = f"{contender.name}: {why}"
            elif why := run_child(contender, QUICK, self._other).error:
                self.left_out.append(f"{where}: the base cannot run it ({why})")
            else:
                found.append(contender)
        return found

    def _pair(self, contender: Contender, plan: Plan, number: int) -> bool:
        order = [(self._other, self.base), (HERE, self.here)]
        if number % 2:
            order.reverse()
        answers = [(run_child(contender, plan, launch), into) for launch, into in order]
        for answer, _ in answers:
            if answer.error:
                self.error = f"{contender.name}: {answer.error}"
                return False
        for answer, into in answers:
            into[contender.name].append(answer.figures)
        return True
