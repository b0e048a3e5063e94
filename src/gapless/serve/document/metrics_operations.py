"""What the server answers to Prometheus, for ``/openapi.json``. Thread: any (immutable data)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gapless.serve.document.operation import Answer, Operation


class MetricsParameters(Struct, frozen=True):
    """Query of ``GET /metrics``."""

    scope: Annotated[
        Literal["server", "worker"],
        Meta(description="The whole server, or the process alone that answers."),
    ] = "server"


METRICS_OPERATIONS: Final = (
    Operation(
        method="get",
        path="/metrics",
        name="metrics",
        group="Server",
        summary="Metrics for Prometheus",
        description=(
            "All workers together, in Prometheus' text format or, where `Accept` asks for it, in OpenMetrics. "
            "`docs/reference/metrics.md` says what each means."
        ),
        answers=(
            Answer(
                200,
                "The metrics.",
                {"text/plain": (str,), "application/openmetrics-text": (str,)},
            ),
        ),
        errors={400: "The scope is none of the two."},
        query=MetricsParameters,
        samples={"curl": "curl http://127.0.0.1:8000/metrics"},
    ),
)
