"""Reports as a file keeps them: one family as it is, or several of one run with the machine told once.

In: reports. Out: JSON, and the other way round. Invariants: what is read is what was written, whichever of both shapes
it has; a file that is neither is refused with what it should be. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gapless.bench.compare import Comparison
from gapless.bench.harness import Plan, Results
from gapless.bench.machine import Machine
from gapless.bench.report import Report
from gapless.errors import GaplessError

SINGLE: Final = 1
"""The format of a ``Report``."""

SEVERAL: Final = 2

MOST_BYTES: Final = 256 * 1024 * 1024
"""A file that is longer is not one of ours."""


class FamilyRun(msgspec.Struct, frozen=True, kw_only=True):
    """A report without the machine."""

    bench: str
    began_at: str
    load: float | None
    """Of the machine, before this family began."""
    plan: Plan
    results: Results
    error: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Several families, one after the other, on one machine."""

    format: int = SEVERAL
    began_at: str
    """ISO 8601, UTC."""
    machine: Machine
    families: tuple[FamilyRun, ...]
    comparison: Comparison | None = None


class SingleRun(Report, frozen=True, kw_only=True):
    """One family, and what it was compared with."""

    comparison: Comparison | None = None


class _Shape(msgspec.Struct):
    format: int


def encode_single(report: Report, comparison: Comparison | None = None) -> str:
    """One family as JSON."""
    single = SingleRun(**msgspec.structs.asdict(report), comparison=comparison)
    return _text(single)


def encode_run(reports: Sequence[Report], comparison: Comparison | None = None) -> str:
    """Families of one run as JSON.

    Args:
        reports: at least one, all of the same machine.
        comparison: what they were compared with.
    """
    first = reports[0]
    families = (
        FamilyRun(
            bench=report.bench,
            began_at=report.began_at,
            load=report.machine.load,
            plan=report.plan,
            results=report.results,
            error=report.error,
        )
        for report in reports
    )
    run = Run(
        began_at=first.began_at,
        machine=first.machine,
        families=tuple(families),
        comparison=comparison,
    )
    return _text(run)


def read_reports(file: Path) -> list[Report]:
    """The families that a file holds.

    Raises:
        GaplessError: it is not there, or none of ours.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise GaplessError(f"{file} is too large to be a report; name one that --json wrote")
        content = file.read_bytes()
    except OSError as error:
        raise GaplessError(
            f"{file} cannot be read ({error.strerror}); name a report that --json wrote"
        ) from error
    try:
        if msgspec.json.decode(content, type=_Shape).format == SINGLE:
            return [msgspec.json.decode(content, type=Report)]
        run = msgspec.json.decode(content, type=Run)
    except msgspec.DecodeError as error:
        raise GaplessError(
            f"{file} is no report of gapless bench ({error}); name one that --json wrote"
        ) from error
    return [
        Report(
            bench=family.bench,
            began_at=family.began_at,
            machine=msgspec.structs.replace(run.machine, load=family.load),
            plan=family.plan,
            results=family.results,
            error=family.error,
        )
        for family in run.families
    ]


def _text(run: Run | SingleRun) -> str:
    return msgspec.json.format(msgspec.json.encode(run)).decode() + "\n"
