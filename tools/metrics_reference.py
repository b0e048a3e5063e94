"""The reference page of metrics, made from their declarations.

In: ``gapless.serve.metrics.declared``. Out: Markdown. Invariants: every metric is in it, in the order of declaration.
Used by ``make_reference.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gapless.observe.histogram import BATCH_BOUNDS, LATENCY_BOUNDS_S
from gapless.serve.metrics.declared import METRICS, TITLES, Declared

INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Metrics

`GET /metrics` answers in Prometheus' text format, and in OpenMetrics to who asks for it. It tells of the whole server,
all workers together; `/metrics?scope=worker` of the one process that answers. A key is needed as for all else.
[Watch a server](../howto/watch-a-server.md) says how to scrape it.

Names are stable. Times are in seconds, sizes in bytes, shares from 0 to 1. The values of labels come from sets that
clients cannot make larger: a route is a template such as `/v2/models/{model}/infer`, and `unmatched` is whatever fits
none, or was refused before one was looked for. What is counted of a model, dialect, flag or route appears with its
first use. What several workers say is added up, unless the table says *largest*.

A worker that ends takes its counts along, so sums fall when a server reloads its workers; `rate()` and `increase()`
take that for a restart, and count too much once.

"""

BUCKETS: Final = """\
## Buckets

Times, in seconds: {times}.
Among them is every target, so that what just meets one is counted as meeting it.

Rows of a batch: {rows}.
"""

MERGES: Final = {"sum": "", "max": "largest"}


def metrics_page() -> str:
    """A table for each subject."""
    titles = {metric.name: title for title, metric in TITLES}
    lines = [INTRODUCTION.rstrip("\n"), ""]
    for metric in METRICS:
        if metric.name in titles:
            lines += [
                *([""] if lines[-1] else []),
                f"## {titles[metric.name]}",
                "",
                "| metric | kind | labels | |",
                "|---|---|---|---|",
            ]
        lines.append(f"| {' | '.join(_cells(metric))} |")
    times, rows = (
        ", ".join(f"{bound:g}" for bound in bounds) for bounds in (LATENCY_BOUNDS_S, BATCH_BOUNDS)
    )
    return "\n".join([*lines, "", BUCKETS.format(times=times, rows=rows)])


def _cells(metric: Declared) -> Iterator[str]:
    notes = [note for note in (MERGES[metric.merge], metric.when) if note]
    yield f"`{metric.name}`"
    yield metric.kind
    yield ", ".join(f"`{label}`" for label in metric.labels)
    yield metric.says + (f" ({'; '.join(notes)})" if notes else "")
