"""Recognisers, models, and the servers that run models for us. In: their statistics. Out: families. Thread: any."""

from __future__ import annotations

from typing import Final

from gapless.infer.engine.statistics import ModelStatistics
from gapless.infer.inference import Inference
from gapless.serve.metrics import declared
from gapless.serve.metrics.families import Families
from gapless.serve.services import Services

BREAKER_STATES: Final = ("closed", "half-open", "open")


def add_recognisers(out: Families, services: Services) -> None:
    """Who is heard, and what was invented."""
    for model, places in services.places().items():
        out.add(declared.PLACES, places.most, model)
        out.add(declared.PLACES_USED, places.busy, model)
        out.add(declared.PLACES_WAITING, places.waiting, model)
    for model, dropped in services.suppressed().items():
        for guard, count in dropped.items():
            out.add(declared.SUPPRESSED, count, model, guard)


def add_models(out: Families, inference: Inference) -> None:
    """What models were asked, and what it took."""
    for model in inference.statistics():
        _add_model(out, model)


def _add_model(out: Families, model: ModelStatistics) -> None:
    of = (model.name, model.version)
    out.add(declared.MODEL_CALLS, model.calls, *of)
    out.add(declared.MODEL_ROWS, model.rows, *of)
    for outcome, count in (
        ("ok", model.success.count),
        ("failed", model.fail.count),
        ("refused", model.refused),
        ("expired", model.expired),
        ("cancelled", model.cancelled),
    ):
        out.add(declared.MODEL_REQUESTS, count, *of, outcome)
    out.histogram(declared.MODEL_QUEUE_SECONDS, model.times.queue, *of)
    out.histogram(declared.MODEL_STEP_SECONDS, model.times.step, *of)
    out.histogram(declared.MODEL_COMPUTE_SECONDS, model.times.compute, *of)
    out.histogram(declared.MODEL_BATCH_ROWS, model.times.rows, *of)
    out.add(declared.MODEL_WAITING_ROWS, model.waiting_rows, *of)
    out.add(declared.MODEL_SEQUENCES, model.sequences, *of)
    out.add(declared.MODEL_SEQUENCES_MAX, model.max_sequences, *of)


def add_endpoints(out: Families, inference: Inference) -> None:
    """Servers that run models for us: channels, and the breaker before them."""
    for (model, url), endpoint in sorted(inference.endpoints().items()):
        pool = endpoint.pool
        of = (model, url)
        idle = pool.channels - pool.lent - pool.checking
        for state, count in (("idle", idle), ("lent", pool.lent), ("checking", pool.checking)):
            out.add(declared.POOL_CHANNELS, count, *of, state)
        out.add(declared.POOL_CHANNELS_MAX, pool.most, *of)
        out.add(declared.POOL_WAITING, pool.waiting, *of)
        out.add(declared.POOL_GRANTS, pool.granted, *of)
        out.add(declared.POOL_REFUSALS, pool.timed_out, *of, "timeout")
        out.add(declared.POOL_REFUSALS, pool.refused, *of, "refused")
        out.add(declared.POOL_OPENED, pool.opened, *of)
        add_breaker(out, f"triton:{model}@{url}", endpoint.breaker, endpoint.breaker_opened)


def add_breaker(out: Families, name: str, state: str, opened: int) -> None:
    """A breaker: 1 for the state that it is in, 0 for the others."""
    for one in BREAKER_STATES:
        out.add(declared.BREAKER_STATE, one == state, name, one)
    out.add(declared.BREAKER_OPENED, opened, name)
