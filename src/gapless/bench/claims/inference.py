"""Claims of `gapless bench inference`: models, one at a time and in batches."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

INFERENCE_CLAIMS: Final = (
    Claim(
        name="one-row",
        row="I1",
        bench="inference",
        says="one row through queue, batcher and ONNX Runtime, nobody else there, p95",
        figure="p95_us",
        sense="at most",
        bound=1500,
    ),
    Claim(
        name="many-callers",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers",
        figure="rate_per_s",
        bound=500,
    ),
    Claim(
        name="many-callers-gain",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against a row a call for the same callers on the same threads",
        figure="rate_per_s",
        bound=3,
        times=True,
    ),
    Claim(
        name="many-callers-bare",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against a row a call on as many threads without any callers",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="many-callers-cost",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against bare calls of the largest batch on as many threads",
        figure="rate_per_s",
        bound=0.8,
        times=True,
    ),
    Claim(
        name="sessions-rate",
        row="I2",
        bench="inference",
        says="rows a second of a session for each thread, against one session shared by all",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="sessions-memory",
        row="I2",
        bench="inference",
        says="memory of a session for each thread, against one session shared by all",
        figure="sessions_mib",
        times=True,
    ),
    Claim(
        name="int8-speed",
        row="I3",
        bench="inference",
        says="rows a second with weights of 8 bits where those are used, against 32",
        figure="rate_per_s",
        bound=1,
        times=True,
    ),
    Claim(
        name="int8-error",
        row="I3",
        bench="inference",
        says="error of the outputs with weights of 8 bits where those are used, root mean square",
        figure="error_share",
        sense="at most",
        bound=0.05,
    ),
    Claim(
        name="first-call",
        row="I4",
        bench="inference",
        says="the first call after the warm-up",
        figure="first_us",
        sense="at most",
        bound=10_000,
    ),
    Claim(
        name="first-call-median",
        row="I4",
        bench="inference",
        says="the first call after the warm-up, in medians of the later ones",
        figure="first_in_medians",
        sense="at most",
        bound=2,
    ),
)
