"""The figures of a server within a window, each from the metrics that it is measured by.

In: a ``Window`` on the metrics. Out: numbers, in the units that people read. Invariants: what was not measured is None.
Thread: any (pure).
"""

from __future__ import annotations

from typing import Final

from gapless.observe.quantiles import MS_PER_S, quantile, quantiles_ms
from gapless.observe.status import Quantiles
from gapless.observe.targets import Measured
from gapless.serve.metrics import declared as d
from gapless.serve.status.window import Series, Window, by, chosen, merged, total

BYTES_PER_MB: Final = 1_000_000
S_PER_MIN: Final = 60

CALL_ROUTES: Final = frozenset(
    {
        "/api/infer",
        "/v1/infer",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
        "/inference.GRPCInferenceService/ModelInfer",
    }
)
"""Where models are called. Recordings, jobs and lists take as long as they are, and have no target."""

DESCRIBE: Final = "GET"
"""At the same addresses: what a model takes."""

OUR_FAULTS: Final = frozenset(
    {
        "overloaded",
        "internal_error",
        "gapless_error",
        "model_error",
        "store_error",
        "device_error",
        "connection_lost",
        "deadline_exceeded",
    }
)
"""Codes of refusals that a client can do nothing about."""

USED: Final = (
    *(d.REQUESTS, d.REQUEST_SECONDS, d.REJECTS),
    *(d.STREAMS, d.STREAMS_HELD_BACK, d.STREAMS_MAX, d.STREAM_LAG),
    *(d.MODEL_CALLS, d.MODEL_ROWS, d.MODEL_QUEUE_SECONDS, d.MODEL_COMPUTE_SECONDS),
    *(d.MODEL_WAITING_ROWS, d.MODEL_SEQUENCES, d.MODEL_SEQUENCES_MAX),
    *(d.CACHE_HITS, d.CACHE_MISSES, d.CACHE_BYTES, d.CACHE_BUDGET_BYTES),
    *(d.BREAKER_STATE, d.STORE_SECONDS, d.LOOP_LATENESS),
    *(d.BUILD, d.WORKERS, d.UPTIME, d.CPU_SECONDS, d.CPUS),
    *(d.RESIDENT_BYTES, d.PROPORTIONAL_BYTES),
)
"""What a status and its history are made of."""

FAMILIES: Final = frozenset(metric.family for metric in USED)


def lag(window: Window) -> Quantiles | None:
    """How late live streams were told what was heard."""
    return quantiles_ms(window.buckets(d.STREAM_LAG.name))


def lag_p95_ms(window: Window) -> float | None:
    """The one that has a target."""
    return _ms(quantile(0.95, window.buckets(d.STREAM_LAG.name)))


def calls_p95_ms(window: Window) -> float | None:
    """How long calls of models took, in whatever dialect."""
    grown = window.increase(f"{d.REQUEST_SECONDS.name}_bucket")
    calls = {
        labels: count
        for labels, count in grown.items()
        if (told := dict(labels))["route"] in CALL_ROUTES and told["method"] != DESCRIBE
    }
    return _ms(quantile(0.95, merged(calls)))


def requests_per_s(window: Window) -> float | None:
    """Answers of all dialects."""
    return window.rate(d.REQUESTS.name)


def rejected_per_s(window: Window) -> dict[str, float]:
    """Refusals by code."""
    grown = by(window.increase(d.REJECTS.name), "reason")
    return {reason: window.per_s(count) for reason, count in grown.items()}


def refused_per_min(window: Window) -> float | None:
    """Streams and requests that were refused or failed, and not by a fault of theirs; None: nobody asked for any."""
    grown = by(window.increase(d.REJECTS.name), "reason")
    refused = sum(count for reason, count in grown.items() if reason in OUR_FAULTS)
    asked = total(window.increase(d.REQUESTS.name)) or total(window.now.of(d.STREAMS.name))
    if window.seconds <= 0 or not (asked or refused):
        return None
    return S_PER_MIN * window.per_s(refused)


def rows_per_s(window: Window) -> float | None:
    """Rows that models answered."""
    return window.rate(d.MODEL_ROWS.name)


def rows_per_call(window: Window) -> float | None:
    """How large batches were."""
    calls = total(window.increase(d.MODEL_CALLS.name))
    rows = total(window.increase(d.MODEL_ROWS.name))
    return rows / calls if calls and rows is not None else None


def queue_p95_ms(window: Window) -> float | None:
    """How long rows waited for a model."""
    return _ms(quantile(0.95, window.buckets(d.MODEL_QUEUE_SECONDS.name)))


def hit_percent(window: Window) -> float | None:
    """Of questions to the cache, those that it could answer."""
    share = hit_share(window.increase(d.CACHE_HITS.name), window.increase(d.CACHE_MISSES.name))
    return None if share is None else 100 * share


def hit_share(hits: Series, misses: Series) -> float | None:
    """Of these questions; None: there were none."""
    found, asked = total(hits) or 0.0, (total(hits) or 0.0) + (total(misses) or 0.0)
    return found / asked if asked else None


def store_p95_ms(window: Window) -> float | None:
    """Until a row was durable."""
    return _ms(quantile(0.95, window.buckets(d.STORE_SECONDS.name, operation="write")))


def loop_p99_ms(window: Window) -> float | None:
    """How late the event loop was."""
    return _ms(quantile(0.99, window.buckets(d.LOOP_LATENESS.name)))


def processor_share(window: Window) -> float | None:
    """Of all processors that the server may use, how much was busy with it."""
    spent, cpus = window.rate(d.CPU_SECONDS.name), total(window.now.of(d.CPUS.name))
    return None if spent is None or not cpus else spent / cpus


def processor_percent(window: Window) -> float | None:
    """The same."""
    share = processor_share(window)
    return None if share is None else 100 * share


def memory_bytes(window: Window) -> int | None:
    """What all processes hold; what they share is counted once where the system tells."""
    for metric in (d.PROPORTIONAL_BYTES, d.RESIDENT_BYTES):
        held = total(window.now.of(metric.name))
        if held is not None:
            return round(held)
    return None


def memory_mb(window: Window) -> float | None:
    """The same."""
    held = memory_bytes(window)
    return None if held is None else held / BYTES_PER_MB


def live_streams(window: Window) -> float | None:
    """With a connection, now."""
    every = window.now.of(d.STREAMS.name)
    parked = total(chosen(every, state="parked")) or 0.0
    return None if (count := total(every)) is None else count - parked


def measured(window: Window) -> Measured:
    """What the targets bound."""
    return Measured(
        lag_p95_ms=lag_p95_ms(window),
        calls_p95_ms=calls_p95_ms(window),
        refused_per_min=refused_per_min(window),
        processor_percent=processor_percent(window),
        memory_mb=memory_mb(window),
    )


def _ms(seconds: float | None) -> float | None:
    # To the nanosecond, so that 0.045 s is 45 ms.
    return None if seconds is None else round(seconds * MS_PER_S, 6)
