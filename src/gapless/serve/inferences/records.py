"""Calls of models, as rows.

In: a question, and its answer or error. Out: records. Thread: the event loop's.
"""

from __future__ import annotations

from typing import Final

from gapless.errors import GaplessError
from gapless.infer.inference import Request, Result
from gapless.store.inferences import InferenceRecord, Moments

OK: Final = "ok"

NS_PER_US: Final = 1000

_MOMENTS: Final = Moments()


def record_of(
    request: Request, outcome: Result | GaplessError, *, at_us: int, request_id: str
) -> InferenceRecord:
    """The row of a call.

    Args:
        request: what was asked.
        outcome: what came of it.
        at_us: when, from ``next_us``.
        request_id: given by the client.
    """
    rows = max((array.shape[0] for array in request.inputs.values() if array.ndim), default=0)
    if isinstance(outcome, Result):
        return InferenceRecord(
            at_us=at_us,
            source=_MOMENTS.source,
            model=outcome.model,
            version=outcome.version,
            rows=rows,
            batch_rows=outcome.rows,
            queue_us=outcome.queue_ns // NS_PER_US,
            compute_us=outcome.compute_ns // NS_PER_US,
            cached=outcome.cached,
            status=OK,
            request_id=request_id,
        )
    return InferenceRecord(
        at_us=at_us,
        source=_MOMENTS.source,
        model=request.model,
        version=request.version or "",
        rows=rows,
        batch_rows=0,
        queue_us=0,
        compute_us=0,
        cached=False,
        status=outcome.code,
        request_id=request_id,
    )


def next_us() -> int:
    """The moment of a call."""
    return _MOMENTS.next_us()
