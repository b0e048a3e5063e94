"""What is worth trying on a machine.

In: facts of it, the values that its formulas give. Out: candidates, the formula's value first and then the most likely
ones. Invariants: executors times their threads never exceed the physical cores; every value is within the bounds of its
setting; no candidate comes twice. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gapless.bench.tuning.race import Candidate

LARGEST_BATCH: Final = 1024

BATCH_ROWS: Final = (64, 128, 256, 512, 1000, 2000, 4000)
"""Rows of a transaction that are tried."""

POOLS: Final = (2, 4, 8, 16, 32, 64)
"""Connections to PostgreSQL that are tried."""


def splits(physical_cpus: int, executors: int, threads: int) -> list[Candidate]:
    """Executors and the threads of each.

    Args:
        physical_cpus: cores that may compute models.
        executors: that the formula gives.
        threads: of each, that the formula gives.
    """
    pairs = [(executors, threads)]
    for each in (*_powers(physical_cpus), physical_cpus):
        most = physical_cpus // each
        # All of them first, then one fewer, then far fewer.
        spare = max((physical_cpus - each) // each, 1)
        pairs += [(most, each), (spare, each), *((fewer, each) for fewer in _powers(most)[::-1])]
    return _once(
        Candidate(
            f"{one} x {each}",
            {"executors": one, "executor_threads": each},
        )
        for one, each in pairs
    )


def largest_batches(largest: int, now: int = 0) -> list[Candidate]:
    """Rows of a call at most.

    Args:
        largest: that any model which is tried takes.
        now: that the formula gives; 0: what each model takes.
    """
    sizes = [size for size in _powers(min(largest, LARGEST_BATCH))[::-1] if size < largest]
    return _once(
        Candidate(f"at most {size}" if size else "what each model takes", {"max_batch": size})
        for size in (now, 0, *sizes)
    )


def batch_rows(now: int) -> list[Candidate]:
    """Rows of a transaction; those next to the formula's value first."""
    return _around("store_batch_rows", now, BATCH_ROWS)


def pools(now: int) -> list[Candidate]:
    """Connections to PostgreSQL; those next to the formula's value first."""
    return _around("store_pool", now, POOLS)


def _around(setting: str, now: int, others: tuple[int, ...]) -> list[Candidate]:
    # How many times larger or smaller is what counts.
    near = sorted(others, key=lambda other: max(other / now, now / other))
    return _once(Candidate(str(value), {setting: value}) for value in (now, *near))


def _powers(most: int) -> list[int]:
    """1, 2, 4 ... up to ``most``."""
    return [1 << bit for bit in range(most.bit_length())]


def _once(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({one.name: one for one in candidates}.values())
