"""The five targets of a running server: what each bounds, whether it is met, and what that makes in all.

In: what was measured within a window. Out: a verdict per target and one in all. Invariants: the bounds are those of
the claims that ``gapless bench claims`` measures; what was not measured is not held against a server, and is shown as
not measured. Thread: any (pure).
"""

from __future__ import annotations

from typing import Final

import msgspec

from gapless.observe.status import Judgement, TargetStatus

ALL: Final = 5
GOOD: Final = 3
"""From so many met targets on it is good."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A bound on a figure of a running server."""

    name: str
    row: str
    """Of the claims."""
    says: str
    unit: str
    bound: float
    """The most that it may be."""


LAG: Final = Target(
    name="live lag",
    row="V1",
    says="Of what live streams are told, 95 % is sent within 45 ms of the last sample that caused it.",
    unit="ms",
    bound=45,
)
CALLS: Final = Target(
    name="model calls",
    row="A1",
    says="Of calls of models, 95 % are answered within 50 ms; recordings take as long as they are.",
    unit="ms",
    bound=50,
)
REFUSED: Final = Target(
    name="refused or failed",
    row="V2",
    says="No stream or request is refused for want of room, or fails by a fault of the server.",
    unit="/min",
    bound=0,
)
PROCESSOR: Final = Target(
    name="processor",
    row="A4",
    says="At most 60 % of the processors that the server may use are busy with it.",
    unit="%",
    bound=60,
)
MEMORY: Final = Target(
    name="memory",
    row="A3",
    says="All processes of the server hold at most 2.5 GB together.",
    unit="MB",
    bound=2500,
)

TARGETS: Final = (LAG, CALLS, REFUSED, PROCESSOR, MEMORY)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the targets bound, each in the unit of its target; None: there was nothing to measure."""

    lag_p95_ms: float | None
    calls_p95_ms: float | None
    refused_per_min: float | None
    processor_percent: float | None
    memory_mb: float | None


def judge(measured: Measured) -> tuple[TargetStatus, ...]:
    """What became of each target, in the order of ``TARGETS``."""
    values = (
        measured.lag_p95_ms,
        measured.calls_p95_ms,
        measured.refused_per_min,
        measured.processor_percent,
        measured.memory_mb,
    )
    return tuple(
        TargetStatus(
            name=target.name,
            row=target.row,
            says=target.says,
            unit=target.unit,
            bound=target.bound,
            value=value,
            met=None if value is None else value <= target.bound,
        )
        for target, value in zip(TARGETS, values, strict=True)
    )


def count_met(targets: tuple[TargetStatus, ...]) -> int:
    """How many are met; what was not measured counts as met."""
    return sum(target.met is not False for target in targets)


def judgement(met: int) -> Judgement:
    """What ``met`` of ``ALL`` targets make."""
    if met >= ALL:
        return "all met"
    return "good" if met >= GOOD else "attention"
