"""Metrics as Prometheus' library has them, made of those that are declared.

In: declared metrics, values of their labels, numbers and snapshots. Out: families. Invariants: nothing comes out that
is not declared, nor with other labels; families come in the order of their declaration. Thread: one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final, final

from prometheus_client import Metric
from prometheus_client.utils import floatToGoString

from gapless.observe.histogram import HistogramSnapshot
from gapless.serve.metrics.declared import METRICS, Declared

INFINITY: Final = "+Inf"


@final
class Families:
    """See the module's head."""

    def __init__(self) -> None:
        self._found: dict[str, Metric] = {}

    def add(self, declared: Declared, value: float, *labels: str) -> None:
        """A value of a counter or a gauge."""
        self._metric(declared).add_sample(declared.name, _labels(declared, labels), float(value))

    def histogram(self, declared: Declared, snapshot: HistogramSnapshot, *labels: str) -> None:
        """What a histogram holds."""
        metric = self._metric(declared)
        of = _labels(declared, labels)
        sums = list(accumulate(snapshot.counts))
        for bound, count in zip(snapshot.bounds, sums, strict=False):
            metric.add_sample(f"{declared.name}_bucket", {**of, "le": _text(bound)}, float(count))
        metric.add_sample(f"{declared.name}_bucket", {**of, "le": INFINITY}, float(sums[-1]))
        metric.add_sample(f"{declared.name}_sum", of, snapshot.sum)
        metric.add_sample(f"{declared.name}_count", of, float(sums[-1]))

    def summary(
        self, declared: Declared, quantiles: Mapping[float, float], count: int, *labels: str
    ) -> None:
        """Quantiles that somebody else computed, of so many values."""
        metric = self._metric(declared)
        of = _labels(declared, labels)
        for quantile, value in quantiles.items():
            metric.add_sample(declared.name, {**of, "quantile": _text(quantile)}, value)
        metric.add_sample(f"{declared.name}_count", of, float(count))

    def all(self) -> list[Metric]:
        """Everything that was added."""
        return in_order(self._found)

    def _metric(self, declared: Declared) -> Metric:
        metric = self._found.get(declared.family)
        if metric is None:
            metric = self._found[declared.family] = Metric(
                declared.family, declared.says, declared.kind
            )
        return metric


def in_order(found: Mapping[str, Metric]) -> list[Metric]:
    """Families as they are declared."""
    return [found[one.family] for one in METRICS if one.family in found]


def _labels(declared: Declared, values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(declared.labels, values, strict=True))


def _text(number: float) -> str:
    """A bound as a label, in the form that all of Prometheus' libraries use."""
    text: str = floatToGoString(number)  # type: ignore[no-untyped-call]
    return text
