"""The plan as text for people: a setting, its value, and why.

In: resolved settings. Out: lines. Invariants: only planned settings; as wide as asked for. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Collection
from textwrap import shorten
from typing import Final

from gapless.settings import MIB, Resolved, Source
from gapless.tune.facts import Facts
from gapless.tune.plan import PLANNED

UNITS: Final = {
    "cache_mb": "MB",
    "cache_ttl_s": "s",
    "store_batch_ms": "ms",
    "bulk_block_samples": "samples",
    "model_memory_bytes": "MB",
}


def plan_table(
    resolved: Resolved, *, columns: int | None = None, without: Collection[str] = ()
) -> list[str]:
    """A line per planned setting.

    Args:
        resolved: fitted settings.
        columns: cut reasons so that lines are no wider; None: whole.
        without: names that are left out.
    """
    lines = []
    for name in PLANNED:
        if name in without:
            continue
        start = f"{name:<19} {shown(name, resolved):>12}  "
        why = why_of(resolved.sources[name])
        if columns is not None:
            why = shorten(why, max(20, columns - len(start)), placeholder=" ...")
        lines.append(start + why)
    return lines


def shown(name: str, resolved: Resolved) -> str:
    """A planned value with its unit; large ones in MB."""
    value = getattr(resolved.settings, name)
    if name == "model_memory_bytes":
        value //= MIB
    return f"{value} {UNITS.get(name, '')}".rstrip()


def why_of(source: Source) -> str:
    """Where a value came from and why, in a line."""
    text = f"{source.kind}: {source.detail}" if source.detail else source.kind
    return f"{text} [clamped by {source.clamped}]" if source.clamped else text


def machine_line(facts: Facts) -> str:
    """The machine in a line."""
    parts = [f"{facts.cpus} of {facts.cpus_online or facts.cpus} CPUs"]
    if facts.cpu_quota is not None:
        parts[0] += f" (quota {facts.cpu_quota:g})"
    if facts.physical_cores is not None:
        parts.append("1 core" if facts.cores == 1 else f"{facts.cores} cores")
    if facts.memory_bytes is not None:
        memory = f"{facts.memory_bytes // MIB} MB"
        if facts.memory_limit_bytes is not None:
            memory += " (limit)"
        if facts.available_bytes is not None:
            memory += f", {facts.available_bytes // MIB} MB of it available"
        parts.append(memory)
    if facts.gpus:
        parts.append(" and ".join(facts.gpus))
    if facts.container:
        parts.append(facts.container)
    return "; ".join(parts)
