"""A server's status and its last hour as the status page is shown them in tests: every state there is.

In: what differs. Out: structs of ``gapless.observe.status``, so that their shape is the server's. Thread: any.
"""

from __future__ import annotations

import math
from typing import Final

from gapless.observe.status import (
    BreakerStatus,
    CacheStatus,
    DialectStatus,
    History,
    ModelStatus,
    Quantiles,
    Series,
    Status,
    StreamsStatus,
    TargetStatus,
)

EVERY_S: Final = 5.0
POINTS: Final = 720
NEWEST_MS: Final = 1_790_000_000_000

MET: Final = TargetStatus(
    name="lag",
    row="V1",
    says="From the last sample of a chunk to what it causes, p95",
    unit="ms",
    bound=45.0,
    value=12.25,
    met=True,
)
MISSED: Final = TargetStatus(
    name="latency",
    row="A1",
    says="From a request to its answer, p95",
    unit="ms",
    bound=50.0,
    value=1250.0,
    met=False,
)
UNKNOWN: Final = TargetStatus(
    name="processor",
    row="A4",
    says="Share of all cores",
    unit="%",
    bound=60.0,
    value=None,
    met=None,
)

NEVER: Final = TargetStatus(
    name="refused or failed",
    row="V2",
    says="Nothing is refused",
    unit="/min",
    bound=0.0,
    value=0.0,
    met=True,
)

TIMES: Final = Quantiles(count=240, p50_ms=3.2, p95_ms=12.25, p99_ms=31.0)

STATUS: Final = Status(
    at_ms=NEWEST_MS,
    window_s=60.0,
    uptime_s=11_520.0,
    version="1.2.3",
    workers=2,
    judgement="good",
    targets_met=3,
    targets=(MET, MISSED, UNKNOWN, NEVER),
    dialects=(
        DialectStatus(dialect="kserve", per_s=1240.5, errors_per_s=0.0, took=TIMES),
        DialectStatus(dialect="native <b>", per_s=0.5, errors_per_s=0.1, took=None),
    ),
    streams=StreamsStatus(live=12, parked=1, held_back=0, most=64, lag=TIMES),
    models=(
        ModelStatus(
            name="silero_vad",
            version="1",
            calls_per_s=80.0,
            rows_per_s=400.0,
            rows_per_call=5.0,
            queue=TIMES,
            compute=TIMES,
            waiting_rows=3,
            sequences=12,
            max_sequences=64,
        ),
    ),
    caches=(
        CacheStatus(
            namespace="infer",
            hits_per_s=90.0,
            misses_per_s=10.0,
            hit_share=0.9,
            bytes=12_000_000,
            budget_bytes=512_000_000,
        ),
    ),
    breakers=(BreakerStatus(name="triton", state="open"),),
    rejected_per_s={"overloaded": 0.5, "too_large": 0.0},
    processor_share=0.375,
    memory_bytes=812_000_000,
    troubles=("Nothing is kept: the store cannot be opened.",),
    microphone={
        "running": True,
        "uptime_s": 125.0,
        "device_description": "Webcam",
        "stream": {"xruns": 2},
        "engine": {
            "mode": "low-delay",
            "bypass": False,
            "muted": True,
            "latency_ms": 4.0,
            "reduction_db": 18.5,
            "late_blocks": 0,
            "model_error": "",
        },
    },
)


def hour(points: int = POINTS, newest_ms: int = NEWEST_MS) -> History:
    """The last moments of an hour: a wave under its target and over it, a hole, a figure that never was."""
    at_ms = tuple(newest_ms - round((points - 1 - i) * EVERY_S * 1000) for i in range(points))
    wave = tuple(
        None if 300 <= i < 330 else 30.0 + 25.0 * math.sin(at / 300_000)
        for i, at in enumerate(at_ms)
    )
    return History(
        every_s=EVERY_S,
        at_ms=at_ms,
        series=(
            Series(
                name="lag_p95",
                title="Lag, p95",
                says="How late live text is: 19 of 20 results come sooner.",
                unit="ms",
                metric="gapless_stream_lag_seconds",
                values=wave,
                target=45.0,
            ),
            Series(
                name="streams_live",
                says="Streams that are open.",
                unit="",
                values=tuple(float(i // 60) for i in range(points)),
            ),
            Series(
                name="latency_p95",
                says="How long requests take: 19 of 20 are answered sooner.",
                unit="ms",
                values=(None,) * points,
                target=50.0,
            ),
        ),
    )
