"""How a server does, from the metrics of a window and what only the server itself can say.

In: a ``Window``, troubles, a microphone. Out: ``Status``. Invariants: every figure comes from the metrics, so that this
and ``/metrics`` cannot disagree. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from gapless.observe.quantiles import quantiles_ms
from gapless.observe.status import (
    BreakerStatus,
    CacheStatus,
    DialectStatus,
    ModelStatus,
    Status,
    StreamsStatus,
)
from gapless.observe.targets import count_met, judge, judgement
from gapless.serve.metrics import declared as d
from gapless.serve.status import figures
from gapless.serve.status.window import Window, by, chosen, total

GRPC_FAULTS: Final = frozenset(
    {"UNKNOWN", "INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "DATA_LOSS"}
)
"""Statuses over gRPC that are a server's fault; over HTTP they are those from 500 on."""

BREAKER_STATES: Final[tuple[Literal["open", "half-open"], ...]] = ("open", "half-open")
"""Those that are told if one worker has them, the worst first."""


def make_status(
    window: Window, troubles: Sequence[str], microphone: dict[str, Any] | None
) -> Status:
    """A status.

    Args:
        window: on the metrics; the figures are over it.
        troubles: what the server does without, in sentences.
        microphone: what a virtual microphone says of itself.
    """
    now = window.now
    targets = judge(figures.measured(window))
    met = count_met(targets)
    versions = list(by(now.of(d.BUILD.name), "version"))
    return Status(
        at_ms=now.at_ms,
        window_s=round(window.seconds, 3),
        uptime_s=total(now.of(d.UPTIME.name)) or 0.0,
        version=versions[0] if versions else "",
        workers=round(total(now.of(d.WORKERS.name)) or 1),
        judgement=judgement(met),
        targets_met=met,
        targets=targets,
        dialects=_dialects(window),
        streams=_streams(window),
        models=_models(window),
        caches=_caches(window),
        breakers=_breakers(window),
        rejected_per_s=figures.rejected_per_s(window),
        processor_share=figures.processor_share(window),
        memory_bytes=figures.memory_bytes(window),
        troubles=tuple(troubles),
        microphone=microphone,
    )


def _dialects(window: Window) -> tuple[DialectStatus, ...]:
    answered = window.increase(d.REQUESTS.name)
    failed = {
        labels: count
        for labels, count in answered.items()
        if (status := dict(labels)["status"]).startswith("5") or status in GRPC_FAULTS
    }
    faults = by(failed, "dialect")
    return tuple(
        DialectStatus(
            dialect=dialect,
            per_s=window.per_s(count),
            errors_per_s=window.per_s(faults.get(dialect, 0.0)),
            took=quantiles_ms(window.buckets(d.REQUEST_SECONDS.name, dialect=dialect)),
        )
        for dialect, count in by(answered, "dialect").items()
        if count
    )


def _streams(window: Window) -> StreamsStatus:
    every = window.now.of(d.STREAMS.name)
    return StreamsStatus(
        live=round(figures.live_streams(window) or 0),
        parked=round(total(chosen(every, state="parked")) or 0),
        held_back=_now(window, d.STREAMS_HELD_BACK),
        most=_now(window, d.STREAMS_MAX),
        lag=figures.lag(window),
    )


def _models(window: Window) -> tuple[ModelStatus, ...]:
    known = window.now.of(d.MODEL_ROWS.name)
    return tuple(_model(window, dict(labels)) for labels in sorted(known))


def _model(window: Window, labels: dict[str, str]) -> ModelStatus:
    calls = total(chosen(window.increase(d.MODEL_CALLS.name), **labels)) or 0.0
    rows = total(chosen(window.increase(d.MODEL_ROWS.name), **labels)) or 0.0
    return ModelStatus(
        name=labels["model"],
        version=labels["version"],
        calls_per_s=window.per_s(calls),
        rows_per_s=window.per_s(rows),
        rows_per_call=rows / calls if calls else None,
        queue=quantiles_ms(window.buckets(d.MODEL_QUEUE_SECONDS.name, **labels)),
        compute=quantiles_ms(window.buckets(d.MODEL_COMPUTE_SECONDS.name, **labels)),
        waiting_rows=_now(window, d.MODEL_WAITING_ROWS, **labels),
        sequences=_now(window, d.MODEL_SEQUENCES, **labels),
        max_sequences=_now(window, d.MODEL_SEQUENCES_MAX, **labels),
    )


def _caches(window: Window) -> tuple[CacheStatus, ...]:
    hits, misses = window.increase(d.CACHE_HITS.name), window.increase(d.CACHE_MISSES.name)
    return tuple(
        CacheStatus(
            namespace=namespace,
            hits_per_s=window.per_s(total(chosen(hits, namespace=namespace)) or 0.0),
            misses_per_s=window.per_s(total(chosen(misses, namespace=namespace)) or 0.0),
            hit_share=figures.hit_share(
                chosen(hits, namespace=namespace), chosen(misses, namespace=namespace)
            ),
            bytes=_now(window, d.CACHE_BYTES, namespace=namespace),
            budget_bytes=round(budget),
        )
        for namespace, budget in by(window.now.of(d.CACHE_BUDGET_BYTES.name), "namespace").items()
    )


def _breakers(window: Window) -> tuple[BreakerStatus, ...]:
    every = window.now.of(d.BREAKER_STATE.name)
    return tuple(
        BreakerStatus(
            name=name,
            state=next(
                (
                    state
                    for state in BREAKER_STATES
                    if total(chosen(every, breaker=name, state=state))
                ),
                "closed",
            ),
        )
        for name in by(every, "breaker")
    )


def _now(window: Window, metric: d.Declared, **labels: str) -> int:
    """A gauge."""
    return round(total(chosen(window.now.of(metric.name), **labels)) or 0)
