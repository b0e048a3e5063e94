"""How short of memory this machine is.

In: what Linux tells of memory: stalls (PSI) of the machine and of the control group that this process is in, and what
is available of either. Out: a level. Invariants: parsing and judging touch no files; what a system does not tell counts
as no trouble, so that on others than Linux the level is always calm. Thread: any; a reading opens a handful of small
files, so it belongs in a worker, about once a second.

``some`` is the share of time in which at least one task waited for memory, ``full`` that in which all did; both over
the last ten seconds. A machine that has memory left can stall (a group at its limit), and one that has none left need
not stall yet, so both are looked at.

Source of the files: the Linux kernel's documentation, accounting/psi.rst and admin-guide/cgroup-v2.rst. The limits are
chosen, not measured: at "critical" a program that needs more memory than it must should give some back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from gapless.tune.cgroup import group_folders, group_memory
from gapless.tune.files import number_of, pairs_of, text_of

Pressure: TypeAlias = Literal["calm", "tight", "critical"]


class Stalls(Struct, frozen=True):
    """Shares of the last ten seconds, in percent, in which tasks waited for memory."""

    some_percent: float = 0.0
    """At least one."""
    full_percent: float = 0.0
    """All that were not idle."""


class MemoryFacts(Struct, frozen=True):
    """What was read."""

    stalls: tuple[Stalls, ...] = ()
    """Of the machine, and of the control group."""
    available: tuple[float, ...] = ()
    """Shares, 0..1, of the machine's memory and of the group's limit that can still be had."""


class PressureLimits(Struct, frozen=True, kw_only=True):
    """Where a level begins."""

    tight_some_percent: float = 10.0
    tight_available: float = 0.10
    critical_some_percent: float = 40.0
    critical_full_percent: float = 10.0
    critical_available: float = 0.05


USUAL_LIMITS: Final = PressureLimits()


def memory_pressure(limits: PressureLimits = USUAL_LIMITS) -> Pressure:
    """The level of this process's machine and control group, now."""
    return judge_memory(read_memory(), limits)


def judge_memory(facts: MemoryFacts, limits: PressureLimits = USUAL_LIMITS) -> Pressure:
    """The level that these facts mean; the worst of them counts."""
    some = max((stalls.some_percent for stalls in facts.stalls), default=0.0)
    full = max((stalls.full_percent for stalls in facts.stalls), default=0.0)
    available = min(facts.available, default=1.0)
    if (
        full >= limits.critical_full_percent
        or some >= limits.critical_some_percent
        or available <= limits.critical_available
    ):
        return "critical"
    if some >= limits.tight_some_percent or available <= limits.tight_available:
        return "tight"
    return "calm"


def read_memory(root: Path = Path("/")) -> MemoryFacts:
    """Read what this system tells.

    Args:
        root: where ``proc`` and ``sys`` are; another one for tests.
    """
    proc = root / "proc"
    stalls = [parse_stalls(text_of(proc / "pressure" / "memory"))]
    # Only version 2 tells of a group's stalls; those of all groups below are among them.
    told = (text_of(folder / "memory.pressure") for folder in group_folders(root, "memory"))
    stalls.append(parse_stalls(next(filter(None, told), "")))
    available = [parse_meminfo(text_of(proc / "meminfo"))]
    group = group_memory(root)
    if group is not None:
        available.append(group.available_bytes / group.limit_bytes)
    return MemoryFacts(
        tuple(each for each in stalls if each is not None),
        tuple(each for each in available if each is not None),
    )


def parse_stalls(text: str) -> Stalls | None:
    """Read a file of pressure, such as ``some avg10=1.53 avg60=0.87 avg300=0.20 total=4712``; None if it is none."""
    shares = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        values = dict(pair.split("=", 1) for pair in rest.split() if "=" in pair)
        share = number_of(values.get("avg10"))
        if share is not None:
            shares[kind] = share
    if "some" not in shares:
        return None
    return Stalls(shares["some"], shares.get("full", 0.0))


def parse_meminfo(text: str) -> float | None:
    """The share of the machine's memory that can still be had, from ``/proc/meminfo``; None if it does not say."""
    lines = pairs_of(text, ":")
    total = number_of(lines.get("MemTotal", "").removesuffix("kB"))
    available = number_of(lines.get("MemAvailable", "").removesuffix("kB"))
    if not total or available is None:
        return None
    return available / total
