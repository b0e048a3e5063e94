"""What was counted between two looks at the metrics.

In: metric families, as ``/metrics`` tells them. Out: increases, rates and buckets. Invariants: a step over which a
counter fell, or over which another number of workers answered, counts for nothing, neither in what was counted nor in
the time: of a worker that comes or goes nobody knows how much was counted in between. Thread: any (pure).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, final

import msgspec
from prometheus_client import Metric

from gapless.observe.quantiles import Bucket

Labels = tuple[tuple[str, str], ...]
"""Sorted by name."""

Series = Mapping[Labels, float]
"""The values of one name, by labels."""

NOTHING: Final[Series] = {}
GROWING: Final = ("counter", "histogram")
"""Types of metrics that only grow."""


class Snapshot(msgspec.Struct, frozen=True):
    """All metrics at a moment."""

    at_s: float
    """On a clock that never goes back."""
    at_ms: int
    """On the wall clock, since 1970."""
    series: dict[str, dict[Labels, float]]
    """By the name of the sample, as in ``x_total`` and ``x_bucket``."""
    growing: frozenset[str]
    """Names of samples that only grow."""
    follows: bool = False
    """Everything that counted when the one before was taken went on counting."""

    def of(self, name: str) -> Series:
        """The values of a name; empty: nobody measures it."""
        return self.series.get(name, NOTHING)


def take(families: Iterable[Metric], names: Collection[str], at_s: float, at_ms: int) -> Snapshot:
    """A snapshot of the families with these names, among what was collected.

    Args:
        families: everything.
        names: of families, as ``Metric.name`` has them; a snapshot of all would be many times as large.
        at_s: see ``Snapshot``, as the next.
        at_ms: the time.
    """
    series: dict[str, dict[Labels, float]] = {}
    growing: set[str] = set()
    for family in families:
        if family.name not in names:
            continue
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = tuple(sorted(sample.labels.items()))
            series.setdefault(sample.name, {})[labels] = float(sample.value)
            if family.type in GROWING:
                growing.add(sample.name)
    return Snapshot(at_s, at_ms, series, frozenset(growing))


def follow(before: Snapshot, after: Snapshot, workers: str) -> Snapshot:
    """``after``, which knows whether everything went on counting.

    Args:
        before: the one before.
        after: taken later.
        workers: name of the gauge that tells how many processes answered.
    """
    same = total(before.of(workers)) == total(after.of(workers))
    return msgspec.structs.replace(after, follows=same and _grew(before, after))


def _grew(before: Snapshot, after: Snapshot) -> bool:
    """Whether no counter fell."""
    return all(
        value >= old
        for name in after.growing
        for labels, value in after.of(name).items()
        if (old := before.of(name).get(labels)) is not None
    )


@final
class Window:
    """The time from the first snapshot to the last.

    Args:
        snapshots: ascending, at least one; each was told which one it follows.
    """

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self.now: Final = snapshots[-1]
        self._runs: Final = list(_runs(snapshots))
        self.seconds: Final = sum(last.at_s - first.at_s for first, last in self._runs)

    def increase(self, name: str) -> Series:
        """How much each series of a name grew."""
        grown: dict[Labels, float] = {}
        for first, last in self._runs:
            before = first.of(name)
            for labels, value in last.of(name).items():
                grown[labels] = grown.get(labels, 0.0) + value - before.get(labels, 0.0)
        return grown

    def buckets(self, name: str, **where: str) -> list[Bucket]:
        """The cumulative counts of a histogram, of all series with these labels together."""
        return merged(chosen(self.increase(f"{name}_bucket"), **where))

    def rate(self, name: str) -> float | None:
        """By how much it grew per second; None: no time has passed, or nobody measures it."""
        grown = total(self.increase(name))
        return None if grown is None or self.seconds <= 0 else grown / self.seconds

    def per_s(self, amount: float) -> float:
        """An increase as a rate; 0 where no time has passed."""
        return amount / self.seconds if self.seconds > 0 else 0.0


def merged(buckets: Series) -> list[Bucket]:
    """The cumulative counts of several histograms with the same bounds, as one."""
    counts: dict[float, float] = {}
    for labels, count in buckets.items():
        bound = float(dict(labels)["le"])
        counts[bound] = counts.get(bound, 0.0) + count
    return sorted(counts.items())


def chosen(series: Series, **where: str) -> Series:
    """Those that have these labels, among others."""
    wanted = where.items()
    return {labels: value for labels, value in series.items() if wanted <= dict(labels).items()}


def by(series: Series, label: str) -> dict[str, float]:
    """The sum of each value of a label, in alphabetical order."""
    sums: dict[str, float] = {}
    for labels, value in series.items():
        name = dict(labels).get(label, "")
        sums[name] = sums.get(name, 0.0) + value
    return dict(sorted(sums.items()))


def total(series: Series) -> float | None:
    """The sum of all; None: there are none."""
    return math.fsum(series.values()) if series else None


def _runs(snapshots: Sequence[Snapshot]) -> Iterator[tuple[Snapshot, Snapshot]]:
    """The first and the last of snapshots in a row over which everything went on counting."""
    first = last = snapshots[0]
    for snapshot in snapshots[1:]:
        if not snapshot.follows:
            if last is not first:
                yield first, last
            first = snapshot
        last = snapshot
    if last is not first:
        yield first, last
