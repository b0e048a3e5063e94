"""Where the time of a contender goes: a flame graph of one more round, drawn by py-spy.

In: a contender, a folder. Out: a file that a browser shows. Invariants: rounds that are looked at are none of those
that are measured; the processes that a contender starts are looked at as well. Thread: any, blocked meanwhile.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from gapless.bench.case import Case, Contender
from gapless.bench.harness import Launch, Plan, Tell, run_child
from gapless.errors import MissingDependencyError

RATE_HZ: Final = 200
"""Looks a second: each stops the process for some tens of microseconds."""

EXTRA_S: Final = 120.0
"""To read the symbols of every process, and to draw."""

OTHERS: Final = re.compile(r"[^A-Za-z0-9]+")


class Profiles(msgspec.Struct, frozen=True):
    """What became of the flame graphs."""

    files: tuple[Path, ...] = ()
    failures: tuple[str, ...] = ()
    """Why one could not be drawn."""


def profile_cases(
    bench: str, cases: Iterable[Case], plan: Plan, folder: Path, tell: Tell = lambda *_: None
) -> Profiles:
    """Draw a flame graph of every contender.

    Args:
        bench: the family; begins the names of the files.
        cases: what is run, a round of each contender.
        plan: how long.
        folder: where the files go; made if it is not there.
        tell: is told what is run next.

    Raises:
        MissingDependencyError: there is no py-spy.
    """
    program = py_spy()
    if program is None:
        raise MissingDependencyError("flame graphs need the program py-spy; pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    files, failures = [], []
    for case in cases:
        for contender in case.contenders:
            tell(case, 0, contender)
            file = folder / f"{file_name(bench, case.name, contender.name)}.svg"
            if why := _profile(contender, plan, program, file):
                failures.append(f"{bench} {case.name}, {contender.name}: {why}")
            else:
                files.append(file)
    return Profiles(tuple(files), tuple(failures))


def py_spy() -> str | None:
    """The program: that beside this Python, else any other."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def file_name(*parts: str) -> str:
    """Names as a part of a path: letters and digits of all, the rest as lines."""
    return "-".join(OTHERS.sub("-", part).strip("-").lower() for part in parts)


def _profile(contender: Contender, plan: Plan, program: str, file: Path) -> str:
    """Run it once under py-spy; returns why there is no file."""
    words = ("record", "--output", str(file), "--rate", str(RATE_HZ), "--subprocesses")
    # Not to be shown by a browser as the last one was, if this one fails.
    file.unlink(missing_ok=True)
    answer = run_child(
        contender, plan, Launch(prefix=(program, *words, "--nonblocking", "--"), extra_s=EXTRA_S)
    )
    if answer.error:
        if "permission" in answer.error.lower() or "ptrace" in answer.error.lower():
            return (
                "this machine does not let one process look at another; "
                "run as root, or allow ptrace (in containers: --cap-add SYS_PTRACE)"
            )
        return answer.error
    return "" if file.exists() else "py-spy drew nothing: the round was too short; use --seconds"
