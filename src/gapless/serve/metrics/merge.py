"""The metrics of several workers as those of one server.

In: families of each worker, or what it answered to a scrape. Out: families. Invariants: counters and buckets are added;
gauges as they are declared; what is not declared, and what cannot be read, is left out. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gapless.serve.metrics.declared import BY_FAMILY
from gapless.serve.metrics.families import in_order

log = structlog.get_logger(__name__)


def read(text: bytes) -> list[Metric]:
    """What a worker answered to a scrape, in the text format; empty where that is none."""
    try:
        return list(text_string_to_metric_families(text.decode()))
    except ValueError as error:
        log.warning("the metrics of a worker cannot be read", error=str(error))
        return []


def merged(workers: Iterable[Sequence[Metric]]) -> list[Metric]:
    """One server's, of those of its workers."""
    several = list(workers)
    if len(several) == 1:
        return list(several[0])
    found: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for families in several:
        for family in families:
            declared = BY_FAMILY.get(family.name)
            if declared is None:
                continue
            if family.name not in found:
                found[family.name] = Metric(family.name, declared.says, declared.kind)
            of = values.setdefault(family.name, {})
            for sample in family.samples:
                # Writing them down put the labels into another order.
                key = (sample.name, tuple(sorted(sample.labels.items())))
                value = of.get(key)
                if value is None:
                    of[key] = sample.value
                elif declared.merge == "max":
                    of[key] = max(value, sample.value)
                else:
                    of[key] = value + sample.value
    for name, family in found.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    return in_order(found)
