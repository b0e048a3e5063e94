"""What the engine measured of a question, as a span of a trace.

In: a result. Out: a span. Invariants: every time in it was measured where it happened. Thread: any (pure).
"""

from __future__ import annotations

from gapless.infer.engine.request import Result
from gapless.observe.traces import Span


def step_span(name: str, result: Result) -> Span:
    """From acceptance until the answer could be fetched; what was remembered took no time here."""
    began_ns = result.offered_ns + result.queue_ns
    gathered_ns = began_ns + result.gather_ns
    ended_ns = began_ns + result.compute_ns
    return Span(
        name,
        result.offered_ns,
        ended_ns,
        {"gapless.model": result.model, "gapless.rows": result.rows},
        (
            Span("queue", result.offered_ns, began_ns),
            Span("gather", began_ns, gathered_ns),
            Span("compute", gathered_ns, ended_ns),
        ),
    )
